/** Create, update, patch and delete options from a query or a body, checked. */
import type { FieldError } from '../../api/errors.ts'
import { errors, field } from '../../api/errors.ts'
import type { WriteOptions } from '../verbs/call.ts'
import type { DeleteOptions } from '../verbs/delete.ts'
import { checkDeleteOptions, dryRunProblems } from '../verbs/delete.ts'
import { isTrue } from './requestinfo.ts'

const validations = ['Ignore', 'Warn', 'Strict']
const maxManager = 128

/** Throws 422 for values upstream refuses. `kind` names the options in the message. */
export function writeOptions(query: URLSearchParams, kind: string): WriteOptions {
  const dryRun = query.getAll('dryRun').filter(value => value !== '')
  const fieldManager = query.get('fieldManager') ?? ''
  const validation = query.get('fieldValidation') ?? ''
  const problems: FieldError[] = [...dryRunProblems(dryRun), ...managerProblems(fieldManager)]
  if (validation !== '' && !validations.includes(validation)) {
    problems.push(field.notSupported('fieldValidation', validation, ['', ...validations]))
  }
  if (problems.length > 0) throw errors.invalid({ group: 'meta.k8s.io', kind }, '', problems)
  return {
    dryRun: dryRun.length > 0,
    fieldManager,
    force: isTrue(query.get('force')),
    fieldValidation: validation === '' ? 'Warn' : (validation as WriteOptions['fieldValidation']),
  }
}

function managerProblems(manager: string): FieldError[] {
  const problems: FieldError[] = []
  if (/^[ -~]*$/.test(manager) && manager.length <= maxManager) return problems
  if (manager.length > maxManager) problems.push(field.tooLong('fieldManager', maxManager))
  for (const [index, character] of [...manager].entries()) {
    if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) continue
    problems.push(
      field.invalid('fieldManager', manager, `should only contain printable characters (invalid at ${index})`),
    )
    break
  }
  return problems
}

/** DeleteOptions of a request: the body when there is one, else the query. */
export function deleteOptions(query: URLSearchParams, body: unknown): DeleteOptions {
  const options = body === undefined ? fromQuery(query) : fromBody(body)
  checkDeleteOptions(options)
  return options
}

function fromQuery(query: URLSearchParams): DeleteOptions {
  const grace = query.get('gracePeriodSeconds')
  const orphan = query.get('orphanDependents')
  const policy = query.get('propagationPolicy')
  const dryRun = query.getAll('dryRun').filter(value => value !== '')
  if (grace !== null && !/^-?\d+$/.test(grace)) {
    throw errors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`)
  }
  return {
    ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
    ...(policy === null ? {} : { propagationPolicy: policy }),
    ...(dryRun.length === 0 ? {} : { dryRun }),
  }
}

function fromBody(body: unknown): DeleteOptions {
  if (typeof body !== 'object' || body === null) throw errors.badRequest('the body is no DeleteOptions')
  const { gracePeriodSeconds, propagationPolicy, orphanDependents, preconditions, dryRun, kind } =
    body as DeleteOptions & {
      kind?: unknown
    }
  if (kind !== undefined && kind !== '' && kind !== 'DeleteOptions') {
    throw errors.badRequest(`the body is a ${String(kind)}, not DeleteOptions`)
  }
  return {
    ...optional('gracePeriodSeconds', gracePeriodSeconds),
    ...optional('propagationPolicy', propagationPolicy),
    ...optional('orphanDependents', orphanDependents),
    ...optional('preconditions', preconditions),
    ...optional('dryRun', dryRun),
  }
}

function optional<K extends keyof DeleteOptions>(name: K, value: DeleteOptions[K] | null): DeleteOptions {
  return value === undefined || value === null ? {} : { [name]: value }
}
