/** Sprig's changes of letter case: title, untitle, swapcase, and the cases of identifiers by xstrings. */

const letterOrMark = /^[\p{L}\p{Nd}_]$/u
const isUpper = (char: string | undefined): boolean => char !== undefined && /^\p{Lu}$/u.test(char)
const isSpace = (char: string): boolean =>
  /^[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/.test(char)
const isConnector = (char: string | undefined): boolean =>
  char !== undefined && (char === '-' || char === '_' || isSpace(char))
const isAlphabet = (char: string): boolean => /^[\p{Lu}\p{Ll}]$/u.test(char)

function single(char: string, changed: string): string {
  return [...changed].length === 1 ? changed : char
}
const toUpper = (char: string): string => single(char, char.toUpperCase())
const toLower = (char: string): string => single(char, char.toLowerCase())

/** strings.Title: letters after a separator become title case. */
export function title(text: string): string {
  let previous = ' '
  return Array.from(text.toWellFormed(), char => {
    const start = isSeparator(previous)
    previous = char
    return start ? toUpper(char) : char
  }).join('')
}

function isSeparator(char: string): boolean {
  if (char.charCodeAt(0) < 0x80) return !/^[A-Za-z0-9_]$/.test(char)
  return !letterOrMark.test(char) && isSpace(char)
}

export function uncapitalize(text: string): string {
  let atStart = true
  return Array.from(text.toWellFormed(), char => {
    if (isSpace(char)) {
      atStart = true
      return char
    }
    const changed = atStart ? toLower(char) : char
    atStart = false
    return changed
  }).join('')
}

export function swapCase(text: string): string {
  return Array.from(text.toWellFormed(), char => {
    if (/^[\p{Lu}\p{Lt}]$/u.test(char)) return toLower(char)
    return /^\p{Ll}$/u.test(char) ? toUpper(char) : char
  }).join('')
}

/** xstrings.ToPascalCase: "some_words" becomes "SomeWords". */
export function camelCase(text: string): string {
  const chars = [...text.toWellFormed()]
  let at = chars.findIndex(char => !isConnector(char))
  // Of connectors alone the library writes the last one twice.
  if (at < 0) return text + (chars.at(-1) ?? '')
  let out = chars.slice(0, at).join('')
  let upperStart = isUpper(chars[at])
  let current = toUpper(chars[at]!)
  for (at++; at < chars.length; at++) {
    const previous = current
    current = chars[at]!
    if (isConnector(current) && isConnector(previous)) {
      out += previous
      continue
    }
    if (isConnector(previous)) {
      upperStart = isUpper(current)
      current = toUpper(current)
      continue
    }
    if (upperStart && isUpper(current)) current = toLower(current)
    else upperStart = false
    out += previous
  }
  return out + current
}

export function snakeCase(text: string): string {
  return separated(text, '_')
}

export function kebabCase(text: string): string {
  return separated(text, '-')
}

type WordKind = 'none' | 'number' | 'upper' | 'alphabet' | 'connector' | 'punctuation' | 'other'

class Words {
  readonly #chars: readonly string[]
  #at = 0
  kind: WordKind = 'none'
  word = ''

  constructor(text: string) {
    this.#chars = [...text.toWellFormed()]
  }

  get more(): boolean {
    return this.#at < this.#chars.length
  }

  next(): void {
    const start = this.#at
    this.kind = this.more ? this.#kindOf(this.#chars[start]!) : 'none'
    this.#at = this.#end(start)
    this.word = this.#chars.slice(start, this.#at).join('')
  }

  #kindOf(char: string): WordKind {
    if (isConnector(char)) return 'connector'
    if (/^\p{P}$/u.test(char)) return 'punctuation'
    if (isUpper(char)) return 'upper'
    if (isAlphabet(char)) return 'alphabet'
    return /^\p{N}$/u.test(char) ? 'number' : 'other'
  }

  #end(start: number): number {
    if (this.kind === 'none') return start
    if (this.kind === 'upper') return this.#endOfUpper(start + 1)
    const kind = this.kind
    return this.#run(start + 1, char => {
      // Connectors such as "-" are punctuation as well, unless they come first.
      if (kind === 'punctuation') return /^\p{P}$/u.test(char)
      if (kind === 'other') return this.#kindOf(char) === 'other'
      return this.#kindOf(char) === kind
    })
  }

  #run(from: number, belongs: (char: string) => boolean): number {
    let at = from
    while (at < this.#chars.length && belongs(this.#chars[at]!)) at++
    return at
  }

  /** "HTTPStatus" is "HTTP" and "Status". */
  #endOfUpper(from: number): number {
    const next = this.#chars[from]
    if (isUpper(next)) {
      const end = this.#run(from, isUpper)
      const after = this.#chars[end]
      return after !== undefined && isAlphabet(after) ? end - 1 : end
    }
    return next !== undefined && isAlphabet(next) ? this.#run(from, char => isAlphabet(char) && !isUpper(char)) : from
  }
}

function separated(text: string, connector: string): string {
  const words = new Words(text)
  let out = ''
  const write = (kind: WordKind, word: string): void => {
    out += kind === 'upper' || kind === 'connector' ? lowered(word, connector) : word
  }
  // The compiler does not see that next() changes the kind.
  const kindNow = (): WordKind => words.kind
  const isWord = (): boolean => words.kind !== 'none' && words.kind !== 'connector' && words.kind !== 'punctuation'
  const writeWhileTrailing = (): void => {
    while (words.kind === 'alphabet' || words.kind === 'number') {
      write(words.kind, words.word)
      words.next()
    }
    if (isWord()) out += connector
  }
  words.next()
  while (words.more) {
    if (words.kind !== 'connector') write(words.kind, words.word)
    const [previous, last] = [words.kind, words.word]
    words.next()
    if (previous === 'number') writeWhileTrailing()
    else if (previous === 'connector') write(previous, last)
    else if (previous !== 'punctuation') afterWord()
  }
  write(words.kind, words.word)
  return out

  function afterWord(): void {
    if (words.kind !== 'number') {
      if (words.kind !== 'connector' && words.kind !== 'punctuation') out += connector
      return
    }
    if (!words.more) return
    const digits = words.word
    words.next()
    if (kindNow() !== 'alphabet') {
      // A number belongs to the word before it: "Bld4Floor" is "bld4_floor".
      write('number', digits)
      if (kindNow() !== 'connector' && kindNow() !== 'punctuation') out += connector
      return
    }
    out += connector
    write('number', digits)
    writeWhileTrailing()
  }
}

function lowered(word: string, connector: string): string {
  return Array.from(word, char => (isConnector(char) ? connector : isUpper(char) ? toLower(char) : char)).join('')
}
