/**
 * Domain names on the wire and as text: labels with a dot after each, "." alone for the root, what is not printable as
 * \DDD and what has a meaning of its own after a backslash (RFC 1035, 5.1).
 */

/** What was received is not DNS. */
export class WireError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'WireError'
  }
}

export interface Place {
  at: number
}

const maxName = 255
const plain = Array.from(
  { length: 256 },
  (_, byte) => byte > 0x20 && byte < 0x7f && !'."\'();@\\'.includes(String.fromCharCode(byte)),
)

/** Reads the name at `place`, following pointers backwards only, and moves the place behind it. */
export function readName(bytes: Buffer, place: Place): string {
  let at = place.at
  let after = -1
  let text = ''
  let size = 1
  for (;;) {
    if (at >= bytes.length) throw new WireError('a name runs past the end')
    const length = bytes[at]!
    if (length === 0) {
      place.at = after < 0 ? at + 1 : after
      return text === '' ? '.' : text
    }
    if (length >= 0xc0) {
      if (at + 1 >= bytes.length) throw new WireError('a pointer runs past the end')
      const target = ((length & 0x3f) << 8) | bytes[at + 1]!
      if (after < 0) after = at + 2
      if (target >= at) throw new WireError('a pointer that does not lead back')
      at = target
      continue
    }
    if (length > 63) throw new WireError('a label of an unknown kind')
    size += length + 1
    if (size > maxName || at + 1 + length > bytes.length) throw new WireError('a name is too long')
    text += `${readLabel(bytes, at + 1, length)}.`
    at += length + 1
  }
}

function readLabel(bytes: Buffer, start: number, length: number): string {
  for (let at = start; at < start + length; at++)
    if (!plain[bytes[at]!]) return escaped(bytes.subarray(start, start + length))
  return bytes.toString('latin1', start, start + length)
}

function escaped(label: Buffer): string {
  return Array.from(label, byte =>
    plain[byte]
      ? String.fromCharCode(byte)
      : byte >= 0x20 && byte < 0x7f
        ? `\\${String.fromCharCode(byte)}`
        : `\\${String(byte).padStart(3, '0')}`,
  ).join('')
}

/** The labels of a name as bytes. Throws WireError for names that cannot exist. */
export function labelsOf(name: string): Buffer[] {
  if (name === '.' || name === '') return []
  const fqdn = name.endsWith('.') ? name : `${name}.`
  if (!fqdn.includes('\\'))
    return checked(
      fqdn
        .slice(0, -1)
        .split('.')
        .map(label => Buffer.from(label, 'latin1')),
    )
  const labels: number[][] = [[]]
  for (let at = 0; at < fqdn.length; at++) {
    const char = fqdn[at]!
    const decimal = /^\\(\d{3})/.exec(fqdn.slice(at, at + 4))
    if (decimal) {
      labels.at(-1)!.push(Number(decimal[1]) & 255)
      at += 3
    } else if (char === '\\') labels.at(-1)!.push(fqdn.charCodeAt(++at) & 255)
    else if (char === '.') labels.push([])
    else labels.at(-1)!.push(char.charCodeAt(0))
  }
  if (labels.at(-1)!.length === 0) labels.pop()
  return checked(labels.map(label => Buffer.from(label)))
}

function checked(labels: Buffer[]): Buffer[] {
  if (labels.some(label => label.length === 0 || label.length > 63)) throw new WireError('a label is empty or too long')
  if (labels.reduce((sum, label) => sum + label.length + 1, 1) > maxName) throw new WireError('a name is too long')
  return labels
}

/** Whether a text is a name that can be written. */
export function isName(text: string): boolean {
  try {
    labelsOf(text)
    return text !== ''
  } catch {
    return false
  }
}

/** With its closing dot. */
export const fqdn = (name: string): string => (name.endsWith('.') ? name : `${name}.`)

/** Lower case with a closing dot, the form in which names are compared. */
export const normal = (name: string): string => fqdn(name.toLowerCase())

/** Whether a normal name is a zone or lies below it. */
export const within = (name: string, zone: string): boolean =>
  zone === '.' || name === zone || (name.endsWith(zone) && name[name.length - zone.length - 1] === '.')

/** The longest of the zones that a name lies in. */
export function zoneOf(name: string, zones: readonly string[]): string | undefined {
  let best: string | undefined
  for (const zone of zones) if (within(name, zone) && (best === undefined || zone.length > best.length)) best = zone
  return best
}
