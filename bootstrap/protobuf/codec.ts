/**
 * Encodes and decodes messages described by tables, `message -> field -> [number, type]`, instead of generated code.
 * Types: string, bool, bytes, double, float, int32, int64, uint32, uint64, id64, a message or enum name, "[]T" for
 * repeated, "map<string,T>", "+T" for an embedded message whose fields stand among its parent's. Integers are JS numbers
 * (64-bit ones lose precision beyond 2^53), an id64 is a uint64 as decimal text, bytes are Buffers.
 */
import { Reader, WireError, Writer } from './wire.ts'

/** `dropZero` leaves the field's zero value ("", 0, false) out when decoding: the encoder had no way to omit it. */
export type FieldTable = {
  readonly [field: string]: readonly [number: number, type: string, dropZero?: boolean]
}

/** A message whose JSON form is no object of its fields (a timestamp, a quantity). */
export interface CustomMessage {
  encode(value: unknown): Buffer
  /** Undefined for a value that counts as absent. */
  decode(data: Buffer): unknown
}

export interface Descriptors {
  readonly messages: { readonly [message: string]: FieldTable }
  readonly enums?: { readonly [name: string]: { readonly [value: string]: number } }
  readonly custom?: { readonly [message: string]: CustomMessage }
  /** Enum values are names on the JavaScript side instead of numbers. */
  readonly enumsAsNames?: boolean
  /** Bytes are base64 text on the JavaScript side instead of Buffers. */
  readonly bytesAsBase64?: boolean
}

type Shape =
  | { kind: 'single'; type: string }
  | { kind: 'repeated'; type: string }
  | { kind: 'map'; key: string; value: string }
  | { kind: 'embedded'; type: string }

interface Field {
  readonly name: string
  readonly number: number
  readonly shape: Shape
  readonly dropZero: boolean
}

const scalars = new Set(['string', 'bool', 'bytes', 'double', 'float', 'int32', 'int64', 'uint32', 'uint64', 'id64'])

export type Message = { [field: string]: unknown }

export class Codec {
  readonly #descriptors: Descriptors
  readonly #fields = new Map<string, readonly Field[]>()
  readonly #byNumber = new Map<string, ReadonlyMap<number, Field>>()

  constructor(descriptors: Descriptors) {
    this.#descriptors = descriptors
  }

  has(message: string): boolean {
    return message in this.#descriptors.messages
  }

  encode(message: string, value: unknown): Buffer {
    const custom = this.#descriptors.custom?.[message]
    if (custom) return custom.encode(value)
    const writer = new Writer()
    const object = (value ?? {}) as Message
    for (const { name, number, shape } of this.#fieldsOf(message)) {
      if (shape.kind === 'embedded') {
        this.#writeEmbedded(writer, number, shape.type, object)
        continue
      }
      const content = object[name]
      if (content === undefined || content === null) continue
      if (shape.kind === 'single') this.#write(writer, number, shape.type, content)
      else if (shape.kind === 'repeated')
        for (const item of content as unknown[]) this.#write(writer, number, shape.type, item)
      else
        for (const [key, item] of Object.entries(content as Message)) this.#writeEntry(writer, number, shape, key, item)
    }
    return writer.bytes()
  }

  /** Unknown field numbers are skipped. Absent fields are left out of the result. */
  decode(message: string, data: Uint8Array): Message {
    const fields = this.#numbersOf(message)
    const result: Message = {}
    const reader = new Reader(data)
    while (!reader.done) {
      const { number, wireType } = reader.tag()
      const field = fields.get(number)
      if (!field) reader.skip(wireType)
      else this.#readField(reader, wireType, field, result)
    }
    return result
  }

  #readField(reader: Reader, wireType: number, field: Field, result: Message): void {
    const { name, shape } = field
    if (shape.kind === 'embedded') {
      Object.assign(result, this.decode(shape.type, reader.delimited()))
    } else if (shape.kind === 'map') {
      const entry = this.#readEntry(reader.delimited(), shape)
      const map = (result[name] ??= {}) as Message
      map[entry.key] = entry.value
    } else if (shape.kind === 'single') {
      const value = this.#read(reader, wireType, shape.type)
      const dropped = value === undefined || (field.dropZero && (value === '' || value === 0 || value === false))
      if (!dropped) result[name] = value
    } else {
      const list = (result[name] ??= []) as unknown[]
      const packed = wireType === 2 && this.#wireType(shape.type) !== 2
      if (!packed) {
        list.push(this.#read(reader, wireType, shape.type))
        return
      }
      const inner = new Reader(reader.delimited())
      while (!inner.done) list.push(this.#read(inner, this.#wireType(shape.type), shape.type))
    }
  }

  #readEntry(data: Buffer, shape: { key: string; value: string }): { key: string; value: unknown } {
    const reader = new Reader(data)
    let key: unknown = shape.key === 'string' ? '' : 0
    let value: unknown
    while (!reader.done) {
      const { number, wireType } = reader.tag()
      if (number === 1) key = this.#read(reader, wireType, shape.key)
      else if (number === 2) value = this.#read(reader, wireType, shape.value)
      else reader.skip(wireType)
    }
    return { key: String(key), value: value ?? this.#zero(shape.value) ?? null }
  }

  #zero(type: string): unknown {
    if (type === 'string') return ''
    if (type === 'id64') return '0'
    if (type === 'bytes') return this.#bytes(Buffer.alloc(0))
    if (type === 'bool') return false
    if (scalars.has(type) || this.#descriptors.enums?.[type]) return 0
    return this.#decodeMessage(type, Buffer.alloc(0))
  }

  #decodeMessage(type: string, data: Buffer): unknown {
    const custom = this.#descriptors.custom?.[type]
    return custom ? custom.decode(data) : this.decode(type, data)
  }

  #read(reader: Reader, wireType: number, type: string): unknown {
    if (wireType !== this.#wireType(type)) throw new WireError(`wire type ${wireType} for a ${type}`)
    switch (type) {
      case 'string':
        return reader.delimited().toString('utf8')
      case 'bytes':
        return this.#bytes(reader.delimited())
      case 'bool':
        return reader.varint() !== 0n
      case 'double':
        return reader.double()
      case 'float':
        return reader.float()
      case 'int32':
      case 'int64':
        return Number(BigInt.asIntN(64, reader.varint()))
      case 'uint32':
      case 'uint64':
        return Number(reader.varint())
      case 'id64':
        return String(reader.varint())
      default:
        return this.#readNamed(reader, type)
    }
  }

  #bytes(data: Buffer): Buffer | string {
    return this.#descriptors.bytesAsBase64 === true ? data.toString('base64') : data
  }

  #readNamed(reader: Reader, type: string): unknown {
    const names = this.#descriptors.enums?.[type]
    if (!names) return this.#decodeMessage(type, reader.delimited())
    const value = Number(BigInt.asIntN(64, reader.varint()))
    if (this.#descriptors.enumsAsNames !== true) return value
    return Object.keys(names).find(name => names[name] === value) ?? value
  }

  #write(writer: Writer, number: number, type: string, value: unknown): void {
    const wireType = this.#wireType(type)
    writer.tag(number, wireType)
    if (type === 'double') writer.double(value as number)
    else if (type === 'float') writer.float(value as number)
    else if (type === 'bool') writer.varint(value === true ? 1 : 0)
    else if (wireType === 0) writer.varint(this.#integer(type, value))
    else if (type === 'string') writer.delimited(Buffer.from(String(value), 'utf8'))
    else if (type === 'bytes')
      writer.delimited(typeof value === 'string' ? Buffer.from(value, 'base64') : (value as Uint8Array))
    else writer.delimited(this.encode(type, value))
  }

  #writeEmbedded(writer: Writer, number: number, type: string, object: Message): void {
    const data = this.encode(type, object)
    if (data.length === 0) return
    writer.tag(number, 2)
    writer.delimited(data)
  }

  #integer(type: string, value: unknown): number | bigint {
    if (typeof value === 'string') return this.#descriptors.enums?.[type]?.[value] ?? BigInt(value)
    const number = value as number
    return Number.isSafeInteger(number) ? number : BigInt(Math.trunc(number))
  }

  #writeEntry(
    writer: Writer,
    number: number,
    shape: { key: string; value: string },
    key: string,
    value: unknown,
  ): void {
    const entry = new Writer()
    this.#write(entry, 1, shape.key, shape.key === 'string' ? key : Number(key))
    this.#write(entry, 2, shape.value, value)
    writer.tag(number, 2)
    writer.delimited(entry.bytes())
  }

  #wireType(type: string): number {
    if (type === 'double') return 1
    if (type === 'float') return 5
    if (type === 'string' || type === 'bytes') return 2
    return scalars.has(type) || this.#descriptors.enums?.[type] ? 0 : 2
  }

  #numbersOf(message: string): ReadonlyMap<number, Field> {
    let known = this.#byNumber.get(message)
    if (!known) {
      known = new Map(this.#fieldsOf(message).map(field => [field.number, field]))
      this.#byNumber.set(message, known)
    }
    return known
  }

  #fieldsOf(message: string): readonly Field[] {
    const known = this.#fields.get(message)
    if (known) return known
    const table = this.#descriptors.messages[message]
    if (!table) throw new WireError(`unknown message ${message}`)
    const fields = Object.entries(table)
      .map(([name, [number, type, dropZero = false]]) => ({ name, number, shape: shapeOf(type), dropZero }))
      .sort((a, b) => a.number - b.number)
    this.#fields.set(message, fields)
    return fields
  }
}

function shapeOf(type: string): Shape {
  if (type.startsWith('[]')) return { kind: 'repeated', type: type.slice(2) }
  if (type.startsWith('+')) return { kind: 'embedded', type: type.slice(1) }
  const map = /^map<(\w+),\s*(.+)>$/.exec(type)
  return map ? { kind: 'map', key: map[1]!, value: map[2]! } : { kind: 'single', type }
}
