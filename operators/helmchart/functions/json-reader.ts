/** Reads JSON with the messages of Go's scanner; every number is a float64, of equal keys the last one counts. */
import { bytesOf } from '../template/bytes.ts'
import { GoError } from '../template/functions.ts'
import { quote } from '../template/quote.ts'
import { type GoMap, type GoValue, setEntry } from '../template/values.ts'

/** json.Unmarshal into an interface{}. Throws GoError. */
export function parseJson(text: string): GoValue {
  return new Reader(text).document()
}

const maxDepth = 10_000

class Reader {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): GoValue {
    const value = this.#value()
    this.#space()
    if (this.#at < this.#text.length) this.#invalid('after top-level value')
    return value
  }

  #invalid(where: string): never {
    // At the end Go tries a space first, which some states refuse.
    const code =
      this.#text.codePointAt(this.#at) ?? (/^in (?!string literal)|^after decimal/.test(where) ? 0x20 : undefined)
    if (code === undefined) throw new GoError('unexpected end of JSON input')
    // Go sees bytes: of a longer character the first one is named.
    const byte = bytesOf(String.fromCodePoint(code))[0]!
    const char = String.fromCharCode(byte)
    const name = char === "'" ? "'\\''" : char === '"' ? `'"'` : `'${quote(char).slice(1, -1)}'`
    throw new GoError(`invalid character ${name} ${where}`)
  }

  #space(): void {
    const blanks = /[ \t\r\n]*/y
    blanks.lastIndex = this.#at
    this.#at += blanks.exec(this.#text)![0].length
  }

  #value(): GoValue {
    this.#space()
    const char = this.#text[this.#at]
    switch (char) {
      case '{':
        return this.#nested(() => this.#object())
      case '[':
        return this.#nested(() => this.#list())
      case '"':
        return this.#string()
      case 't':
        return this.#literal('true', true)
      case 'f':
        return this.#literal('false', false)
      case 'n':
        return this.#literal('null', null)
      default:
        return char !== undefined && /[-0-9]/.test(char)
          ? this.#number()
          : this.#invalid('looking for beginning of value')
    }
  }

  #nested(read: () => GoValue): GoValue {
    if (++this.#depth > maxDepth) throw new GoError('exceeded max depth')
    this.#at++
    const value = read()
    this.#depth--
    return value
  }

  #object(): GoMap {
    const map: GoMap = {}
    this.#space()
    if (this.#take('}')) return map
    for (;;) {
      this.#space()
      if (this.#text[this.#at] !== '"') this.#invalid('looking for beginning of object key string')
      const key = this.#string()
      this.#space()
      if (!this.#take(':')) this.#invalid('after object key')
      setEntry(map, key, this.#value())
      this.#space()
      if (this.#take('}')) return map
      if (!this.#take(',')) this.#invalid('after object key:value pair')
    }
  }

  #list(): GoValue[] {
    const list: GoValue[] = []
    this.#space()
    if (this.#take(']')) return list
    for (;;) {
      list.push(this.#value())
      this.#space()
      if (this.#take(']')) return list
      if (!this.#take(',')) this.#invalid('after array element')
    }
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  #literal<T>(name: string, value: T): T {
    for (const [index, char] of [...name].entries()) {
      if (this.#text[this.#at] !== char) this.#invalid(`in literal ${name} (expecting '${name[index]}')`)
      this.#at++
    }
    return value
  }

  #string(): string {
    let out = ''
    this.#at++
    for (;;) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON strings hold none
      const plain = /[^"\\\0-\x1f]*/y
      plain.lastIndex = this.#at
      const part = plain.exec(this.#text)![0]
      this.#at += part.length
      out += part
      const char = this.#text[this.#at]
      if (char === '\\') out += this.#escape()
      else if (char === '"') {
        this.#at++
        // Halves of characters and bytes that are no UTF-8 become the replacement character.
        return out.toWellFormed()
      } else this.#invalid('in string literal')
    }
  }

  #escape(): string {
    this.#at++
    const char = this.#text[this.#at]
    const simple = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }[char ?? '']
    if (simple !== undefined) {
      this.#at++
      return simple
    }
    if (char !== 'u') this.#invalid('in string escape code')
    this.#at++
    const start = this.#at
    for (let count = 0; count < 4; count++, this.#at++)
      if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? '')) this.#invalid('in \\u hexadecimal character escape')
    return String.fromCharCode(Number.parseInt(this.#text.slice(start, this.#at), 16))
  }

  #number(): number {
    const start = this.#at
    this.#take('-')
    if (!this.#take('0') && !this.#digits()) this.#invalid('in numeric literal')
    if (this.#take('.') && !this.#digits()) this.#invalid('after decimal point in numeric literal')
    if (this.#take('e') || this.#take('E')) {
      if (!this.#take('+')) this.#take('-')
      if (!this.#digits()) this.#invalid('in exponent of numeric literal')
    }
    const text = this.#text.slice(start, this.#at)
    const value = Number(text)
    if (Number.isFinite(value)) return value
    throw new GoError(`json: cannot unmarshal number ${text} into Go value of type float64`)
  }

  #digits(): boolean {
    const digits = /[0-9]+/y
    digits.lastIndex = this.#at
    const match = digits.exec(this.#text)
    this.#at += match?.[0].length ?? 0
    return match !== null
  }
}
