/** Validation of a container's environment and of references to pod fields and resources. */
import { field } from '../../../../api/errors.ts'
import { qualifiedNameErrors } from '../../../../api/labels.ts'
import type {
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import { textErrors } from '../metadata.ts'
import { configMapKey, dnsSubdomain, environmentName } from '../names.ts'
import { canonical, quantityOf } from '../quantity.ts'

const environmentFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]
/** What a volume may show of its pod. */
export const volumeFields = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
]
const convertibleFields = new Set([
  ...environmentFields,
  'metadata.annotations',
  'metadata.labels',
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
])
const resourceFields = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]

/** Checks `env`. */
export function* environmentErrors(variables: readonly EnvVar[] | undefined, path: string): Errors {
  for (const [index, variable] of (variables ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!variable.name) yield field.required(`${at}.name`)
    else yield* textErrors(environmentName, variable.name, `${at}.name`)
    if (variable.valueFrom) yield* sourceErrors(variable.valueFrom, variable.value, `${at}.valueFrom`)
  }
}

function* sourceErrors(source: EnvVarSource, value: string | undefined, path: string): Errors {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source
  if (fieldRef) yield* fieldReferenceErrors(fieldRef, environmentFields, `${path}.fieldRef`)
  if (resourceFieldRef) yield* resourceReferenceErrors(resourceFieldRef, `${path}.resourceFieldRef`, false)
  if (configMapKeyRef) yield* keyReferenceErrors(configMapKeyRef, `${path}.configMapKeyRef`)
  if (secretKeyRef) yield* keyReferenceErrors(secretKeyRef, `${path}.secretKeyRef`)
  const given = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(Boolean).length
  if (given === 0) {
    const choices = '`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'
    yield field.invalid(path, '', `must specify one of: ${choices}`)
  } else if (value) yield field.invalid(path, '', 'may not be specified when `value` is not empty')
  else if (given > 1) yield field.invalid(path, '', 'may not have more than one field specified at a time')
}

function* keyReferenceErrors(
  reference: { readonly name?: string | undefined; readonly key: string },
  path: string,
): Errors {
  yield* textErrors(dnsSubdomain, reference.name ?? '', `${path}.name`)
  if (!reference.key) yield field.required(`${path}.key`)
  else yield* textErrors(configMapKey, reference.key, `${path}.key`)
}

/** Checks a reference to a field of the pod; `supported` lists the paths allowed in this place. */
export function* fieldReferenceErrors(
  reference: ObjectFieldSelector,
  supported: readonly string[],
  path: string,
): Errors {
  if (!reference.apiVersion) return yield field.required(`${path}.apiVersion`)
  if (!reference.fieldPath) return yield field.required(`${path}.fieldPath`)
  const { name, key } = splitSubscript(reference.fieldPath)
  if (key !== undefined && (name === 'metadata.annotations' || name === 'metadata.labels')) {
    const checked = name === 'metadata.annotations' ? key.toLowerCase() : key
    for (const text of qualifiedNameErrors(checked)) yield field.invalid(path, checked, text)
  } else if (key !== undefined || !convertibleFields.has(name)) {
    const why = `error converting fieldPath: field label not supported: ${reference.fieldPath}`
    yield field.invalid(`${path}.fieldPath`, reference.fieldPath, why)
  } else if (!supported.includes(name)) yield field.notSupported(`${path}.fieldPath`, name, supported)
}

function splitSubscript(path: string): { name: string; key?: string } {
  const match = /^(.*)\['(.*)'\]$/.exec(path)
  return match ? { name: match[1]!, key: match[2]! } : { name: path }
}

/** Checks a reference to a container's resources; in a volume the container must be named. */
export function* resourceReferenceErrors(reference: ResourceFieldSelector, path: string, inVolume: boolean): Errors {
  const { resource } = reference
  if (inVolume && !reference.containerName) yield field.required(`${path}.containerName`)
  else if (!resource) yield field.required(`${path}.resource`)
  else if (!resourceFields.includes(resource) && !/^(requests|limits)\.hugepages-/.test(resource)) {
    yield field.notSupported(`${path}.resource`, resource, resourceFields)
  }
  yield* divisorErrors(resource ?? '', reference.divisor, path)
}

const sizeDivisors = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']
const divisorNames: { readonly [resource: string]: string } = {
  memory: 'memory',
  'ephemeral-storage': 'local ephemeral storage',
}

function* divisorErrors(resource: string, divisor: string | undefined, path: string): Errors {
  if (quantityOf(divisor).isZero()) return
  const name = resource.slice(resource.indexOf('.') + 1)
  const kind = name.startsWith('hugepages-') ? 'hugepages' : divisorNames[name]
  if (name === 'cpu' && !['1m', '1'].includes(canonical(divisor))) {
    yield field.invalid(
      `${path}.divisor`,
      resource,
      "only divisor's values 1m and 1 are supported with the cpu resource",
    )
  } else if (kind && !sizeDivisors.includes(canonical(divisor))) {
    const text = `only divisor's values ${sizeDivisors.join(', ')} are supported with the ${kind} resource`
    yield field.invalid(`${path}.divisor`, resource, text)
  }
}

/** Checks `envFrom`. */
export function* environmentSourceErrors(sources: readonly EnvFromSource[] | undefined, path: string): Errors {
  for (const [index, source] of (sources ?? []).entries()) {
    const at = `${path}[${index}]`
    if (source.prefix) yield* textErrors(environmentName, source.prefix, `${at}.prefix`)
    for (const kind of ['configMapRef', 'secretRef'] as const) {
      const reference = source[kind]
      if (!reference) continue
      if (!reference.name) yield field.required(`${at}.${kind}.name`)
      else yield* textErrors(dnsSubdomain, reference.name, `${at}.${kind}.name`)
    }
    if (!source.configMapRef && !source.secretRef) {
      yield field.invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`')
    } else if (source.configMapRef && source.secretRef) {
      yield field.invalid(path, '', 'may not have more than one field specified at a time')
    }
  }
}
