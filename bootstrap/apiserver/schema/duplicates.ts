/** Finds fields given twice in JSON text, which JSON.parse silently merges. */

/**
 * Findings in upstream's words, `duplicate field "spec.x"`, in document order, each once. The text must be valid JSON.
 */
export function duplicateFields(text: string): string[] {
  return new Scanner(text).findings()
}

class Scanner {
  readonly #text: string
  readonly #found = new Set<string>()
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  findings(): string[] {
    this.#value('')
    return [...this.#found]
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
      if (seen.has(name)) this.#found.add(`duplicate field ${JSON.stringify(field)}`)
      seen.add(name)
      this.#next()
      this.#at++ // the colon
      this.#value(field)
      if (this.#next() === ',') this.#at++
    }
    this.#at++
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
