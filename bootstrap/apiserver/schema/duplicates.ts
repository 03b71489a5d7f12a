/** Finds fields given twice in JSON text, which JSON.parse silently merges. */

export interface Duplicates {
  /** In upstream's words, `duplicate field "spec.x"`, in document order, each once. */
  readonly duplicates: string[]
  /** Where in the text each of them stands, and each field under the words that would call it unknown. */
  readonly positions: ReadonlyMap<string, number>
}

const none: Duplicates = { duplicates: [], positions: new Map() }

/** `value` is what the text, which must be valid JSON, parses to: only a text with more fields is looked at closely. */
export function duplicateFields(text: string, value: unknown): Duplicates {
  return fieldsInText(text) === fieldsInValue(value) ? none : new Scanner(text).findings()
}

export const unknownField = (path: string): string => `unknown field ${JSON.stringify(path)}`

const colon = 58
const space = 32

/** Strings that a colon follows. */
function fieldsInText(text: string): number {
  let count = 0
  for (let start = text.indexOf('"'); start >= 0; ) {
    let end = text.indexOf('"', start + 1)
    while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
    let next = end + 1
    while (text.charCodeAt(next) <= space) next++
    if (text.charCodeAt(next) === colon) count++
    start = text.indexOf('"', next)
  }
  return count
}

function isEscaped(text: string, quote: number): boolean {
  let before = quote
  while (text[before - 1] === '\\') before--
  return (quote - before) % 2 === 1
}

function fieldsInValue(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const children = Object.values(value)
  let count = Array.isArray(value) ? 0 : children.length
  for (const child of children) count += fieldsInValue(child)
  return count
}

class Scanner {
  readonly #text: string
  readonly #found = new Set<string>()
  readonly #positions = new Map<string, number>()
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  findings(): Duplicates {
    this.#value('')
    return { duplicates: [...this.#found], positions: this.#positions }
  }

  #next(): string {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
    return this.#text[this.#at] ?? ''
  }

  #value(path: string): void {
    const first = this.#next()
    if (first === '{') this.#object(path)
    else if (first === '[') this.#array(path)
    else if (first === '"') this.#string()
    else while (this.#at < this.#text.length && !',]}'.includes(this.#text[this.#at]!)) this.#at++
  }

  #object(path: string): void {
    const seen = new Set<string>()
    this.#at++
    while (this.#next() === '"') {
      const name = this.#string()
      const field = path === '' ? name : `${path}.${name}`
      if (seen.has(name)) this.#note(`duplicate field ${JSON.stringify(field)}`)
      seen.add(name)
      if (!this.#positions.has(unknownField(field))) this.#positions.set(unknownField(field), this.#at)
      this.#next()
      this.#at++ // the colon
      this.#value(field)
      if (this.#next() === ',') this.#at++
    }
    this.#at++
  }

  #note(finding: string): void {
    if (!this.#found.has(finding)) this.#positions.set(finding, this.#at)
    this.#found.add(finding)
  }

  #array(path: string): void {
    this.#at++
    for (let index = 0; this.#next() !== ']' && this.#at < this.#text.length; index++) {
      this.#value(`${path}[${index}]`)
      if (this.#next() === ',') this.#at++
    }
    this.#at++
  }

  #string(): string {
    const start = this.#at++
    while (this.#text[this.#at] !== '"' && this.#at < this.#text.length)
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1
    this.#at++
    return JSON.parse(this.#text.slice(start, this.#at)) as string
  }
}
