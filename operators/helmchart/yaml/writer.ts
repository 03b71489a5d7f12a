/** Writes YAML byte for byte as go-yaml does: libyaml's choice of styles, quoting, and folding of long lines. */
import { bytesOf } from '../template/bytes.ts'
import { formatFloat } from '../template/floats.ts'
import { GoError } from '../template/functions.ts'
import { analyzeScalar, isPrintable, type ScalarAnalysis } from './analysis.ts'
import { compareYamlKeys } from './keys.ts'
import { staysString, type YamlDialect } from './scalars.ts'

/** A scalar that is written as it is, a date for example. */
export class PlainScalar {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** What can be written. Integers are bigint, floats number. */
export type YamlValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PlainScalar
  | readonly YamlValue[]
  | { readonly [key: string]: YamlValue }

export interface YamlStyle {
  readonly dialect: YamlDialect
  /** Lines longer than this are folded at spaces. */
  readonly width: number
  /** Lists inside maps are indented. */
  readonly indentLists: boolean
}

/** sigs.k8s.io/yaml: go-yaml 2. */
export const kubernetesStyle: YamlStyle = { dialect: 2, width: 80, indentLists: false }
/** go-yaml 3 with an indentation of 2: Helm's toYamlPretty. */
export const prettyStyle: YamlStyle = { dialect: 3, width: Number.POSITIVE_INFINITY, indentLists: true }

/** A value as a YAML document, with a line break at the end. */
export function writeYaml(value: YamlValue, style: YamlStyle): string {
  const writer = new Writer(style)
  writer.node(value, { mapping: false, simpleKey: false })
  return writer.finish()
}

interface Context {
  readonly mapping: boolean
  readonly simpleKey: boolean
}

type Scalar = null | boolean | number | bigint | string | PlainScalar
type ScalarStyle = 'plain' | 'single' | 'double' | 'literal'

const step = 2
const isSpace = (char: string | undefined): boolean => char === ' '
const isBreak = (char: string | undefined): boolean =>
  char === '\n' || char === '\r' || char === '\x85' || char === '\u2028' || char === '\u2029'

class Writer {
  readonly #style: YamlStyle
  #out = ''
  #column = 0
  #indent = -1
  /** The last character was white space, or an indicator that counts as such. */
  #whitespace = true
  /** Only indentation stands on the line so far. */
  #indention = true

  constructor(style: YamlStyle) {
    this.#style = style
  }

  finish(): string {
    return this.#out.endsWith('\n') ? this.#out : `${this.#out}\n`
  }

  node(value: YamlValue, context: Context): void {
    if (Array.isArray(value)) this.#list(value as readonly YamlValue[], context)
    else if (typeof value === 'object' && value !== null && !(value instanceof PlainScalar))
      this.#map(value as { readonly [key: string]: YamlValue })
    else this.#scalar(value as Scalar, context)
  }

  #put(text: string): void {
    this.#out += text
    this.#column += text.length
  }

  #break(char = '\n'): void {
    this.#out += char
    this.#column = 0
    if (this.#style.dialect === 3) this.#indention = true
  }

  #indicator(text: string, needsSpace: boolean, isWhitespace: boolean, isIndention: boolean): void {
    if (needsSpace && !this.#whitespace) this.#put(' ')
    this.#put(text)
    this.#whitespace = isWhitespace
    this.#indention = this.#indention && isIndention
  }

  #newLine(): void {
    const indent = Math.max(this.#indent, 0)
    if (!this.#indention || this.#column > indent || (this.#column === indent && !this.#whitespace)) this.#break()
    if (this.#column < indent) this.#put(' '.repeat(indent - this.#column))
    this.#whitespace = true
    this.#indention = true
  }

  /** Runs with a deeper indentation. */
  #deeper(flow: boolean, indentless: boolean, run: () => void): void {
    const indent = this.#indent
    if (indent < 0) this.#indent = flow ? step : 0
    else if (!indentless) this.#indent += step
    run()
    this.#indent = indent
  }

  #list(items: readonly YamlValue[], { mapping }: Context): void {
    if (items.length === 0) {
      this.#indicator('[', true, true, false)
      this.#indicator(']', false, false, false)
      return
    }
    const indentless = !this.#style.indentLists && mapping && !this.#indention
    this.#deeper(false, indentless, () => {
      for (const item of items) {
        this.#newLine()
        this.#indicator('-', true, false, true)
        this.node(item, { mapping: false, simpleKey: false })
      }
    })
  }

  #map(map: { readonly [key: string]: YamlValue }): void {
    const keys = Object.keys(map).sort((left, right) => compareYamlKeys(left, right, this.#style.dialect))
    if (keys.length === 0) {
      this.#indicator('{', true, true, false)
      this.#indicator('}', false, false, false)
      return
    }
    this.#deeper(false, false, () => {
      for (const key of keys) this.#entry(key, map[key]!)
    })
  }

  #entry(key: string, value: YamlValue): void {
    this.#newLine()
    const simple = !analyzeScalar(key, this.#style.dialect).multiline && bytesOf(key).length <= 128
    if (simple) {
      this.node(key, { mapping: true, simpleKey: true })
      this.#indicator(':', false, false, false)
    } else {
      this.#indicator('?', true, false, true)
      this.node(key, { mapping: true, simpleKey: false })
      this.#newLine()
      this.#indicator(':', true, false, true)
    }
    this.node(value, { mapping: true, simpleKey: false })
  }

  #scalar(value: Scalar, context: Context): void {
    const { text, style } = this.#scalarOf(value)
    const analysis = analyzeScalar(text, this.#style.dialect)
    const chosen = selectStyle(text, style, analysis, context.simpleKey)
    this.#deeper(true, false, () => {
      const folds = !context.simpleKey
      if (chosen === 'plain') this.#plain(text, folds)
      else if (chosen === 'single') this.#singleQuoted(text, folds)
      else if (chosen === 'double') this.#doubleQuoted(text, folds)
      else this.#literal(text)
    })
  }

  #scalarOf(value: Scalar): { text: string; style: ScalarStyle } {
    if (typeof value === 'string') {
      if (!value.isWellFormed()) throw new GoError('yaml: invalid Unicode')
      if (value.includes('\n')) return { text: value, style: 'literal' }
      return { text: value, style: staysString(value, this.#style.dialect) ? 'plain' : 'double' }
    }
    if (value instanceof PlainScalar) return { text: value.text, style: 'plain' }
    return { text: typeof value === 'number' ? floatText(value) : String(value), style: 'plain' }
  }

  /** Folds at a single space beyond the width. */
  #foldsAt(chars: readonly string[], at: number, spaces: boolean, folds: boolean): boolean {
    return folds && !spaces && this.#column > this.#style.width && !isSpace(chars[at + 1])
  }

  #plain(text: string, folds: boolean): void {
    if (!this.#whitespace && (text !== '' || this.#style.dialect === 2)) this.#put(' ')
    const chars = [...text]
    let spaces = false
    for (const [at, char] of chars.entries()) {
      if (isSpace(char)) {
        if (this.#foldsAt(chars, at, spaces, folds)) this.#newLine()
        else this.#put(char)
        spaces = true
      } else {
        this.#put(char)
        this.#indention = false
        spaces = false
      }
    }
    this.#whitespace = false
    this.#indention = false
  }

  #singleQuoted(text: string, folds: boolean): void {
    this.#indicator("'", true, false, false)
    const chars = [...text]
    let spaces = false
    let breaks = false
    for (const [at, char] of chars.entries()) {
      if (isSpace(char)) {
        const inside = at > 0 && at < chars.length - 1
        if (inside && this.#foldsAt(chars, at, spaces, folds)) this.#newLine()
        else this.#put(char)
        spaces = true
      } else if (isBreak(char)) {
        if (!breaks && char === '\n') this.#break()
        this.#break(char)
        this.#indention = true
        breaks = true
      } else {
        if (breaks) this.#newLine()
        this.#put(char === "'" ? "''" : char)
        this.#indention = false
        spaces = false
        breaks = false
      }
    }
    this.#indicator("'", false, false, false)
    this.#whitespace = false
    this.#indention = false
  }

  #doubleQuoted(text: string, folds: boolean): void {
    this.#indicator('"', true, false, false)
    const chars = [...text]
    // libyaml looks for the mark at the start of the text, wherever it is: then everything is escaped.
    const marked = text.startsWith('\ufeff')
    let spaces = false
    for (const [at, char] of chars.entries()) {
      if (!isPrintable(char) || marked || isBreak(char) || char === '"' || char === '\\') {
        this.#put(escapeYaml(char))
        spaces = false
      } else if (isSpace(char)) {
        if (folds && !spaces && this.#column > this.#style.width && at > 0 && at < chars.length - 1) {
          this.#newLine()
          if (isSpace(chars[at + 1])) this.#put('\\')
        } else this.#put(char)
        spaces = true
      } else {
        this.#put(char)
        spaces = false
      }
    }
    this.#indicator('"', false, false, false)
    this.#whitespace = false
    this.#indention = false
  }

  #literal(text: string): void {
    this.#indicator('|', true, false, false)
    const chars = [...text]
    if (isSpace(chars[0]) || isBreak(chars[0])) this.#indicator(String(step), false, false, false)
    if (!isBreak(chars.at(-1))) this.#indicator('-', false, false, false)
    else if (chars.length === 1 || isBreak(chars.at(-2))) this.#indicator('+', false, false, false)
    this.#break()
    this.#indention = true
    this.#whitespace = true
    let breaks = true
    for (const char of chars) {
      if (isBreak(char)) {
        this.#break(char)
        this.#indention = true
        breaks = true
      } else {
        if (breaks) this.#newLine()
        this.#put(char)
        this.#indention = false
        breaks = false
      }
    }
  }
}

function selectStyle(text: string, wanted: ScalarStyle, analysis: ScalarAnalysis, simpleKey: boolean): ScalarStyle {
  let style = wanted
  if (simpleKey && analysis.multiline) style = 'double'
  if (style === 'plain' && (!analysis.plainAllowed || (text === '' && simpleKey))) style = 'single'
  if (style === 'single' && !analysis.singleQuotedAllowed) style = 'double'
  if (style === 'literal' && (!analysis.blockAllowed || simpleKey)) style = 'double'
  return style
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return '.nan'
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf'
  return formatFloat(value, 'g', -1)
}

const escapes: { readonly [char: string]: string } = {
  '\0': '0',
  '\x07': 'a',
  '\b': 'b',
  '\t': 't',
  '\n': 'n',
  '\v': 'v',
  '\f': 'f',
  '\r': 'r',
  '\x1b': 'e',
  '"': '"',
  '\\': '\\',
  '\x85': 'N',
  '\xa0': '_',
  '\u2028': 'L',
  '\u2029': 'P',
}

function escapeYaml(char: string): string {
  if (escapes[char]) return `\\${escapes[char]}`
  const code = char.codePointAt(0)!
  const digits = code.toString(16).toUpperCase()
  if (code <= 0xff) return `\\x${digits.padStart(2, '0')}`
  return code <= 0xffff ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`
}
