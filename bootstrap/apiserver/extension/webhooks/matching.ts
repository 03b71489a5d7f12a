/** Which webhooks a request is for (upstream: apiserver pkg/admission/plugin/webhook/generic and predicates). */
import { apiVersionOf, type KubeObject } from '../../../api/object.ts'
import { isEmptySelector, selects } from '../../../api/selectors.ts'
import type { RuleWithOperations } from '../../../api/types.gen.ts'
import type { AdmissionRequest, ObjectReader } from '../../admission/plugin.ts'
import type { Kind } from '../../kinds/kind.ts'
import type { KindRegistry } from '../../schema/registry.ts'
import { toStored } from '../../verbs/present.ts'
import type { Hook, Webhook } from './hooks.ts'

/** A webhook that is to be called, and the version of the resource it wants to see. */
export interface Invocation {
  readonly hook: Hook
  readonly kind: Kind
}

interface Place {
  readonly group: string
  readonly version: string
  readonly resource: string
}

export interface MatchParts {
  readonly reader: ObjectReader
  readonly registry: KindRegistry
}

const exempt = new Set([
  'mutatingwebhookconfigurations',
  'validatingwebhookconfigurations',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
])

/** What could lock its own repair out is never sent to anybody. */
export const isExempt = ({ kind }: AdmissionRequest): boolean =>
  kind.group === 'admissionregistration.k8s.io' && exempt.has(kind.resource)

/** Undefined where the webhook has nothing to do with the request. */
export function invocationOf(parts: MatchParts, hook: Hook, request: AdmissionRequest): Invocation | undefined {
  const { webhook } = hook
  const kind = matchedKind(parts.registry, webhook, request)
  if (!kind || !namespaceSelected(parts.reader, webhook, request) || !objectSelected(webhook, request)) return undefined
  return { hook, kind }
}

function matchedKind(registry: KindRegistry, webhook: Webhook, request: AdmissionRequest): Kind | undefined {
  const { rules = [] } = webhook
  if (rules.some(rule => ruleMatches(rule, request, request.kind))) return request.kind
  if (webhook.matchPolicy !== 'Equivalent') return undefined
  const others = equivalents(registry, request.kind)
  for (const rule of rules) {
    const found = others.find(other => ruleMatches(rule, request, other))
    if (found) return found
  }
  return undefined
}

/** Other versions of what is stored alike. */
function equivalents(registry: KindRegistry, kind: Kind): Kind[] {
  const { group, resource } = kind.storage
  return [...registry.all()].filter(
    other =>
      other !== kind && other.storage.group === group && other.storage.resource === resource && !other.strategy.virtual,
  )
}

const includes = (list: readonly string[] | undefined, text: string) =>
  list?.some(item => item === '*' || item === text)

function ruleMatches(rule: RuleWithOperations, request: AdmissionRequest, place: Place): boolean {
  return (
    scopeMatches(rule.scope, request) &&
    includes(rule.operations, request.operation) === true &&
    includes(rule.apiGroups, place.group) === true &&
    includes(rule.apiVersions, place.version) === true &&
    (rule.resources ?? []).some(text => {
      const [resource = '', subresource = ''] = text.split('/')
      return includes([resource], place.resource) && includes([subresource], request.subresource)
    })
  )
}

const isNamespace = ({ kind }: AdmissionRequest) => kind.group === '' && kind.resource === 'namespaces'

function scopeMatches(scope: string | undefined, request: AdmissionRequest): boolean {
  const inNamespace = !isNamespace(request) && request.namespace !== ''
  if (scope === 'Namespaced') return inNamespace
  return scope === 'Cluster' ? !inNamespace : true
}

function namespaceSelected(reader: ObjectReader, webhook: Webhook, request: AdmissionRequest): boolean {
  const selector = webhook.namespaceSelector
  if (isEmptySelector(selector) || (request.namespace === '' && !isNamespace(request))) return true
  if (isNamespace(request) && request.subresource === '' && request.object) {
    return selects(selector, request.object.metadata.labels ?? {})
  }
  const name = isNamespace(request) ? request.name : request.namespace
  return selects(selector, reader.get('', 'namespaces', '', name)?.metadata.labels ?? {})
}

function objectSelected({ objectSelector }: Webhook, { object, old }: AdmissionRequest): boolean {
  if (isEmptySelector(objectSelector)) return true
  return [object, old].some(one => one !== undefined && selects(objectSelector, one.metadata?.labels ?? {}))
}

/** An object of one version in another. */
export function inVersion(object: KubeObject, from: Kind, to: Kind): KubeObject {
  if (from === to) return object
  const stored = toStored(from, object)
  return to.convert ? to.convert.fromStored(stored) : { ...stored, apiVersion: apiVersionOf(to), kind: to.kind }
}
