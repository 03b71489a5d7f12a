/** Validation of pod specs, in pods and in templates. */
import { field } from '../../../../api/errors.ts'
import { qualifiedNameErrors } from '../../../../api/labels.ts'
import type { PodSpec, PodTemplateSpec } from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import { oneOf } from '../checks.ts'
import { annotationErrors, labelErrors, textErrors } from '../metadata.ts'
import { dnsLabel, dnsSubdomain, ipAddress } from '../names.ts'
import { nonNegativeQuantity } from '../quantity.ts'
import { containersErrors } from './containers.ts'
import { affinityErrors, gatesErrors, spreadErrors, tolerationsErrors } from './placement.ts'
import { podResourcesErrors } from './resources.ts'
import { hostUsersErrors, podSecurityErrors } from './security.ts'
import { volumesErrors } from './volumes.ts'

const maxInt32 = 2 ** 31 - 1

/** Checks a pod spec. `isPod` is true for a Pod's own spec, false inside a template. */
export function* podSpecErrors(spec: PodSpec, path: string, isPod: boolean): Errors {
  if (typeof spec.terminationGracePeriodSeconds !== 'number') {
    yield field.required(`${path}.terminationGracePeriodSeconds`)
  }
  yield* volumesErrors(spec.volumes, `${path}.volumes`)
  yield* resourceClaimsErrors(spec, `${path}.resourceClaims`)
  yield* containersErrors(spec, path, isPod)
  yield* podResourcesErrors(spec, `${path}.resources`)
  yield* hostNetworkErrors(spec, `${path}.containers`, isPod)
  yield* oneOf(spec.restartPolicy, `${path}.restartPolicy`, ['Always', 'OnFailure', 'Never'])
  yield* oneOf(spec.dnsPolicy, `${path}.dnsPolicy`, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'])
  yield* labelErrors(spec.nodeSelector, `${path}.nodeSelector`)
  yield* podSecurityErrors(spec, `${path}.securityContext`)
  yield* affinityErrors(spec.affinity, `${path}.affinity`)
  yield* dnsErrors(spec, `${path}.dnsConfig`)
  for (const [index, gate] of (spec.readinessGates ?? []).entries()) {
    yield* textErrors(qualifiedNameErrors, gate.conditionType, `${path}.readinessGates[${index}].conditionType`)
  }
  yield* gatesErrors(spec.schedulingGates, `${path}.schedulingGates`)
  yield* spreadErrors(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`)
  yield* hostUsersErrors(spec, path)
  yield* namesErrors(spec, path)
  yield* tolerationsErrors(spec.tolerations, `${path}.tolerations`)
  yield* hostAliasesErrors(spec.hostAliases, `${path}.hostAliases`)
  yield* otherErrors(spec, path)
}

function* namesErrors(spec: PodSpec, path: string): Errors {
  for (const name of ['serviceAccountName', 'nodeName', 'priorityClassName', 'runtimeClassName'] as const) {
    if (spec[name]) yield* textErrors(dnsSubdomain, spec[name], `${path}.${name}`)
  }
  for (const name of ['hostname', 'subdomain'] as const) {
    if (spec[name]) yield* textErrors(dnsLabel, spec[name], `${path}.${name}`)
  }
}

function* otherErrors(spec: PodSpec, path: string): Errors {
  const deadline = spec.activeDeadlineSeconds
  if (typeof deadline === 'number' && (deadline < 1 || deadline > maxInt32)) {
    yield field.invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${maxInt32}, inclusive`)
  }
  if (spec.preemptionPolicy) {
    yield* oneOf(spec.preemptionPolicy, `${path}.preemptionPolicy`, ['PreemptLowerPriority', 'Never'])
  }
  for (const [resource, value] of Object.entries(spec.overhead ?? {})) {
    yield* nonNegativeQuantity(value, `${path}.overhead.limits[${resource}]`)
  }
  if (spec.os) yield* oneOf(spec.os.name, `${path}.os.name`, ['linux', 'windows'])
}

function* resourceClaimsErrors(spec: PodSpec, path: string): Errors {
  const names = new Set<string>()
  for (const [index, claim] of (spec.resourceClaims ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!claim.name) yield field.required(`${at}.name`)
    else if (names.has(claim.name)) yield field.duplicate(`${at}.name`, claim.name)
    else yield* textErrors(dnsLabel, claim.name, `${at}.name`)
    names.add(claim.name)
    const { resourceClaimName: claimName, resourceClaimTemplateName: templateName } = claim
    if (claimName !== undefined && templateName !== undefined) {
      const text = 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'
      yield field.invalid(at, claim, text)
    }
    if (claimName === undefined && templateName === undefined) {
      yield field.invalid(at, claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`')
    }
    if (claimName !== undefined) yield* textErrors(dnsSubdomain, claimName, `${at}.resourceClaimName`)
    if (templateName !== undefined) yield* textErrors(dnsSubdomain, templateName, `${at}.resourceClaimTemplateName`)
  }
}

function* hostNetworkErrors(spec: PodSpec, path: string, isPod: boolean): Errors {
  if (!spec.hostNetwork) return
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [portIndex, port] of (container.ports ?? []).entries()) {
      const hostPort = port.hostPort ?? 0
      if ((!isPod && hostPort === 0) || hostPort === port.containerPort) continue
      const text = 'must match `containerPort` when `hostNetwork` is true'
      yield field.invalid(`${path}[${index}].ports[${portIndex}].hostPort`, hostPort, text)
    }
  }
}

function* dnsErrors(spec: PodSpec, path: string): Errors {
  const config = spec.dnsConfig
  if (spec.dnsPolicy === 'None') {
    if (!config) return yield field.required(path, 'must provide `dnsConfig` when `dnsPolicy` is None')
    if (!config.nameservers?.length) {
      const text = 'must provide at least one DNS nameserver when `dnsPolicy` is None'
      return yield field.required(`${path}.nameservers`, text)
    }
  }
  const { nameservers = [], searches = [], options = [] } = config ?? {}
  if (nameservers.length > 3) {
    yield field.invalid(`${path}.nameservers`, nameservers, 'must not have more than 3 nameservers')
  }
  for (const [index, server] of nameservers.entries()) {
    yield* textErrors(ipAddress, server, `${path}.nameservers[${index}]`)
  }
  if (searches.length > 32) {
    yield field.invalid(`${path}.searches`, searches, 'must not have more than 32 search paths')
  }
  if (searches.join(' ').length > 2048) {
    const text = 'must not have more than 2048 characters (including spaces) in the search list'
    yield field.invalid(`${path}.searches`, searches, text)
  }
  for (const [index, search] of searches.entries()) {
    if (search !== '.') yield* searchErrors(search.replace(/\.$/, ''), `${path}.searches[${index}]`)
  }
  for (const [index, option] of options.entries()) {
    if (!option.name) yield field.required(`${path}.options[${index}]`, 'must not be empty')
  }
}

/** Search paths may have underscores, which subdomains may not. */
function* searchErrors(search: string, path: string): Errors {
  if (!/^_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$/.test(search)) {
    yield* textErrors(dnsSubdomain, search, path)
  }
}

function* hostAliasesErrors(aliases: PodSpec['hostAliases'], path: string): Errors {
  for (const [index, alias] of (aliases ?? []).entries()) {
    yield* textErrors(ipAddress, alias.ip ?? '', `${path}[${index}].ip`)
    for (const [nameIndex, name] of (alias.hostnames ?? []).entries()) {
      yield* textErrors(dnsSubdomain, name, `${path}[${index}].hostnames[${nameIndex}]`)
    }
  }
}

/** Checks a pod template: its labels, annotations and spec. */
export function* podTemplateErrors(template: PodTemplateSpec | undefined, path: string): Errors {
  yield* labelErrors(template?.metadata?.labels, `${path}.labels`)
  yield* annotationErrors(template?.metadata?.annotations, `${path}.annotations`)
  yield* podSpecErrors(template?.spec ?? { containers: [] }, `${path}.spec`, false)
  if (template?.spec?.ephemeralContainers?.length) {
    yield field.forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template')
  }
}

/** Warnings about a pod spec that upstream sends most. `path` is "spec" or "spec.template.spec". */
export function podSpecWarnings(spec: PodSpec | undefined, path: string): string[] {
  const warnings: string[] = []
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [index, container] of (spec?.[list] ?? []).entries()) {
      const names = new Set<string>()
      for (const [at, variable] of (container.env ?? []).entries()) {
        if (names.has(variable.name)) {
          const where = `${path}.${list}[${index}].env[${at}]`
          warnings.push(
            `${where}: hides previous definition of "${variable.name}", which may be dropped when using apply`,
          )
        }
        names.add(variable.name)
      }
    }
  }
  if (spec?.nodeSelector?.['beta.kubernetes.io/arch'] !== undefined) {
    warnings.push(
      `${path}.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead`,
    )
  }
  if (spec?.nodeSelector?.['beta.kubernetes.io/os'] !== undefined) {
    warnings.push(`${path}.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead`)
  }
  return warnings
}
