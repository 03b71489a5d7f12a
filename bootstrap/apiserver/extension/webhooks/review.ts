/** AdmissionReview: what a webhook is asked, and what its answer must be like (upstream: apiserver pkg/admission/plugin/webhook/request). */
import { type Status, StatusError } from '../../../api/errors.ts'
import type { AdmissionRequest } from '../../admission/plugin.ts'
import type { Kind } from '../../kinds/kind.ts'
import { type Invocation, inVersion } from './matching.ts'

const known = ['v1', 'v1beta1']

/** What an allowed or refused answer comes to. */
export interface Verdict {
  readonly allowed: boolean
  readonly status: Partial<Status> | undefined
  readonly warnings: readonly string[]
  /** A JSON patch. */
  readonly patch: unknown
}

/** The review as it goes over the wire. */
export function reviewOf(invocation: Invocation, request: AdmissionRequest, uid: string): object {
  const { webhook } = invocation.hook
  const version = webhook.admissionReviewVersions.find(candidate => known.includes(candidate))
  if (version === undefined) throw new Error('webhook does not accept known AdmissionReview versions (v1, v1beta1)')
  const { kind: asked, subresource, user } = request
  const { kind } = invocation
  const isNamespace = asked.group === '' && asked.resource === 'namespaces'
  const namespace = isNamespace && request.operation !== 'CREATE' ? request.name : request.namespace
  const sub = subresource === '' ? {} : { subResource: subresource, requestSubResource: subresource }
  const extra = Object.keys(user.extra).length === 0 ? {} : { extra: user.extra }
  const isConnect = request.operation === 'CONNECT'
  const typed = { ...typeOf(asked, subresource), ...request.options }
  return {
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${version}`,
    request: {
      uid,
      kind: gvk(kind, subresource),
      resource: gvr(kind),
      requestKind: gvk(asked, subresource),
      requestResource: gvr(asked),
      ...sub,
      ...(request.name === '' ? {} : { name: request.name }),
      ...(namespace === '' ? {} : { namespace }),
      operation: request.operation,
      userInfo: { username: user.name, ...(user.uid === '' ? {} : { uid: user.uid }), groups: user.groups, ...extra },
      object: isConnect ? typed : objectIn(request.object, request, kind),
      oldObject: objectIn(request.old, request, kind),
      dryRun: request.dryRun,
      options: isConnect ? null : request.options,
    },
  }
}

/** Subresources with objects of their own kind are sent as they are. */
function objectIn(object: AdmissionRequest['old'], request: AdmissionRequest, kind: Kind): unknown {
  if (object === undefined) return null
  return object.kind === request.kind.kind ? inVersion(object, request.kind, kind) : object
}

const gvr = ({ group, version, resource }: Kind) => ({ group, version, resource })

/** The kind of what is sent: a subresource may have its own. */
export function gvk(kind: Kind, subresource: string) {
  const found = subresource === '' ? undefined : kind.subresources.find(({ name }) => name === subresource)
  return {
    group: found?.group ?? kind.group,
    version: found?.version ?? kind.version,
    kind: found?.kind ?? kind.kind,
  }
}

function typeOf(kind: Kind, subresource: string) {
  const { group, version, kind: name } = gvk(kind, subresource)
  return { kind: name, apiVersion: group === '' ? version : `${group}/${version}` }
}

interface Answer {
  readonly kind?: string
  readonly apiVersion?: string
  readonly response?: {
    readonly uid?: string
    readonly allowed?: boolean
    readonly status?: Partial<Status>
    readonly warnings?: readonly string[]
    readonly patch?: string
    readonly patchType?: string
  } | null
}

/** Throws, saying what is wrong, for an answer that does not fit the question. */
export function verdictOf(text: string, asked: object, uid: string, mutating: boolean): Verdict {
  const answer = JSON.parse(text) as Answer
  const { response } = answer
  if (!response) throw new Error('webhook response was absent')
  const { apiVersion } = asked as { apiVersion: string }
  const isV1 = apiVersion === 'admission.k8s.io/v1'
  if (isV1 && response.uid !== uid) {
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`)
  }
  if (isV1 && (answer.kind !== 'AdmissionReview' || answer.apiVersion !== apiVersion)) {
    const [group, version] = (answer.apiVersion ?? '').split('/')
    const got = `${group ?? ''}/${version ?? ''}, Kind=${answer.kind ?? ''}`
    throw new Error(`expected webhook response of ${apiVersion}, Kind=AdmissionReview, got ${got}`)
  }
  const { patch = '', patchType = '' } = response
  if (!mutating && isV1 && patch !== '') throw new Error('validating webhook may not return response.patch')
  if (!mutating && isV1 && patchType !== '') throw new Error('validating webhook may not return response.patchType')
  if (mutating && isV1) checkPatch(patch, patchType)
  return {
    allowed: response.allowed === true,
    status: response.status,
    warnings: response.warnings ?? [],
    patch: mutating && patch !== '' ? JSON.parse(Buffer.from(patch, 'base64').toString('utf8')) : undefined,
  }
}

function checkPatch(patch: string, type: string): void {
  if (patch !== '' && type === '') throw new Error('webhook returned response.patch but not response.patchType')
  if (patch === '' && type !== '') throw new Error('webhook returned response.patchType but not response.patch')
  if (type !== '' && type !== 'JSONPatch') {
    throw new Error(`webhook returned invalid response.patchType of ${JSON.stringify(type)}`)
  }
}

/** The refusal a client gets to see. */
export function denial(name: string, status: Partial<Status> = {}): StatusError {
  const by = `admission webhook ${JSON.stringify(name)} denied the request`
  const why = status.message || status.reason
  return new StatusError({
    ...status,
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: why ? `${by}: ${why}` : `${by} without explanation`,
    code: Math.max(400, status.code ?? 0),
  })
}
