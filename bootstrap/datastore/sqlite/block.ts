/** Many values as one block of memory that moves between threads without being copied again. */

export interface Block {
  readonly bytes: ArrayBuffer
  readonly lengths: readonly number[]
}

export function pack(values: readonly Uint8Array[]): Block {
  const lengths = values.map(value => value.byteLength)
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const bytes = new ArrayBuffer(total)
  const target = new Uint8Array(bytes)
  let offset = 0
  for (const value of values) {
    target.set(value, offset)
    offset += value.byteLength
  }
  return { bytes, lengths }
}

/** The values, as views on the block. */
export function unpack({ bytes, lengths }: Block): Buffer[] {
  let offset = 0
  return lengths.map(length => {
    const value = Buffer.from(bytes, offset, length)
    offset += length
    return value
  })
}
