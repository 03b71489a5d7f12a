/** Protocol buffer wire primitives: a growing writer and a bounds-checked reader (protobuf encoding spec, proto2/proto3). */

export class Writer {
  #buffer = Buffer.allocUnsafe(256)
  #length = 0

  bytes(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }

  tag(number: number, wireType: number): void {
    this.varint((number << 3) | wireType)
  }

  /** Any integer; negative ones take ten bytes, as int32 and int64 do on the wire. */
  varint(value: number | bigint): void {
    this.#reserve(10)
    if (typeof value === 'number' && value >= 0 && value < 0x80000000) {
      let rest = value
      while (rest > 0x7f) {
        this.#buffer[this.#length++] = (rest & 0x7f) | 0x80
        rest >>>= 7
      }
      this.#buffer[this.#length++] = rest
      return
    }
    let rest = BigInt.asUintN(64, BigInt(value))
    while (rest > 0x7fn) {
      this.#buffer[this.#length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#buffer[this.#length++] = Number(rest)
  }

  double(value: number): void {
    this.#reserve(8)
    this.#length = this.#buffer.writeDoubleLE(value, this.#length)
  }

  float(value: number): void {
    this.#reserve(4)
    this.#length = this.#buffer.writeFloatLE(value, this.#length)
  }

  delimited(data: Uint8Array): void {
    this.varint(data.length)
    this.#reserve(data.length)
    this.#buffer.set(data, this.#length)
    this.#length += data.length
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + more))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

export class WireError extends Error {
  constructor(message: string) {
    super(`protobuf: ${message}`)
    this.name = 'WireError'
  }
}

export class Reader {
  readonly #data: Buffer
  #at = 0

  constructor(data: Uint8Array) {
    this.#data = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  }

  get done(): boolean {
    return this.#at >= this.#data.length
  }

  tag(): { number: number; wireType: number } {
    const tag = this.uint()
    return { number: Math.floor(tag / 8), wireType: tag & 7 }
  }

  /** An unsigned varint of at most 53 bits, for tags and lengths. */
  uint(): number {
    const value = this.varint()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new WireError('length out of range')
    return Number(value)
  }

  /** The raw 64 bits of a varint, unsigned. */
  varint(): bigint {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt(low)
    }
    let value = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new WireError('varint too long')
  }

  double(): number {
    return this.#take(8).readDoubleLE(0)
  }

  float(): number {
    return this.#take(4).readFloatLE(0)
  }

  delimited(): Buffer {
    return this.#take(this.uint())
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint()
    else if (wireType === 1) this.#take(8)
    else if (wireType === 2) this.delimited()
    else if (wireType === 5) this.#take(4)
    else throw new WireError(`unknown wire type ${wireType}`)
  }

  #byte(): number {
    const byte = this.#data[this.#at++]
    if (byte === undefined) throw new WireError('unexpected end')
    return byte
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#data.length) throw new WireError('unexpected end')
    const part = this.#data.subarray(this.#at, end)
    this.#at = end
    return part
  }
}
