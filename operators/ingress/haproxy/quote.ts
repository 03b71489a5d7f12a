/** Text of users inside HAProxy's configuration: always quoted, so that it can only be a value. */

/** A value that no quoting makes safe or valid. The message is one line for the user. */
export class Unrenderable extends Error {}

/** One word of the configuration, taken literally. */
export function word(text: string): string {
  for (const char of text)
    if (char < ' ' || char === '\x7f') throw new Unrenderable(`"${printable(text)}" contains a control character`)
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** One word that HAProxy reads as a format string, with nothing to expand. */
export function formatWord(text: string): string {
  return word(text.replaceAll('%', '%%'))
}

/** A regular expression's replacement: `$1` and `${1}` become `\1`, shifted by the groups put before. */
export function replacement(text: string, shift: number): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('%', '%%')
    .replace(/\$(?:\{(\d+)\}|(\d+)|\$)/g, (whole, braced, bare) => {
      const index = braced ?? bare
      return index === undefined ? '$' : groupReference(Number(index) + shift, whole)
    })
}

function groupReference(index: number, written: string): string {
  if (index > 9) throw new Unrenderable(`${written}: there may be at most eight groups`)
  return `\\${index}`
}

export const escapeRegex = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** A header's name, safe even without quotes. */
export function headerName(name: string): string {
  if (!token.test(name) || /['`%$|&^]/.test(name))
    throw new Unrenderable(`"${printable(name)}" is no name for a header`)
  return name
}

/** The name of a query parameter, as an argument of a fetch. */
export function parameterName(name: string): string {
  if (!/^[\w.~[\]-]+$/.test(name)) throw new Unrenderable(`"${printable(name)}" is no supported query parameter name`)
  return name
}

/** An address or a range. */
export function cidr(text: string): string {
  if (!/^[0-9a-fA-F.:]+(\/\d{1,3})?$/.test(text)) throw new Unrenderable(`"${printable(text)}" is no address or CIDR`)
  return text
}

const printable = (text: string): string => JSON.stringify(text).slice(1, -1).slice(0, 80)
