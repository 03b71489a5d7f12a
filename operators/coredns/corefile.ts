/** The Corefile's syntax: server blocks of directives, with braces, quotes, comments, imports and environment variables. */

export interface Directive {
  readonly name: string
  readonly args: readonly string[]
  readonly block: readonly Directive[]
  readonly line: number
}

export interface ServerBlock {
  /** Zones and ports, e.g. ".:53". */
  readonly addresses: readonly string[]
  readonly directives: readonly Directive[]
}

/** A mistake in a Corefile, with its file and line. */
export class CorefileError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CorefileError'
  }
}

interface Token {
  readonly text: string
  readonly line: number
  readonly quoted: boolean
}

/** Resolves an import's argument (a file or a glob) to the texts it stands for. */
export type ReadImport = (pattern: string) => readonly { readonly name: string; readonly text: string }[]

/** Parses a Corefile. Throws CorefileError. `read` gives the files of import directives. */
export function parseCorefile(
  text: string,
  name: string,
  read: ReadImport,
  env: { readonly [name: string]: string | undefined } = {},
): ServerBlock[] {
  const parser = new Parser(tokenize(text, env), name, read, env)
  return parser.servers()
}

function tokenize(text: string, env: { readonly [name: string]: string | undefined }): Token[] {
  const tokens: Token[] = []
  for (const [index, rawLine] of text.split('\n').entries()) {
    const expanded = rawLine.replace(/\{\$(\w+)\}|\{%(\w+)%\}/g, (_, a?: string, b?: string) => env[a ?? b ?? ''] ?? '')
    const pattern = /"((?:[^"\\]|\\.)*)"|(#.*$)|(\S+)/g
    for (const match of expanded.matchAll(pattern)) {
      if (match[2] !== undefined) break
      const quoted = match[1] !== undefined
      tokens.push({ text: quoted ? match[1]!.replaceAll('\\"', '"') : match[3]!, line: index + 1, quoted })
    }
  }
  return tokens
}

class Parser {
  readonly #tokens: readonly Token[]
  readonly #name: string
  readonly #read: ReadImport
  readonly #env: { readonly [name: string]: string | undefined }
  #at = 0

  constructor(
    tokens: readonly Token[],
    name: string,
    read: ReadImport,
    env: { readonly [name: string]: string | undefined },
  ) {
    this.#tokens = tokens
    this.#name = name
    this.#read = read
    this.#env = env
  }

  servers(): ServerBlock[] {
    const blocks: ServerBlock[] = []
    while (this.#at < this.#tokens.length) {
      const first = this.#tokens[this.#at]!
      if (first.text === 'import') {
        this.#at++
        for (const { name, text } of this.#read(this.#word(first, 'a file to import')))
          blocks.push(...new Parser(tokenize(text, this.#env), name, this.#read, this.#env).servers())
      } else blocks.push(this.#server())
    }
    return blocks
  }

  /** Directives of a file that is imported inside a server block. */
  directives(closing: boolean): Directive[] {
    const list: Directive[] = []
    for (;;) {
      const token = this.#tokens[this.#at]
      if (!token) {
        if (closing) throw this.#error(this.#tokens.at(-1)?.line ?? 1, 'a closing brace is missing')
        return list
      }
      this.#at++
      if (token.text === '}' && closing) return list
      if (token.text === '{' || token.text === '}') throw this.#error(token.line, `unexpected "${token.text}"`)
      if (token.text === 'import') list.push(...this.#imported(token))
      else list.push(this.#directive(token))
    }
  }

  #server(): ServerBlock {
    const addresses: string[] = []
    for (;;) {
      const token = this.#tokens[this.#at++]
      if (!token) throw this.#error(this.#tokens.at(-1)?.line ?? 1, 'a server block needs an opening brace')
      if (token.text === '{') break
      addresses.push(...token.text.split(',').filter(part => part !== ''))
    }
    return { addresses, directives: this.directives(true) }
  }

  #imported(token: Token): Directive[] {
    const files = this.#read(this.#word(token, 'a file to import'))
    return files.flatMap(({ name, text }) =>
      new Parser(tokenize(text, this.#env), name, this.#read, this.#env).directives(false),
    )
  }

  #directive(token: Token): Directive {
    const args: string[] = []
    for (;;) {
      const next = this.#tokens[this.#at]
      if (!next || next.line !== token.line || (next.text === '}' && !next.quoted))
        return { name: token.text, args, block: [], line: token.line }
      this.#at++
      if (next.text === '{' && !next.quoted)
        return { name: token.text, args, block: this.directives(true), line: token.line }
      args.push(next.text)
    }
  }

  #word(token: Token, what: string): string {
    const next = this.#tokens[this.#at]
    if (!next || next.line !== token.line) throw this.#error(token.line, `import needs ${what}`)
    this.#at++
    return next.text
  }

  #error(line: number, message: string): CorefileError {
    return new CorefileError(`${this.#name}:${line}: ${message}`)
  }
}
