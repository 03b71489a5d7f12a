/** How Go's package time quotes in messages. */
import { bytesOf } from '../template/bytes.ts'

/** Unlike elsewhere, bytes beyond ASCII are escaped. */
export function quoteTime(text: string): string {
  const escaped = Array.from(bytesOf(text), byte => {
    if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`
    return byte < 0x20 || byte >= 0x80 ? `\\x${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte)
  })
  return `"${escaped.join('')}"`
}
