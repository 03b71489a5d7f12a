/** The Corefile's syntax: server blocks of directives, with braces, quotes, comments, snippets, imports and environment variables. */

export interface Directive {
  readonly name: string
  readonly args: readonly string[]
  readonly block: readonly Directive[]
  readonly file: string
  readonly line: number
}

export interface ServerBlock {
  /** Zones and ports, e.g. ".:53". */
  readonly addresses: readonly string[]
  readonly directives: readonly Directive[]
  readonly file: string
  readonly line: number
}

/** A mistake in a Corefile, with its file and line. */
export class CorefileError extends Error {
  readonly file: string

  constructor(file: string, line: number, message: string) {
    super(`${file}:${line}: ${message}`)
    this.name = 'CorefileError'
    this.file = file
  }
}

/** A mistake in the settings of a plugin. */
export const mistake = ({ file, line }: { file: string; line: number }, message: string): CorefileError =>
  new CorefileError(file, line, message)

export interface SourceFile {
  readonly name: string
  readonly text: string
}

/** Resolves an import's argument (a file or a glob) to the texts it stands for; undefined when a file is missing. */
export type ReadImport = (pattern: string) => readonly SourceFile[] | undefined

type Environment = { readonly [name: string]: string | undefined }

interface Token {
  readonly text: string
  readonly line: number
  readonly quoted: boolean
}

interface Sources {
  readonly read: ReadImport
  readonly env: Environment
  readonly snippets: Map<string, readonly Directive[]>
}

/** Files that import each other are followed so deep. */
const maxDepth = 16

/** Parses a Corefile. Throws CorefileError. `read` gives the files of import directives. */
export function parseCorefile(text: string, name: string, read: ReadImport, env: Environment = {}): ServerBlock[] {
  return new Parser({ name, text }, { read, env, snippets: new Map() }, 0).servers()
}

function tokenize({ name, text }: SourceFile, env: Environment): Token[] {
  const tokens: Token[] = []
  const pattern = /\n|"((?:[^"\\]|\\[\s\S])*)("?)|#[^\n]*|[^\s]+/g
  let line = 1
  for (const match of text.matchAll(pattern)) {
    const [found, content, closing] = match
    if (found === '\n') line++
    else if (content !== undefined) {
      if (closing === '') throw new CorefileError(name, line, 'a quote is not closed')
      tokens.push({ text: expand(content.replaceAll('\\"', '"'), env), line, quoted: true })
      line += content.split('\n').length - 1
    } else if (!found.startsWith('#')) tokens.push({ text: expand(found, env), line, quoted: false })
  }
  return tokens
}

const expand = (text: string, env: Environment): string =>
  text.replace(/\{\$(\w+)\}|\{%(\w+)%\}/g, (_, a?: string, b?: string) => env[a ?? b ?? ''] ?? '')

class Parser {
  readonly #tokens: readonly Token[]
  readonly #name: string
  readonly #sources: Sources
  readonly #depth: number
  #at = 0

  constructor(source: SourceFile, sources: Sources, depth: number) {
    this.#name = source.name
    this.#sources = sources
    this.#depth = depth
    this.#tokens = tokenize(source, sources.env)
  }

  servers(): ServerBlock[] {
    const blocks: ServerBlock[] = []
    while (this.#at < this.#tokens.length) {
      const first = this.#tokens[this.#at]!
      const snippet = /^\((.+)\)$/.exec(first.text)
      if (first.text === 'import') blocks.push(...this.#importedServers())
      else if (snippet) this.#snippet(snippet[1]!)
      else blocks.push(this.#server())
    }
    return blocks
  }

  /** The rest of a file or block as directives. */
  directives(closing: boolean): Directive[] {
    const list: Directive[] = []
    for (;;) {
      const token = this.#tokens[this.#at]
      if (!token) {
        if (closing) throw this.#error(this.#tokens.at(-1)?.line ?? 1, 'a closing brace is missing')
        return list
      }
      this.#at++
      if (is(token, '}') && closing) return list
      if (is(token, '{') || is(token, '}')) throw this.#error(token.line, `unexpected "${token.text}"`)
      if (token.text === 'import') list.push(...this.#importedDirectives(token))
      else list.push(this.#directive(token))
    }
  }

  #importedServers(): ServerBlock[] {
    const token = this.#tokens[this.#at++]!
    const pattern = this.#importArgument(token)
    if (this.#sources.snippets.has(pattern))
      throw this.#error(token.line, `the snippet "${pattern}" can only be imported inside a server block`)
    return this.#files(token, pattern).flatMap(parser => parser.servers())
  }

  #importedDirectives(token: Token): Directive[] {
    const pattern = this.#importArgument(token)
    const snippet = this.#sources.snippets.get(pattern)
    return snippet ? [...snippet] : this.#files(token, pattern).flatMap(parser => parser.directives(false))
  }

  #files(token: Token, pattern: string): Parser[] {
    if (this.#depth >= maxDepth) throw this.#error(token.line, 'files import each other in a circle')
    const files = this.#sources.read(pattern)
    if (!files) throw this.#error(token.line, `cannot import "${pattern}": there is no such file or snippet`)
    return files.map(file => new Parser(file, this.#sources, this.#depth + 1))
  }

  #snippet(name: string): void {
    const token = this.#tokens[this.#at++]!
    if (this.#sources.snippets.has(name)) throw this.#error(token.line, `the snippet "${name}" is there twice`)
    if (!is(this.#tokens[this.#at++], '{')) throw this.#error(token.line, 'a snippet needs an opening brace')
    this.#sources.snippets.set(name, this.directives(true))
  }

  #server(): ServerBlock {
    const { line } = this.#tokens[this.#at]!
    const addresses: string[] = []
    for (;;) {
      const token = this.#tokens[this.#at++]
      if (!token) throw this.#error(this.#tokens.at(-1)?.line ?? 1, 'a server block needs an opening brace')
      if (is(token, '{')) break
      if (is(token, '}')) throw this.#error(token.line, 'unexpected "}"')
      addresses.push(...token.text.split(',').filter(part => part !== ''))
    }
    if (addresses.length === 0) throw this.#error(line, 'a server block needs a zone, for example ".:53"')
    return { addresses, directives: this.directives(true), file: this.#name, line }
  }

  #directive({ text, line }: Token): Directive {
    const args: string[] = []
    const directive = (block: readonly Directive[]) => ({ name: text, args, block, file: this.#name, line })
    for (;;) {
      const next = this.#tokens[this.#at]
      if (!next || next.line !== line || is(next, '}')) return directive([])
      this.#at++
      if (is(next, '{')) return directive(this.directives(true))
      args.push(next.text)
    }
  }

  #importArgument(token: Token): string {
    const next = this.#tokens[this.#at]
    if (!next || next.line !== token.line) throw this.#error(token.line, 'import needs a file or a snippet')
    this.#at++
    return next.text
  }

  #error(line: number, message: string): CorefileError {
    return new CorefileError(this.#name, line, message)
  }
}

const is = (token: Token | undefined, text: string): boolean =>
  token !== undefined && token.text === text && !token.quoted
