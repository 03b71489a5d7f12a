/** ListOptions from a query, checked as upstream does (apimachinery pkg/apis/meta/internalversion/validation). */
import type { FieldError } from '../../api/errors.ts'
import { errors, field } from '../../api/errors.ts'
import { isTrue } from '../http/requestinfo.ts'

export interface ListOptions {
  readonly labelSelector: string
  readonly fieldSelector: string
  readonly limit: number
  readonly continue: string
  readonly resourceVersion: string
  readonly resourceVersionMatch: string
  readonly allowWatchBookmarks: boolean
  readonly sendInitialEvents: boolean | undefined
  readonly timeoutSeconds: number | undefined
}

export const everything: ListOptions = {
  labelSelector: '',
  fieldSelector: '',
  limit: 0,
  continue: '',
  resourceVersion: '',
  resourceVersionMatch: '',
  allowWatchBookmarks: false,
  sendInitialEvents: undefined,
  timeoutSeconds: undefined,
}

/** Throws 400 for numbers that are none and 422 for combinations that make no sense. */
export function listOptions(query: URLSearchParams, verb: 'list' | 'watch' | 'deletecollection'): ListOptions {
  const options: ListOptions = {
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    limit: integer(query, 'limit') ?? 0,
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    allowWatchBookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendInitialEvents: query.has('sendInitialEvents') ? isTrue(query.get('sendInitialEvents')) : undefined,
    timeoutSeconds: integer(query, 'timeoutSeconds'),
  }
  checkListOptions(options, verb === 'watch')
  return options
}

export function checkListOptions(options: ListOptions, watch: boolean): void {
  const problems = watch ? watchProblems(options) : listProblems(options)
  if (problems.length > 0) throw errors.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', problems)
}

/** A resourceVersion as a number; undefined when unset. Throws 422 when it is none. */
export function revisionOf(text: string): number | undefined {
  if (text === '') return undefined
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw errors.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [
    field.invalid('resourceVersion', text, `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`),
  ])
}

const matches = ['Exact', 'NotOlderThan', '']

function listProblems(options: ListOptions): FieldError[] {
  const { resourceVersion, resourceVersionMatch: match } = options
  const problems: FieldError[] = []
  if (match !== '') {
    if (resourceVersion === '') {
      problems.push(
        field.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
      )
    }
    if (options.continue !== '') {
      problems.push(
        field.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'),
      )
    }
    if (!matches.includes(match)) problems.push(field.notSupported('resourceVersionMatch', match, matches))
    if (match === 'Exact' && resourceVersion === '0') {
      problems.push(
        field.forbidden('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
      )
    }
  }
  if (options.sendInitialEvents !== undefined) {
    problems.push(field.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  }
  return problems
}

function watchProblems(options: ListOptions): FieldError[] {
  const { resourceVersionMatch: match, sendInitialEvents } = options
  const problems: FieldError[] = []
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    problems.push(
      field.forbidden(
        'resourceVersionMatch',
        'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      ),
    )
  }
  if (match !== '' && sendInitialEvents === undefined) {
    problems.push(
      field.forbidden(
        'resourceVersionMatch',
        'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      ),
    )
  }
  if (match !== '' && !matches.includes(match)) {
    problems.push(field.notSupported('resourceVersionMatch', match, matches))
  }
  return problems
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^[-+]?\d+$/.test(text)) {
    throw errors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  }
  return Number(text)
}
