/**
 * Go strings are bytes, ours are UTF-16. Text is kept as it is; a byte that is not part of valid UTF-8 becomes the lone
 * surrogate U+DC00 + byte (as Python's surrogateescape does), so binary data survives any way through a template.
 */

const ascii = /^[\0-\x7f]*$/

export function isAscii(text: string): boolean {
  return ascii.test(text)
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text for some bytes; invalid ones are escaped. */
export function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    return decodeEscaping(bytes)
  }
}

function decodeEscaping(bytes: Uint8Array): string {
  let text = ''
  let start = 0
  for (let at = 0; at < bytes.length; ) {
    const width = runeWidth(bytes, at)
    if (width > 0) {
      at += width
      continue
    }
    text += decoder.decode(bytes.subarray(start, at)) + String.fromCharCode(0xdc00 + bytes[at]!)
    start = ++at
  }
  return text + decoder.decode(bytes.subarray(start))
}

/** The width of the valid UTF-8 sequence at an offset, 0 when there is none. */
function runeWidth(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return 1
  const width =
    first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0
  if (width === 0 || at + width > bytes.length) return 0
  for (let index = 1; index < width; index++) if ((bytes[at + index]! & 0xc0) !== 0x80) return 0
  const second = bytes[at + 1]!
  if (first === 0xe0 && second < 0xa0) return 0
  if (first === 0xed && second > 0x9f) return 0
  if (first === 0xf0 && second < 0x90) return 0
  if (first === 0xf4 && second > 0x8f) return 0
  return width
}

/** The bytes of a text, escaped ones restored. */
export function bytesOf(text: string): Uint8Array {
  if (!/[\udc00-\udfff]/.test(text)) return new Uint8Array(Buffer.from(text, 'utf8'))
  const parts: Uint8Array[] = []
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 0xd800 && code < 0xdc00) at++
    else if (code >= 0xdc80 && code <= 0xdcff) {
      parts.push(Buffer.from(text.slice(start, at), 'utf8'), Uint8Array.of(code - 0xdc00))
      start = at + 1
    }
  }
  parts.push(Buffer.from(text.slice(start), 'utf8'))
  return new Uint8Array(Buffer.concat(parts))
}

/** len() of a Go string. */
export function byteLength(text: string): number {
  return isAscii(text) ? text.length : bytesOf(text).length
}

/** text[start:end], offsets in bytes. */
export function sliceBytes(text: string, start: number, end?: number): string {
  return isAscii(text) ? text.slice(start, end) : textOf(bytesOf(text).subarray(start, end))
}

/** Orders texts as Go orders strings, byte by byte. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0
  if (!/[\ud800-\uffff]/.test(left) && !/[\ud800-\uffff]/.test(right)) return left < right ? -1 : 1
  return Buffer.compare(bytesOf(left), bytesOf(right))
}

/** The code point at an offset as Go's range over a string gives it: U+FFFD for an invalid byte. */
export function isInvalidByte(codePoint: number): boolean {
  return codePoint >= 0xdc80 && codePoint <= 0xdcff
}

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u

/** unicode.IsPrint. */
export function isPrint(codePoint: number): boolean {
  if (codePoint < 0x7f) return codePoint >= 0x20
  return codePoint <= 0x10ffff && printable.test(String.fromCodePoint(codePoint))
}
