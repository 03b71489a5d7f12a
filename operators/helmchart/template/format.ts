/** fmt.Sprint, Sprintln and Sprintf over the values of values.ts. */
import { compareText, isInvalidByte } from './bytes.ts'
import { type Flags, noFlags, pad, verbatim } from './padding.ts'
import {
  annotationOf,
  GoInteger,
  type GoMap,
  GoStruct,
  type GoType,
  type GoValue,
  isMap,
  typeOf,
  types,
} from './values.ts'
import { formatBytes, formatFloatVerb, formatInteger, formatString } from './verbs.ts'

/** fmt.Sprint: a space between two operands that are not strings. */
export function sprint(values: readonly GoValue[]): string {
  let out = ''
  for (const [index, value] of values.entries()) {
    if (index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string') out += ' '
    out += formatValue(value, 'v', noFlags)
  }
  return out
}

/** fmt.Sprintln. */
export function sprintln(values: readonly GoValue[]): string {
  return `${values.map(value => formatValue(value, 'v', noFlags)).join(' ')}\n`
}

/** What an action prints, and "%v". */
export function display(value: GoValue): string {
  return typeof value === 'string' ? value : formatValue(value, 'v', noFlags)
}

/** One operand by a verb. */
export function formatValue(value: GoValue, verb: string, flags: Flags): string {
  if (value === null || value === undefined)
    return verb === 'T' || verb === 'v' ? pad('<nil>', flags) : `%!${verb}(<nil>)`
  if (verb === 'T') return verbatim(typeOf(value)!.name, flags)
  if (verb === 'p') return formatPointer(value, verb, flags)
  return formatAt(value, verb, flags, 0)
}

/** "%!d(string=abc)"; the flags stay in force. */
function badVerb(value: GoValue, verb: string, flags: Flags): string {
  if (value === null || value === undefined) return `%!${verb}(<nil>)`
  return `%!${verb}(${typeOf(value)!.name}=${formatAt(value, 'v', flags, 0, true)})`
}

function formatAt(value: GoValue, verb: string, flags: Flags, depth: number, erroring = false): string {
  if (value === null || value === undefined) return flags.sharpV ? 'interface {}(nil)' : '<nil>'
  if (!erroring) {
    const text = stringerText(value, verb, flags)
    if (text !== undefined) return formatString(text, verb, flags) ?? badVerb(text, verb, flags)
  }
  switch (typeof value) {
    case 'string':
      return formatString(value, verb, flags) ?? badVerb(value, verb, flags)
    case 'boolean':
      return verb === 't' || verb === 'v' ? pad(String(value), flags) : badVerb(value, verb, flags)
    case 'number':
      return formatFloatVerb(value, verb, flags) ?? badVerb(value, verb, flags)
    case 'bigint':
      return formatInteger(value, true, verb, flags) ?? badVerb(value, verb, flags)
    default:
      return formatObject(value, verb, flags, depth, erroring)
  }
}

/** What a Stringer says, for the verbs that ask. */
function stringerText(value: GoValue, verb: string, flags: Flags): string | undefined {
  if (!(value instanceof GoStruct || value instanceof GoInteger) || !value.text) return undefined
  return !flags.sharpV && 'vsxXq'.includes(verb) ? value.text() : undefined
}

function formatObject(value: unknown, verb: string, flags: Flags, depth: number, erroring: boolean): string {
  if (value instanceof GoInteger)
    return formatInteger(value.value, !value.type.kind.startsWith('uint'), verb, flags) ?? badVerb(value, verb, flags)
  if (value instanceof GoStruct) return formatStruct(value, verb, flags, depth, erroring)
  if (value instanceof Uint8Array) return formatBytes(value, verb, flags) ?? formatByteItems(value, verb, flags)
  const object = value as object
  const { type, nil } = annotationOf(object) ?? { type: typeOf(value)!, nil: false }
  if (flags.sharpV && nil) return `${type.name}(nil)`
  return Array.isArray(object)
    ? formatList(object, type, verb, flags, depth, erroring)
    : formatMap(object as GoMap, type, verb, flags, depth, erroring)
}

function formatByteItems(bytes: Uint8Array, verb: string, flags: Flags): string {
  const items = [...bytes].map(byte => formatAt(new GoInteger(types.uint8, BigInt(byte)), verb, flags, 1))
  return flags.sharpV ? `[]uint8{${items.join(', ')}}` : `[${items.join(' ')}]`
}

function formatList(
  list: readonly GoValue[],
  type: GoType,
  verb: string,
  flags: Flags,
  depth: number,
  erroring: boolean,
): string {
  const items = list.map(item => formatAt(item, verb, flags, depth + 1, erroring))
  return flags.sharpV ? `${type.name}{${items.join(', ')}}` : `[${items.join(' ')}]`
}

function formatMap(map: GoMap, type: GoType, verb: string, flags: Flags, depth: number, erroring: boolean): string {
  const items = Object.keys(map)
    .sort(compareText)
    .map(key => {
      const name = formatAt(key, verb, flags, depth + 1, erroring)
      return `${name}:${formatAt(map[key], verb, flags, depth + 1, erroring)}`
    })
  return flags.sharpV ? `${type.name}{${items.join(', ')}}` : `map[${items.join(' ')}]`
}

function formatStruct(value: GoStruct, verb: string, flags: Flags, depth: number, erroring: boolean): string {
  const pointer = value.type.kind === 'ptr'
  if (pointer && depth > 0) return formatPointer(value, verb, flags)
  const named = flags.plusV || flags.sharpV
  const fields = Object.entries(value.fields).map(
    ([name, field]) => `${named ? `${name}:` : ''}${formatAt(field, verb, flags, depth + 1, erroring)}`,
  )
  const name = flags.sharpV ? value.type.name.replace('*', '') : ''
  return `${pointer ? '&' : ''}${name}{${fields.join(flags.sharpV ? ', ' : ' ')}}`
}

/** Addresses mean nothing here, as they mean nothing in a chart: one stands for all. */
const address = 0xc000012345n

function formatPointer(value: GoValue, verb: string, flags: Flags): string {
  const isPointer =
    Array.isArray(value) ||
    isMap(value) ||
    value instanceof Uint8Array ||
    (value instanceof GoStruct && value.type.kind === 'ptr')
  if (!isPointer) return badVerb(value, verb, flags)
  const prefixed = { ...flags, sharp: !flags.sharp }
  if (verb === 'v' && flags.sharpV) return `(${typeOf(value)!.name})(0x${address.toString(16)})`
  if (verb === 'v' || verb === 'p') return formatInteger(address, false, 'x', prefixed)!
  return 'bodxX'.includes(verb) ? formatInteger(address, false, verb, flags)! : badVerb(value, verb, flags)
}

/** fmt.Sprintf, with Go's complaints about bad formats. */
export function sprintf(format: string, values: readonly GoValue[]): string {
  return new FormatRun(format, values).run()
}

class FormatRun {
  readonly #format: string
  readonly #values: readonly GoValue[]
  #at = 0
  #argument = 0
  #reordered = false
  #goodIndex = true
  #afterIndex = false
  #out = ''

  constructor(format: string, values: readonly GoValue[]) {
    this.#format = format
    this.#values = values
  }

  run(): string {
    const end = this.#format.length
    while (this.#at < end) {
      const percent = this.#format.indexOf('%', this.#at)
      this.#out += this.#format.slice(this.#at, percent < 0 ? end : percent)
      if (percent < 0) break
      this.#at = percent + 1
      this.#goodIndex = true
      if (!this.#directive()) break
    }
    return this.#out + this.#extra()
  }

  /** One verb with its flags; false when the format ends before the verb. */
  #directive(): boolean {
    const flags: Flags = { ...noFlags }
    this.#afterIndex = false
    for (; '#0+- '.includes(this.#char() || 'x'); this.#at++) setFlag(flags, this.#char())
    this.#index()
    this.#width(flags)
    this.#precision(flags)
    if (!this.#afterIndex) this.#index()
    const code = this.#format.codePointAt(this.#at)
    if (code === undefined) {
      this.#out += '%!(NOVERB)'
      return false
    }
    const verb = isInvalidByte(code) ? '\ufffd' : String.fromCodePoint(code)
    this.#at += verb.length
    this.#verb(verb, flags)
    return true
  }

  #char(): string {
    return this.#format[this.#at] ?? ''
  }

  #verb(verb: string, flags: Flags): void {
    if (verb === '%') this.#out += '%'
    else if (!this.#goodIndex) this.#out += `%!${verb}(BADINDEX)`
    else if (this.#argument >= this.#values.length) this.#out += `%!${verb}(MISSING)`
    else {
      if (verb === 'v' || verb === 'w') {
        Object.assign(flags, { sharpV: flags.sharp, sharp: false, plusV: flags.plus, plus: false })
      }
      const value = this.#values[this.#argument++]
      this.#out += verb === 'w' ? badVerb(value, verb, flags) : formatValue(value, verb, flags)
    }
  }

  #width(flags: Flags): void {
    if (this.#char() === '*') {
      this.#at++
      const width = this.#integerArgument()
      if (width === undefined) this.#out += '%!(BADWIDTH)'
      else if (width < 0) Object.assign(flags, { width: -width, minus: true, zero: false })
      else flags.width = width
      this.#afterIndex = false
      return
    }
    const width = this.#number()
    flags.width = width
    if (this.#afterIndex && width !== undefined) this.#goodIndex = false
  }

  #precision(flags: Flags): void {
    if (this.#char() !== '.' || this.#at + 1 >= this.#format.length) return
    this.#at++
    if (this.#afterIndex) this.#goodIndex = false
    this.#index()
    if (this.#char() === '*') {
      this.#at++
      const precision = this.#integerArgument()
      if (precision === undefined || precision < 0) this.#out += '%!(BADPREC)'
      else flags.precision = precision
      this.#afterIndex = false
      return
    }
    flags.precision = this.#number() ?? 0
  }

  #number(): number | undefined {
    const digits = /[0-9]*/y
    digits.lastIndex = this.#at
    const text = digits.exec(this.#format)![0]
    if (text === '') return undefined
    // Go gives up the whole format on numbers beyond a million.
    if (text.length > 7) this.#at = this.#format.length
    else this.#at += text.length
    return text.length > 7 ? undefined : Number(text)
  }

  #integerArgument(): number | undefined {
    if (this.#argument >= this.#values.length) return undefined
    const value = this.#values[this.#argument++]
    const integer = typeof value === 'bigint' ? value : value instanceof GoInteger ? value.value : undefined
    return integer === undefined || integer > 1000000n || integer < -1000000n ? undefined : Number(integer)
  }

  /** An explicit argument number, "[2]". */
  #index(): void {
    this.#afterIndex = false
    if (this.#char() !== '[') return
    this.#reordered = true
    const close = this.#format.indexOf(']', this.#at)
    if (close < 0 || this.#format.length - this.#at < 3) {
      this.#goodIndex = false
      this.#at++
      return
    }
    const text = this.#format.slice(this.#at + 1, close)
    const number = /^[0-9]{1,7}$/.test(text) ? Number(text) : undefined
    this.#at = close + 1
    this.#afterIndex = number !== undefined
    if (number !== undefined && number >= 1 && number <= this.#values.length) this.#argument = number - 1
    else this.#goodIndex = false
  }

  #extra(): string {
    if (this.#reordered || this.#argument >= this.#values.length) return ''
    const extra = this.#values
      .slice(this.#argument)
      .map(value => (value === null || value === undefined ? '<nil>' : `${typeOf(value)!.name}=${display(value)}`))
    return `%!(EXTRA ${extra.join(', ')})`
  }
}

function setFlag(flags: Flags, char: string): void {
  if (char === '#') flags.sharp = true
  else if (char === '0') flags.zero = true
  else if (char === '+') flags.plus = true
  else if (char === '-') flags.minus = true
  else flags.space = true
}
