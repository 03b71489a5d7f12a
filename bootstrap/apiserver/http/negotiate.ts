/** Content negotiation: which form of an object a request asks for (upstream: handlers/negotiation, handlers/response.go). */
import { errors } from '../../api/errors.ts'
import type { ApiRequest } from './message.ts'
import { headerOf } from './message.ts'

export type Transform = 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'

/** The form of an answer. */
export interface Form {
  readonly format: 'json' | 'yaml'
  readonly pretty: boolean
  readonly as: Transform | undefined
  /** Version of meta.k8s.io for `as`. */
  readonly asVersion: 'v1' | 'v1beta1'
}

export const acceptedTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'] as const

interface Clause {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
  readonly quality: number
}

const transforms = new Set<string>(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'])

/** Throws 406 when no clause of Accept can be served. `tables` says whether the resource can be shown as a Table. */
export function negotiate(request: Pick<ApiRequest, 'headers' | 'query'>, tables = true): Form {
  const header = headerOf(request, 'accept')
  const pretty = wantsPretty(request)
  if (header.trim() === '') return { format: 'json', pretty, as: undefined, asVersion: 'v1' }
  for (const clause of parseAccept(header)) {
    const form = formOf(clause, tables)
    if (form) return { ...form, pretty }
  }
  throw errors.notAcceptable(acceptedTypes)
}

/** The clauses of an Accept header, best first. */
export function parseAccept(header: string): readonly Clause[] {
  return header
    .split(',')
    .map(parseMediaType)
    .filter(clause => clause.type !== '' && clause.quality > 0)
    .sort((a, b) => b.quality - a.quality)
}

export function parseMediaType(text: string): Clause {
  const [type = '', ...rest] = text.split(';')
  const parameters = new Map<string, string>()
  for (const parameter of rest) {
    const equals = parameter.indexOf('=')
    if (equals < 0) continue
    const value = parameter.slice(equals + 1).trim()
    parameters.set(parameter.slice(0, equals).trim().toLowerCase(), value.replace(/^"(.*)"$/, '$1'))
  }
  const quality = Number(parameters.get('q') ?? 1)
  return { type: type.trim().toLowerCase(), parameters, quality: Number.isNaN(quality) ? 0 : quality }
}

function formOf(clause: Clause, tables: boolean): Omit<Form, 'pretty'> | undefined {
  const format = formatOf(clause.type)
  if (!format) return undefined
  const as = clause.parameters.get('as')
  if (as === undefined) return { format, as: undefined, asVersion: 'v1' }
  const version = clause.parameters.get('v') ?? 'v1'
  if (clause.parameters.get('g') !== 'meta.k8s.io' || !transforms.has(as)) return undefined
  if (version !== 'v1' && version !== 'v1beta1') return undefined
  if (as === 'Table' && !tables) return undefined
  return { format, as: as as Transform, asVersion: version }
}

function formatOf(type: string): Form['format'] | undefined {
  switch (type) {
    case '*/*':
    case 'application/*':
    case 'application/json':
      return 'json'
    case 'application/yaml':
      return 'yaml'
    default:
      return undefined
  }
}

function wantsPretty(request: Pick<ApiRequest, 'headers' | 'query'>): boolean {
  const asked = request.query.get('pretty')
  if (asked !== null && asked !== '') return ['1', 't', 'true'].includes(asked.toLowerCase())
  return /^(curl|Wget|Mozilla\/5\.0)/.test(headerOf(request, 'user-agent'))
}

/** The base media type of a request body; empty when none was sent. */
export function bodyType(request: Pick<ApiRequest, 'headers'>): string {
  return headerOf(request, 'content-type').split(';')[0]!.trim().toLowerCase()
}
