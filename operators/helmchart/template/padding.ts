/** Flags of a printf directive, and padding to its width. */

export interface Flags {
  width: number | undefined
  precision: number | undefined
  minus: boolean
  plus: boolean
  sharp: boolean
  space: boolean
  zero: boolean
  /** "%+v" and "%#v" are formats of their own, without the flag. */
  plusV: boolean
  sharpV: boolean
}

export const noFlags: Readonly<Flags> = {
  width: undefined,
  precision: undefined,
  minus: false,
  plus: false,
  sharp: false,
  space: false,
  zero: false,
  plusV: false,
  sharpV: false,
}

function countRunes(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

/** Pads with spaces, or zeros where the flag asks. */
export function pad(text: string, flags: Readonly<Flags>): string {
  if (!flags.width) return text
  const missing = flags.width - countRunes(text)
  if (missing <= 0) return text
  return flags.minus ? text + ' '.repeat(missing) : (flags.zero ? '0' : ' ').repeat(missing) + text
}

/** Pads with spaces only. */
export function padSpaces(text: string, flags: Readonly<Flags>): string {
  return pad(text, flags.zero ? { ...flags, zero: false } : flags)
}

/** Cuts to the precision, counted in characters. */
export function truncate(text: string, flags: Readonly<Flags>): string {
  return flags.precision === undefined ? text : [...text].slice(0, flags.precision).join('')
}

/** "%s". */
export function verbatim(text: string, flags: Readonly<Flags>): string {
  return pad(truncate(text, flags), flags)
}
