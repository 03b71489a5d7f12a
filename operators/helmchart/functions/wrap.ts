/** Wrapping and abbreviating of lines, by goutils: all counts are bytes. */
import { bytesOf, textOf } from '../template/bytes.ts'

const blank = 0x20

/** Breaks a text at spaces into lines of at most `width` bytes; words that are longer are cut only if asked for. */
export function wrap(text: string, width: number, newLine: string, cutWords: boolean): string {
  const bytes = bytesOf(text)
  const limit = Math.max(width, 1)
  const lines: string[] = []
  const line = (from: number, to: number): void => void lines.push(textOf(bytes.subarray(from, to)))
  let offset = 0
  while (bytes.length - offset > limit) {
    if (bytes[offset] === blank) {
      offset++
      continue
    }
    const lastSpace = bytes.subarray(offset, limit + offset + 1).lastIndexOf(blank)
    if (lastSpace >= 0) {
      line(offset, offset + lastSpace)
      offset += lastSpace + 1
    } else if (cutWords) {
      line(offset, offset + limit)
      offset += limit
    } else {
      const next = bytes.indexOf(blank, offset + limit)
      if (next < 0) break
      line(offset, next)
      offset = next + 1
    }
  }
  line(offset, bytes.length)
  return lines.join(newLine || '\n')
}

export function abbreviate(text: string, width: number): string {
  return abbreviateFrom(bytesOf(text), 0, width)
}

export function abbreviateBoth(offset: number, width: number, text: string): string {
  if (width < 4 || (offset > 0 && width < 7)) return text
  return abbreviateFrom(bytesOf(text), offset, width)
}

function abbreviateFrom(bytes: Uint8Array, from: number, width: number): string {
  if (bytes.length === 0 || width < 4) return ''
  if (bytes.length <= width) return textOf(bytes)
  let offset = Math.min(from, bytes.length)
  if (bytes.length - offset < width - 3) offset = bytes.length - (width - 3)
  if (offset <= 4) return `${textOf(bytes.subarray(0, width - 3))}...`
  if (width < 7) return ''
  if (offset + width - 3 < bytes.length) return `...${abbreviateFrom(bytes.subarray(offset), 0, width - 3)}`
  return `...${textOf(bytes.subarray(bytes.length - (width - 3)))}`
}
