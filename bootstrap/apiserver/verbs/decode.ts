/** From a request body to an object of the right type: media types, type checks, field validation. */
import type { StatusError } from '../../api/errors.ts'
import { errors, field } from '../../api/errors.ts'
import { apiVersionOf, parseApiVersion } from '../../api/object.ts'
import { parseYaml, parseYamlLeniently } from '../../api/yaml.ts'
import { acceptedTypes } from '../http/negotiate.ts'
import type { Mutable } from '../kinds/kind.ts'
import { coerce, parseJsonStrict, strictFindings } from '../schema/decode.ts'
import { decodeProtobuf, protobufMediaType } from '../schema/protobuf.ts'
import type { Schema } from '../schema/schema.ts'
import { copyOf } from './copy.ts'

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore'

/** A body before it is known to be of any type. */
export interface Document {
  readonly value: unknown
  /** `duplicate field "x"`. */
  readonly duplicates: readonly string[]
  /** Where findings stand in the text, when there are duplicates. */
  readonly positions?: ReadonlyMap<string, number> | undefined
  /** The beginning of the body, for messages. */
  readonly summary: string
}

/** Throws 415 for a media type not accepted and 400 for a body that does not parse. */
export async function parseBody(type: string, body: Buffer, strict: boolean): Promise<Document> {
  const summary = body.subarray(0, 30).toString('utf8')
  switch (type) {
    case '':
    case 'application/json':
    case 'text/json':
      return body.length === 0
        ? { value: undefined, duplicates: [], summary }
        : { ...parseJsonStrict(body.toString('utf8'), strict), summary }
    case 'application/yaml':
    case 'text/yaml':
      return { value: yaml(body), duplicates: [], summary }
    case protobufMediaType: {
      const { apiVersion, kind, object } = decodeProtobuf(body)
      return { value: { kind, apiVersion, ...object }, duplicates: [], summary }
    }
    default:
      throw errors.unsupportedMediaType(acceptedTypes)
  }
}

export function yaml(body: Buffer): unknown {
  try {
    return parseYaml(body.toString('utf8'))
  } catch (error) {
    throw errors.badRequest(`error converting YAML to JSON: yaml: ${(error as Error).message}`)
  }
}

/** Most clients send JSON, which is YAML too and much faster to read. Undefined for anything else. */
function jsonWithoutDuplicates(text: string): unknown {
  if (!text.startsWith('{')) return undefined
  try {
    const { value, duplicates } = parseJsonStrict(text)
    return duplicates.length === 0 ? value : undefined
  } catch {
    return undefined
  }
}

/** A body of an apply request. Keys given twice are reported, not refused. Throws 400 for what is no YAML. */
export function lenientYaml(body: Buffer): { value: unknown; duplicates: string[] } {
  const text = body.toString('utf8')
  const json = jsonWithoutDuplicates(text)
  if (json !== undefined) return { value: json, duplicates: [] }
  try {
    return parseYamlLeniently(text)
  } catch (error) {
    throw errors.badRequest(`error decoding YAML: error converting YAML to JSON: yaml: ${(error as Error).message}`)
  }
}

export interface Target {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly schema: Schema
}

/**
 * The document as an object of the target's type, unknown fields dropped; a body without apiVersion and kind is taken
 * for one. Throws 400 for another type and, under Strict, for unknown and duplicate fields.
 */
export function decodeObject(
  target: Target,
  document: Document,
  validation: FieldValidation,
  warn: (text: string) => void,
): Mutable {
  const { value } = document
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unrecognized(target, document, "Object 'Kind' is missing")
  }
  const typed = withType(target, document, value as { apiVersion?: unknown; kind?: unknown })
  const findings = strictErrors(target, typed, document.duplicates, validation, document.positions)
  if (findings.length > 0) {
    if (validation === 'Strict') throw cannotHandle(target, typed, `strict decoding error: ${findings.join(', ')}`)
    for (const finding of findings) warn(finding)
  }
  return withMetadata(coerce(target.schema, typed) as unknown as Mutable)
}

/** The result of a patch as an object of the target's type, sharing nothing with it; complaints are about the patch. */
export function decodePatched(
  target: Target,
  value: object,
  patch: unknown,
  duplicates: readonly string[],
  validation: FieldValidation,
  warn: (text: string) => void,
): Mutable {
  const findings = strictErrors(target, value, duplicates, validation)
  if (findings.length > 0) {
    if (validation === 'Strict') throw invalidPatch(patch, `strict decoding error: ${findings.join(', ')}`)
    for (const finding of findings) warn(finding)
  }
  try {
    return withMetadata(copyOf(coerce(target.schema, value)))
  } catch (error) {
    throw invalidPatch(patch, (error as Error).message)
  }
}

function invalidPatch(patch: unknown, why: string): StatusError {
  return errors.invalid({ group: '', kind: '' }, '', [field.invalid('patch', JSON.stringify(patch), why)])
}

export function strictErrors(
  target: Target,
  value: object,
  duplicates: readonly string[],
  validation: FieldValidation,
  positions?: ReadonlyMap<string, number>,
): string[] {
  if (validation === 'Ignore') return []
  const findings = [...duplicates, ...strictFindings(target.schema, value)]
  if (duplicates.length === 0 || !positions) return findings
  return findings.sort((a, b) => (positions.get(a) ?? 0) - (positions.get(b) ?? 0))
}

function withType(target: Target, document: Document, value: { apiVersion?: unknown; kind?: unknown }): object {
  const expected = apiVersionOf(target)
  const { apiVersion = expected, kind = target.kind } = value
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    throw unrecognized(target, document, "Object 'apiVersion' or 'kind' is not a string")
  }
  if (kind === '' || apiVersion === '') {
    return { ...value, apiVersion: apiVersion || expected, kind: kind || target.kind }
  }
  if (kind !== target.kind) {
    const { version } = parseApiVersion(apiVersion)
    throw errors.badRequest(
      `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${target.kind}: converting (${version}.${kind}) to (${target.version}.${target.kind}): unknown conversion`,
    )
  }
  if (apiVersion !== expected) {
    throw errors.badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
    )
  }
  return value.apiVersion === undefined || value.kind === undefined ? { ...value, apiVersion, kind } : value
}

function withMetadata(object: Mutable): Mutable {
  object.metadata ??= {}
  return object
}

function cannotHandle(target: Target, value: object, why: string): StatusError {
  const { apiVersion, kind } = value as { apiVersion: string; kind: string }
  const { version } = parseApiVersion(apiVersion)
  return errors.badRequest(
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${target.kind}: ${why}`,
  )
}

function unrecognized(target: Target, document: Document, why: string): StatusError {
  return errors.badRequest(
    `the object provided is unrecognized (must be of type ${target.kind}): ${why} (${document.summary})`,
  )
}
