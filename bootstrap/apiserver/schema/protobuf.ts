/** The protobuf form of built-in objects: "k8s\0" and a runtime.Unknown around the message (apimachinery, runtime/serializer/protobuf). */
import { errors } from '../../api/errors.ts'
import { parseApiVersion } from '../../api/object.ts'
import { Codec, type FieldTable, type Message } from '../../protobuf/codec.ts'
import { WireError } from '../../protobuf/wire.ts'
import { modelName } from './registry.ts'
import { type ModelRow, schemaTables } from './tables.ts'
import { wellKnown } from './wellknown.ts'

export const protobufMediaType = 'application/vnd.kubernetes.protobuf'

const magic = Buffer.from('k8s\0')

const envelope = new Codec({
  messages: {
    TypeMeta: { apiVersion: [1, 'string'], kind: [2, 'string'] },
    Unknown: {
      typeMeta: [1, 'TypeMeta'],
      raw: [2, 'bytes'],
      contentEncoding: [3, 'string'],
      contentType: [4, 'string'],
    },
  },
})

const schemaProps = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps'

let built: Codec | undefined

/** The codec of all built-in messages by model name, made when protobuf is first spoken. */
function messages(): Codec {
  built ??= new Codec({
    messages: messageTables(),
    custom: wellKnown(messages, schemaProps),
    bytesAsBase64: true,
  })
  return built
}

interface MutableTable {
  [field: string]: [number: number, type: string, dropZero?: boolean]
}

function messageTables(): { [message: string]: FieldTable } {
  const tables: { [message: string]: MutableTable } = {}
  for (const [name, row] of Object.entries(schemaTables().models)) addMessage(tables, name, row)
  return tables
}

/** A number like "2.1" puts the field into message "name/2", embedded as field 2. */
function addMessage(tables: { [message: string]: MutableTable }, name: string, row: ModelRow): void {
  tables[name] = {}
  for (const [field, [type, place, options]] of Object.entries(row.fields)) {
    if (place === '') continue
    const path = place.replace('*', '').split('.')
    let message = name
    for (const step of path.slice(0, -1)) {
      const inner = `${message}/${step}`
      tables[inner] ??= {}
      tables[message]![`+${step}`] = [Number(step), `+${inner}`]
      message = inner
    }
    const scalar = !type.startsWith('@') || type === '@IntOrString'
    const kept = row.required.includes(field) || options?.keep !== undefined
    const dropZero = scalar && !place.endsWith('*') && !kept
    tables[message]![field] = [Number(path.at(-1)), wireType(type, options?.proto === 'items'), dropZero]
  }
}

const scalars: { readonly [type: string]: string } = { boolean: 'bool', byte: 'bytes' }

/** `wrapped` lists of strings are messages of their own (ExtraValue, Verbs). */
function wireType(type: string, wrapped = false): string {
  if (wrapped && type.endsWith('[]string')) return wireType(type.replace('[]string', '@Items'))
  if (type.startsWith('{}')) return `map<string,${wireType(type.slice(2))}>`
  if (type.startsWith('[]')) return `[]${wireType(type.slice(2))}`
  return type.startsWith('@') ? type.slice(1) : (scalars[type] ?? type)
}

/** The model of a kind; options types are accepted under any group version, as upstream registers them everywhere. */
function messageOf(apiVersion: string, kind: string): string | undefined {
  const known = modelName({ ...parseApiVersion(apiVersion), kind })
  if (known !== undefined) return known
  return kind === 'DeleteOptions' ? modelName({ group: '', version: 'v1', kind }) : undefined
}

/** Whether objects of this kind have a protobuf form (custom resources have none). */
export function hasProtobuf(apiVersion: string, kind: string): boolean {
  return messageOf(apiVersion, kind) !== undefined
}

/**
 * Decodes a request body in protobuf to the object its JSON form would be.
 * @throws StatusError 400 for a body that is not such an envelope, or of an unknown kind
 */
export function decodeProtobuf(bytes: Buffer): { apiVersion: string; kind: string; object: Message } {
  if (!bytes.subarray(0, magic.length).equals(magic))
    throw errors.badRequest('provided data does not appear to be a protobuf message, expected prefix 6b 38 73 00')
  try {
    return decodeEnvelope(bytes.subarray(magic.length))
  } catch (error) {
    if (error instanceof WireError || error instanceof SyntaxError) throw errors.badRequest(error.message)
    throw error
  }
}

function decodeEnvelope(bytes: Buffer): { apiVersion: string; kind: string; object: Message } {
  const {
    typeMeta = {},
    raw = Buffer.alloc(0),
    contentType,
  } = envelope.decode('Unknown', bytes) as {
    typeMeta?: { apiVersion?: string; kind?: string }
    raw?: Buffer
    contentType?: string
  }
  const { apiVersion = '', kind = '' } = typeMeta
  if (contentType === 'application/json')
    return { apiVersion, kind, object: JSON.parse(raw.toString('utf8')) as Message }
  const message = messageOf(apiVersion, kind)
  if (message === undefined) throw errors.badRequest(`no kind "${kind}" is registered for version "${apiVersion}"`)
  return { apiVersion, kind, object: { apiVersion, kind, ...messages().decode(message, raw) } }
}

/**
 * Encodes a built-in object with its envelope.
 * @throws StatusError 400 for a kind that has no protobuf form
 */
export function encodeProtobuf(object: { readonly apiVersion?: unknown; readonly kind?: unknown }): Buffer {
  const apiVersion = String(object.apiVersion)
  const kind = String(object.kind)
  const message = messageOf(apiVersion, kind)
  if (message === undefined) throw errors.badRequest(`no kind "${kind}" is registered for version "${apiVersion}"`)
  const raw = messages().encode(message, object)
  const unknown = { typeMeta: { apiVersion, kind }, raw, contentEncoding: '', contentType: '' }
  return Buffer.concat([magic, envelope.encode('Unknown', unknown)])
}
