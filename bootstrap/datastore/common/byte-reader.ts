/** Bytes that arrive in pieces, taken out in the portions a format has. */

export interface ByteReader {
  /** The next `count` bytes; fewer, or none, only at the end. */
  read(count: number): Promise<Buffer>
  /** Lets go of the source before its end. */
  close(): Promise<void>
}

export function byteReader(source: AsyncIterable<Buffer>): ByteReader {
  const iterator = source[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  return {
    async read(count) {
      if (held.length < count) {
        const parts = [held]
        for (let bytes = held.length; bytes < count; ) {
          const { done, value } = await iterator.next()
          if (done) break
          parts.push(value)
          bytes += value.length
        }
        held = Buffer.concat(parts)
      }
      const portion = held.subarray(0, count)
      held = held.subarray(count)
      return portion
    },
    async close() {
      await iterator.return?.()
    },
  }
}
