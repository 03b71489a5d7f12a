/** OpenAPI 2 in protobuf: gnostic's openapi.v2.Document, which kubectl before 1.29 reads. */
import { Codec, type Message } from '../../protobuf/codec.ts'
import type { JsonSchema } from './schemas.ts'
import { type EntryV2, headV2, tailV2 } from './v2.ts'

const parameterFields = {
  required: [1, 'bool'],
  in: [2, 'string'],
  description: [3, 'string'],
  name: [4, 'string'],
} as const

const codec = new Codec({
  messages: {
    Document: {
      swagger: [1, 'string'],
      info: [2, 'Info'],
      paths: [8, 'bytes'],
      definitions: [9, 'bytes'],
      security: [12, '[]SecurityRequirement'],
      securityDefinitions: [13, 'SecurityDefinitions'],
    },
    Info: { title: [1, 'string'], version: [2, 'string'] },
    Paths: { entries: [2, '[]NamedPathItem'] },
    Definitions: { entries: [1, '[]NamedSchema'] },
    NamedPathItem: { name: [1, 'string'], value: [2, 'PathItem'] },
    PathItem: {
      get: [2, 'Operation'],
      put: [3, 'Operation'],
      post: [4, 'Operation'],
      delete: [5, 'Operation'],
      patch: [8, 'Operation'],
      parameters: [9, '[]ParametersItem'],
    },
    Operation: {
      tags: [1, '[]string'],
      description: [3, 'string'],
      operationId: [5, 'string'],
      produces: [6, '[]string'],
      consumes: [7, '[]string'],
      parameters: [8, '[]ParametersItem'],
      responses: [9, 'Responses'],
      schemes: [10, '[]string'],
      extensions: [13, '[]NamedAny'],
    },
    ParametersItem: { parameter: [1, 'Parameter'] },
    Parameter: { body: [1, 'BodyParameter'], other: [2, 'NonBodyParameter'] },
    BodyParameter: {
      description: [1, 'string'],
      name: [2, 'string'],
      in: [3, 'string'],
      required: [4, 'bool'],
      schema: [5, 'Schema'],
    },
    NonBodyParameter: { query: [3, 'QueryParameter'], path: [4, 'PathParameter'] },
    QueryParameter: { ...parameterFields, type: [6, 'string'], uniqueItems: [20, 'bool'] },
    PathParameter: { ...parameterFields, type: [5, 'string'], uniqueItems: [19, 'bool'] },
    Responses: { codes: [1, '[]NamedResponse'] },
    NamedResponse: { name: [1, 'string'], value: [2, 'ResponseValue'] },
    ResponseValue: { response: [1, 'Response'] },
    Response: { description: [1, 'string'], schema: [2, 'SchemaItem'] },
    SchemaItem: { schema: [1, 'Schema'] },
    NamedSchema: { name: [1, 'string'], value: [2, 'Schema'] },
    Schema: {
      $ref: [1, 'string'],
      format: [2, 'string'],
      title: [3, 'string'],
      description: [4, 'string'],
      default: [5, 'Any'],
      multipleOf: [6, 'double'],
      maximum: [7, 'double'],
      exclusiveMaximum: [8, 'bool'],
      minimum: [9, 'double'],
      exclusiveMinimum: [10, 'bool'],
      maxLength: [11, 'int64'],
      minLength: [12, 'int64'],
      pattern: [13, 'string'],
      maxItems: [14, 'int64'],
      minItems: [15, 'int64'],
      uniqueItems: [16, 'bool'],
      maxProperties: [17, 'int64'],
      minProperties: [18, 'int64'],
      required: [19, '[]string'],
      enum: [20, '[]Any'],
      additionalProperties: [21, 'AdditionalProperties'],
      type: [22, 'Strings'],
      items: [23, 'Items'],
      properties: [25, 'Properties'],
      example: [30, 'Any'],
      extensions: [31, '[]NamedAny'],
    },
    AdditionalProperties: { schema: [1, 'Schema'], boolean: [2, 'bool'] },
    Strings: { value: [1, '[]string'] },
    Items: { schema: [1, '[]Schema'] },
    Properties: { entries: [1, '[]NamedSchema'] },
    NamedAny: { name: [1, 'string'], value: [2, 'Any'] },
    Any: { yaml: [2, 'string'] },
    SecurityRequirement: { entries: [1, '[]NamedStrings'] },
    NamedStrings: { name: [1, 'string'], value: [2, 'Strings'] },
    SecurityDefinitions: { entries: [1, '[]NamedSecurity'] },
    NamedSecurity: { name: [1, 'string'], value: [2, 'Security'] },
    Security: { apiKey: [2, 'ApiKey'] },
    ApiKey: { type: [1, 'string'], name: [2, 'string'], in: [3, 'string'], description: [4, 'string'] },
  },
})

interface Encoded {
  readonly in: EntryV2['in']
  readonly data: Buffer
}

/** Entries as they stand in the messages of paths and definitions, one after another, to be made in slices. */
export function* encodedEntries(entries: Iterable<EntryV2>): Generator<Encoded> {
  for (const entry of entries) {
    const data = entry.foreign ? orNothing(() => encoded(entry)) : encoded(entry)
    if (data) yield { in: entry.in, data }
  }
}

function encoded({ in: where, name, value }: EntryV2): Buffer {
  const [message, content] = where === 'paths' ? ['Paths', pathItem(value)] : ['Definitions', schema(value)]
  return codec.encode(message!, { entries: [{ name, value: content }] })
}

/** What other servers write may be more than this form is for. */
function orNothing(work: () => Buffer): Buffer | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

/** The whole document from its encoded entries. */
export function protobufV2(entries: readonly Encoded[], version: string): Buffer {
  const joined = (where: EntryV2['in']) =>
    Buffer.concat(entries.filter(entry => entry.in === where).map(entry => entry.data))
  return codec.encode('Document', {
    ...headV2(version),
    paths: joined('paths'),
    definitions: joined('definitions'),
    security: tailV2.security.map(requirement => ({ entries: named(requirement, value => ({ value })) })),
    securityDefinitions: { entries: named(tailV2.securityDefinitions, apiKey => ({ apiKey })) },
  })
}

function named<T>(map: { readonly [name: string]: T }, to: (value: T) => unknown): Message[] {
  return Object.entries(map).map(([name, value]) => ({ name, value: to(value) }))
}

/** Free values travel as YAML, which JSON is. */
const any = (value: unknown) => ({ yaml: JSON.stringify(value) })

function extensions(object: JsonSchema): Message[] {
  return Object.entries(object)
    .filter(([name]) => name.startsWith('x-'))
    .map(([name, value]) => ({ name, value: any(value) }))
}

function pathItem({ parameters, ...operations }: JsonSchema): Message {
  const encoded = Object.entries(operations).map(([method, value]) => [method, operation(value as JsonSchema)])
  return { ...Object.fromEntries(encoded), parameters: (parameters as JsonSchema[]).map(parameter) }
}

function operation(value: JsonSchema): Message {
  const responses = value.responses as { [code: string]: { description: string; schema?: JsonSchema } }
  return {
    ...value,
    parameters: (value.parameters as JsonSchema[]).map(parameter),
    responses: {
      codes: named(responses, ({ description, schema: content }) => ({
        response: { description, ...(content ? { schema: { schema: schema(content) } } : {}) },
      })),
    },
    extensions: extensions(value),
  }
}

function parameter(value: JsonSchema): Message {
  if (value.in === 'body') return { parameter: { body: { ...value, schema: schema(value.schema as JsonSchema) } } }
  return { parameter: { other: { [value.in as string]: value } } }
}

function schema(value: JsonSchema): Message {
  const { type, items, properties, additionalProperties: additional, enum: values } = value
  return {
    ...value,
    default: value.default === undefined ? undefined : any(value.default),
    example: value.example === undefined ? undefined : any(value.example),
    enum: (values as unknown[] | undefined)?.map(any),
    type: type === undefined ? undefined : { value: [type] },
    items: items === undefined ? undefined : { schema: [schema(items as JsonSchema)] },
    properties:
      properties === undefined ? undefined : { entries: named(properties as { [name: string]: JsonSchema }, schema) },
    additionalProperties: additionalOf(additional),
    extensions: extensions(value),
  }
}

function additionalOf(value: unknown): Message | undefined {
  if (value === undefined) return undefined
  return typeof value === 'boolean' ? { boolean: value } : { schema: schema(value as JsonSchema) }
}
