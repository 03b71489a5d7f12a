/** The JSON value a text starts with; what follows it is left alone. */
import type { Json } from './tables.ts'

const scalar = /^(?:"(?:[^"\\]|\\.)*"|true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)/s

export class JsonReader {
  /** The part of the text that is the value. */
  readonly text: string
  readonly value: Json

  /** Throws SyntaxError when the text does not start with JSON. */
  constructor(text: string) {
    this.text = text.slice(0, /^[{[]/.test(text) ? closing(text) : (scalar.exec(text)?.[0].length ?? 0))
    this.value = JSON.parse(this.text) as Json
  }
}

/** Index behind the bracket that closes the first one. */
function closing(text: string): number {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') at += Math.max(1, scalar.exec(text.slice(at))?.[0].length ?? text.length) - 1
    else if (text[at] === '{' || text[at] === '[') depth++
    else if ((text[at] === '}' || text[at] === ']') && --depth === 0) return at + 1
  }
  return text.length
}
