/** CertificateSigningRequest: who asks is what the server saw, not what the client wrote. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import { humanDuration, rfc3339 } from '../../../api/time.ts'
import type { CertificateSigningRequest as Request } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, restoreField, strategy } from '../common/build.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsSubdomain, pathSegment } from '../common/names.ts'
import type { WriteContext } from '../kind.ts'

const minSeconds = 600
const decisions = new Set(['Approved', 'Denied'])

function prepareForCreate(request: Draft<Request>, { user }: WriteContext): void {
  const { spec } = request
  if (!spec) return
  spec.username = user.name
  if (user.uid) spec.uid = user.uid
  else delete spec.uid
  spec.groups = [...user.groups]
  if (Object.keys(user.extra).length > 0) spec.extra = structuredClone(user.extra) as { [key: string]: string[] }
  else delete spec.extra
}

function stampConditions(request: Draft<Request>, old: Request, { clock }: WriteContext): void {
  const now = rfc3339(clock.now())
  for (const condition of request.status?.conditions ?? []) {
    condition.lastUpdateTime ??= now
    if (condition.lastTransitionTime) continue
    const before = old.status?.conditions?.find(found => found.type === condition.type)
    condition.lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now
  }
}

/** An update of /status keeps the decisions, which only /approval makes. */
function prepareForStatusUpdate(request: Draft<Request>, old: Request, context: WriteContext): void {
  const others = (request.status?.conditions ?? []).filter(condition => !decisions.has(condition.type))
  const kept = (old.status?.conditions ?? []).filter(condition => decisions.has(condition.type))
  const conditions = [...structuredClone(kept), ...others] as typeof others
  request.status = { ...request.status, ...(conditions.length > 0 ? { conditions } : {}) }
  stampConditions(request, old, context)
}

function* validate({ spec }: Request): Errors {
  const path = 'spec.request'
  if (!spec?.request) yield field.invalid(path, '', 'PEM block type must be CERTIFICATE REQUEST')
  else if (!Buffer.from(spec.request, 'base64').toString().includes('-----BEGIN CERTIFICATE REQUEST-----')) {
    yield field.invalid(path, spec.request, 'PEM block type must be CERTIFICATE REQUEST')
  }
  if (!spec?.usages?.length) yield field.required('spec.usages')
  const seen = new Set<string>()
  for (const [index, usage] of (spec?.usages ?? []).entries()) {
    if (seen.has(usage)) yield field.duplicate(`spec.usages[${index}]`, usage)
    seen.add(usage)
  }
  yield* signerErrors(spec?.signerName ?? '')
  const seconds = spec?.expirationSeconds
  if (typeof seconds === 'number' && seconds < minSeconds) {
    const text = `may not specify a duration less than ${minSeconds} seconds (10 minutes)`
    yield field.invalid('spec.expirationSeconds', seconds, text)
  }
}

function* signerErrors(name: string): Errors {
  const path = 'spec.signerName'
  if (name === '') return yield field.required(path)
  const [domain = '', ...rest] = name.split('/')
  if (rest.length === 0) {
    return yield field.invalid(
      path,
      name,
      'must be a fully qualified domain and path of the form "example.com/signer-name"',
    )
  }
  if (!domain.includes('.')) {
    yield field.invalid(path, name, 'should be a domain with at least two segments separated by dots')
  } else yield* textErrors(dnsSubdomain, domain, path)
  if (rest.join('/') === '') yield field.invalid(path, name, 'validating label "": must not be empty')
}

function* conditionsErrors(conditions: NonNullable<Request['status']>['conditions']): Errors {
  const types = new Set((conditions ?? []).map(condition => condition.type))
  for (const [index, condition] of (conditions ?? []).entries()) {
    const at = `status.conditions[${index}]`
    if (!condition.type) yield field.required(`${at}.type`)
    if (condition.status === undefined) yield field.required(`${at}.status`)
    if (condition.type === 'Denied' && types.has('Approved')) {
      yield field.invalid(`${at}.type`, condition.type, 'Approved and Denied conditions are mutually exclusive')
    }
  }
}

function conditionText({ status }: Request): string {
  const has = (type: string) => status?.conditions?.some(condition => condition.type === type)
  const words = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending']
  if (has('Failed')) words.push('Failed')
  if (status?.certificate) words.push('Issued')
  return words.join(',')
}

export const certificateSigningRequest = strategy<Request>({
  validateName: pathSegment,
  status: {},
  prepareForCreate,
  prepareForUpdate: (draft, old) => restoreField(draft, old, 'spec'),
  prepareForStatusUpdate,
  validate,
  validateStatusUpdate: object => conditionsErrors(object.status?.conditions),
  fieldNames: ['spec.signerName'],
  fields: object => ({ 'spec.signerName': object.spec?.signerName ?? '' }),
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', object => object.spec?.signerName || '<none>'),
    column('Requestor', object => object.spec?.username ?? ''),
    column('RequestedDuration', ({ spec }) =>
      typeof spec?.expirationSeconds === 'number' ? humanDuration(spec.expirationSeconds * 1000) : '<none>',
    ),
    column('Condition', conditionText),
  ],
})
