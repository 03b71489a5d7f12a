/** Sprig's random strings and identifiers. */
import { type FunctionTable, goFunction } from '../template/functions.ts'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const digits = '0123456789'
const ascii = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('')

/** An evenly distributed integer below `limit`. */
export function randomBelow(limit: number, randomBytes: (count: number) => Uint8Array): number {
  const range = 2 ** 48
  const fair = range - (range % limit)
  for (;;) {
    const value = Buffer.from(randomBytes(6)).readUIntBE(0, 6)
    if (value < fair) return value % limit
  }
}

export function randomFunctions(randomBytes: (count: number) => Uint8Array): FunctionTable {
  const below = (limit: number): number => randomBelow(limit, randomBytes)
  const from = (alphabet: string) =>
    goFunction('int -> string', (count: number) =>
      Array.from({ length: Math.max(count, 0) }, () => alphabet[below(alphabet.length)]).join(''),
    )
  return {
    randAlphaNum: from(letters + digits),
    randAlpha: from(letters),
    randNumeric: from(digits),
    randAscii: from(ascii),
    randBytes: goFunction('int -> string', (count: number) => Buffer.from(randomBytes(count)).toString('base64')),
    shuffle: goFunction('string -> string', (text: string) => {
      const chars = [...text]
      for (let last = chars.length - 1; last > 0; last--) {
        const other = below(last + 1)
        ;[chars[last], chars[other]] = [chars[other]!, chars[last]!]
      }
      return chars.join('')
    }),
    uuidv4: goFunction('-> string', () => {
      const bytes = Buffer.from(randomBytes(16))
      bytes[6] = (bytes[6]! & 0x0f) | 0x40
      bytes[8] = (bytes[8]! & 0x3f) | 0x80
      return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    }),
  }
}
