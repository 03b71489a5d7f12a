/** Base64 and base32 with Go's complaints. */
import { bytesOf, textOf } from '../template/bytes.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'

export const encodingFunctions: FunctionTable = {
  b64enc: goFunction('string -> string', (text: string) => Buffer.from(bytesOf(text)).toString('base64')),
  b64dec: goFunction('string -> string', (text: string) => orMessage(() => textOf(decodeBase64(text)))),
  b32enc: goFunction('string -> string', (text: string) => encodeBase32(bytesOf(text))),
  b32dec: goFunction('string -> string', (text: string) => orMessage(() => textOf(decodeBase32(text)))),
}

function orMessage(decode: () => string): string {
  try {
    return decode()
  } catch (error) {
    if (error instanceof GoError) return error.message
    throw error
  }
}

/** base64.StdEncoding.DecodeString: line breaks are skipped, everything else must be right. */
export function decodeBase64(text: string): Uint8Array {
  const at = badOffset(text, /[A-Za-z0-9+/]/, 4)
  if (at !== undefined) throw new GoError(`illegal base64 data at input byte ${at}`)
  return Buffer.from(text.replaceAll(/[\r\n]/g, ''), 'base64')
}

/** The byte a decoder of groups of `size` characters stops at, undefined when all is well. */
function badOffset(text: string, alphabet: RegExp, size: number): number | undefined {
  const bytes = bytesOf(text)
  const chars = [...bytes.entries()]
    .map(([offset, byte]) => ({ offset, char: String.fromCharCode(byte) }))
    .filter(({ char }) => char !== '\r' && char !== '\n')
  let index = 0
  while (index < chars.length && alphabet.test(chars[index]!.char)) index++
  const inGroup = index % size
  if (index === chars.length) return inGroup === 0 ? undefined : bytes.length - inGroup
  const { char, offset } = chars[index]!
  const paddings = size === 4 ? [2, 3] : [2, 4, 5, 7]
  if (char !== '=' || !paddings.includes(inGroup)) return offset
  for (let filled = inGroup + 1, next = index + 1; filled < size; filled++, next++) {
    if (next >= chars.length) return bytes.length
    if (chars[next]!.char !== '=') return chars[next]!.offset - (size === 4 ? 1 : 0)
  }
  const after = index + (size - inGroup)
  return after < chars.length ? chars[after]!.offset : undefined
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function encodeBase32(bytes: Uint8Array): string {
  let out = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) out += digits[(value >>> (bits - 5)) & 31]
    value &= (1 << bits) - 1
  }
  if (bits > 0) out += digits[(value << (5 - bits)) & 31]
  return out.padEnd(Math.ceil(out.length / 8) * 8, '=')
}

function decodeBase32(text: string): Uint8Array {
  const at = badOffset(text, /[A-Z2-7]/, 8)
  if (at !== undefined) throw new GoError(`illegal base32 data at input byte ${at}`)
  const bytes: number[] = []
  let bits = 0
  let value = 0
  for (const char of text.replaceAll(/[=\r\n]/g, '')) {
    value = (value << 5) | digits.indexOf(char)
    bits += 5
    if (bits >= 8) bytes.push((value >>> (bits -= 8)) & 255)
    value &= (1 << bits) - 1
  }
  return Uint8Array.from(bytes)
}
