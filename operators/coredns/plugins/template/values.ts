/** The values of templates, how they are told true and printed, and the functions there are. */

/** A template that cannot be read or carried out. */
export class TemplateError extends Error {}

export type Value = string | number | boolean | undefined | readonly Value[] | { readonly [key: string]: Value }

/** The field of a field of a value. */
export const walk = (value: Value, path: readonly string[]): Value =>
  path.reduce<Value>((at, name) => {
    if (typeof at !== 'object' || Array.isArray(at)) throw new TemplateError(`can't evaluate field ${name}`)
    return Object.hasOwn(at, name) ? (at as { [key: string]: Value })[name] : undefined
  }, value)

export function truth(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object') return Object.keys(value).length > 0
  return Boolean(value)
}

export function printed(value: Value): string {
  if (value === undefined) return '<no value>'
  if (Array.isArray(value)) return `[${value.map(printed).join(' ')}]`
  if (typeof value === 'object')
    return `map[${Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => `${key}:${printed(one)}`)
      .join(' ')}]`
  return String(value)
}

type Function = (...args: Value[]) => Value

const compare =
  (test: (order: number) => boolean): Function =>
  (a, b) =>
    test(
      typeof a === 'number' && typeof b === 'number'
        ? a - b
        : String(a) < String(b)
          ? -1
          : String(a) > String(b)
            ? 1
            : 0,
    )

export const functions: { readonly [name: string]: Function } = {
  index: (value, ...keys) =>
    keys.reduce<Value>((at, key) => {
      if (Array.isArray(at)) {
        if (typeof key !== 'number' || key < 0 || key >= at.length)
          throw new TemplateError(`index out of range: ${String(key)}`)
        return at[key]
      }
      return walk(at, [String(key)])
    }, value),
  slice: (value, from, to) =>
    (value as string | readonly Value[]).slice(from as number, to as number | undefined) as Value,
  len: value =>
    typeof value === 'string' || Array.isArray(value) ? value.length : Object.keys((value as object) ?? {}).length,
  print: (...args) => args.map(printed).join(''),
  println: (...args) => `${args.map(printed).join(' ')}\n`,
  printf: (format, ...args) => sprintf(String(format), args),
  parseInt: (text, base, bits) => {
    const value = Number.parseInt(String(text), Number(base))
    const valid = /^[0-9a-z]+$/i.test(String(text)) && Number.isFinite(value) && value < 2 ** (Number(bits) || 64)
    if (!valid || [...String(text).toLowerCase()].some(digit => Number.parseInt(digit, 36) >= Number(base)))
      throw new TemplateError(`parseInt: parsing "${String(text)}": invalid syntax or out of range`)
    return value
  },
  eq: (first, ...others) => others.some(other => other === first),
  ne: (a, b) => a !== b,
  lt: compare(order => order < 0),
  le: compare(order => order <= 0),
  gt: compare(order => order > 0),
  ge: compare(order => order >= 0),
  and: (...args) => args.find(value => !truth(value)) ?? args.at(-1),
  or: (...args) => args.find(truth) ?? args.at(-1),
  not: value => !truth(value),
}

/** %s %v %d %x %X %q %c %% with flags and width. */
function sprintf(format: string, args: readonly Value[]): string {
  let at = 0
  return format.replace(
    /%([-+ 0#]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flag: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      const value = args[at++]
      const text = verbText(verb, value, precision)
      if (flag.includes('-')) return text.padEnd(Number(width))
      return text.padStart(Number(width), flag.includes('0') ? '0' : ' ')
    },
  )
}

function verbText(verb: string, value: Value, precision: string | undefined): string {
  switch (verb) {
    case 'x':
    case 'X': {
      const hex = typeof value === 'number' ? value.toString(16) : Buffer.from(String(value)).toString('hex')
      return verb === 'X' ? hex.toUpperCase() : hex
    }
    case 'o':
    case 'b':
      return Number(value).toString(verb === 'o' ? 8 : 2)
    case 'f':
      return Number(value).toFixed(Number(precision ?? 6))
    case 'q':
      return JSON.stringify(String(value))
    case 'c':
      return String.fromCodePoint(Number(value))
    default:
      return precision !== undefined && verb === 's' ? printed(value).slice(0, Number(precision)) : printed(value)
  }
}
