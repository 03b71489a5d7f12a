/** Protobuf forms of the API types whose JSON form is no object of their fields (apimachinery's and apiextensions'). */
import { Codec, type CustomMessage, type Message } from '../../protobuf/codec.ts'

/** The fields of those messages on the wire. */
const wire = new Codec({
  messages: {
    Timestamp: { seconds: [1, 'int64'], nanos: [2, 'int32'] },
    IntOrString: { type: [1, 'int64'], intVal: [2, 'int32'], strVal: [3, 'string'] },
    Text: { string: [1, 'string'] },
    Raw: { raw: [1, 'bytes'] },
    Items: { items: [1, '[]string'] },
    SchemaOrArray: { schema: [1, 'bytes'], array: [2, '[]bytes'] },
    SchemaOrBool: { allows: [1, 'bool'], schema: [2, 'bytes'] },
    SchemaOrStrings: { schema: [1, 'bytes'], property: [2, '[]string'] },
  },
})

/** Seconds and nanoseconds of an RFC 3339 time; undefined if it is none. */
function parseTime(text: string): { seconds: number; nanos: number } | undefined {
  const milliseconds = Date.parse(text)
  if (Number.isNaN(milliseconds)) return undefined
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? ''
  return { seconds: Math.floor(milliseconds / 1000), nanos: Number(fraction.slice(0, 9).padEnd(9, '0')) }
}

function secondsText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, -5)
}

function timestamp(
  nanosOf: (nanos: number) => number,
  text: (seconds: number, nanos: number) => string,
): CustomMessage {
  return {
    encode(value) {
      const time = parseTime(String(value))
      return wire.encode('Timestamp', time ? { seconds: time.seconds, nanos: nanosOf(time.nanos) } : {})
    },
    decode(data) {
      const { seconds = 0, nanos = 0 } = wire.decode('Timestamp', data) as { seconds?: number; nanos?: number }
      return seconds === 0 && nanos === 0 ? undefined : text(seconds, nanos)
    },
  }
}

/** JSON text kept as bytes. */
const rawJson = (emptyIs: unknown): CustomMessage => ({
  encode: value => wire.encode('Raw', { raw: Buffer.from(JSON.stringify(value)) }),
  decode(data) {
    const raw = wire.decode('Raw', data).raw as Buffer | undefined
    return raw === undefined || raw.length === 0 ? emptyIs : JSON.parse(raw.toString('utf8'))
  },
})

const intOrString: CustomMessage = {
  encode: value =>
    wire.encode(
      'IntOrString',
      typeof value === 'number'
        ? { type: 0, intVal: value, strVal: '' }
        : { type: 1, intVal: 0, strVal: String(value) },
    ),
  decode(data) {
    const { type = 0, intVal = 0, strVal = '' } = wire.decode('IntOrString', data)
    return type === 0 ? intVal : strVal
  },
}

const text: CustomMessage = {
  encode: value => wire.encode('Text', { string: String(value) }),
  decode: data => wire.decode('Text', data).string ?? '0',
}

/** A list of strings that is a message of its own where it is a map's value (ExtraValue). */
const items: CustomMessage = {
  encode: value => wire.encode('Items', { items: value }),
  decode: data => wire.decode('Items', data).items ?? [],
}

/** The three "schema or something else" types of CustomResourceDefinitions; `codec` encodes the schema itself. */
function schemaUnions(codec: () => Codec, schemaMessage: string): { [message: string]: CustomMessage } {
  const encode = (value: unknown) => codec().encode(schemaMessage, value)
  const decode = (data: unknown) => codec().decode(schemaMessage, data as Buffer)
  return {
    JSONSchemaPropsOrArray: {
      encode: value =>
        wire.encode('SchemaOrArray', Array.isArray(value) ? { array: value.map(encode) } : { schema: encode(value) }),
      decode(data) {
        const { schema, array } = wire.decode('SchemaOrArray', data)
        return schema === undefined ? ((array ?? []) as unknown[]).map(decode) : decode(schema)
      },
    },
    JSONSchemaPropsOrBool: {
      encode: value =>
        wire.encode(
          'SchemaOrBool',
          typeof value === 'boolean' ? { allows: value } : { allows: true, schema: encode(value) },
        ),
      decode(data) {
        const { schema, allows = false } = wire.decode('SchemaOrBool', data)
        return schema === undefined ? allows : decode(schema)
      },
    },
    JSONSchemaPropsOrStringArray: {
      encode: value =>
        wire.encode('SchemaOrStrings', Array.isArray(value) ? { property: value } : { schema: encode(value) }),
      decode(data) {
        const { schema, property } = wire.decode('SchemaOrStrings', data) as Message
        return schema === undefined ? (property ?? []) : decode(schema)
      },
    },
  }
}

/** Custom forms by the short names the tables use. `codec` is asked for lazily, for it is made from these. */
export function wellKnown(codec: () => Codec, schemaMessage: string): { [message: string]: CustomMessage } {
  return {
    Time: timestamp(
      () => 0,
      seconds => `${secondsText(seconds)}Z`,
    ),
    MicroTime: timestamp(
      nanos => nanos - (nanos % 1000),
      (seconds, nanos) => `${secondsText(seconds)}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`,
    ),
    IntOrString: intOrString,
    Quantity: text,
    RawExtension: rawJson(undefined),
    JSON: rawJson(null),
    FieldsV1: rawJson(undefined),
    Items: items,
    CustomResourceSubresourceStatus: { encode: () => Buffer.alloc(0), decode: () => ({}) },
    ...schemaUnions(codec, schemaMessage),
  }
}
