/** Tokens into the nodes of the first document, in libyaml's grammar and with its complaints. */
import { type Mark, parserProblem, YamlProblem } from './cursor.ts'
import { Scanner, type Token, type TokenType } from './scanner.ts'

export type Node =
  | {
      readonly is: 'scalar'
      readonly value: string
      readonly tag: string
      readonly implicit: boolean
      readonly line: number
    }
  | { readonly is: 'mapping'; readonly entries: [Node, Node][]; readonly tag: string; readonly line: number }
  | { readonly is: 'sequence'; readonly items: Node[]; readonly tag: string; readonly line: number }
  | { readonly is: 'alias'; readonly name: string; readonly target: Node; readonly line: number }

/** The first document; undefined when there is none. Throws YamlProblem; what follows the document is not looked at. */
export function parseDocument(text: string): Node | undefined {
  return new Parser(text).document()
}

const contentEnds: readonly TokenType[] = [
  'version directive',
  'tag directive',
  'document start',
  'document end',
  'stream end',
]

class Parser {
  readonly #scanner: Scanner
  readonly #anchors = new Map<string, Node>()
  readonly #tagPrefixes = new Map([
    ['!', '!'],
    ['!!', 'tag:yaml.org,2002:'],
  ])

  constructor(text: string) {
    this.#scanner = new Scanner(text)
  }

  document(): Node | undefined {
    const first = this.#scanner.peek()
    if (first.type === 'stream end') return undefined
    this.#directives()
    const hasStart = this.#scanner.peek().type === 'document start'
    if (!hasStart && (first.type === 'version directive' || first.type === 'tag directive'))
      throw parserProblem('did not find expected <document start>', this.#scanner.peek().mark)
    if (hasStart) this.#scanner.take()
    const node = contentEnds.includes(this.#scanner.peek().type) && hasStart ? this.#empty() : this.#node(true, false)
    // Go asks for the end of the document, and with it for the token that follows.
    this.#scanner.peek()
    return node
  }

  #directives(): void {
    let hasVersion = false
    const own = new Set<string>()
    for (;;) {
      const token = this.#scanner.peek()
      if (token.type === 'version directive') {
        if (hasVersion) throw parserProblem('found duplicate %YAML directive', token.mark)
        if (token.value !== '1.1') throw parserProblem('found incompatible YAML document', token.mark)
        hasVersion = true
      } else if (token.type === 'tag directive') {
        if (own.has(token.value!)) throw parserProblem('found duplicate %TAG directive', token.mark)
        own.add(token.value!)
        this.#tagPrefixes.set(token.value!, token.suffix!)
      } else return
      this.#scanner.take()
    }
  }

  #empty(): Node {
    return { is: 'scalar', value: '', tag: '', implicit: true, line: this.#scanner.peek().mark.line }
  }

  #node(block: boolean, indentless: boolean): Node {
    const first = this.#scanner.peek()
    if (first.type === 'alias') return this.#alias()
    const { anchor, tag } = this.#properties()
    const token = this.#scanner.peek()
    const node = this.#content(token, tag, block, indentless, anchor)
    if (node !== undefined) return node
    if (anchor !== undefined || tag !== '')
      return this.#anchored(anchor, { is: 'scalar', value: '', tag, implicit: tag === '', line: first.mark.line })
    throw parserProblem('did not find expected node content', token.mark, first.mark)
  }

  #alias(): Node {
    const { value, mark } = this.#scanner.take()
    const target = this.#anchors.get(value!)
    if (target === undefined) throw new YamlProblem(`unknown anchor '${value}' referenced`)
    return { is: 'alias', name: value!, target, line: mark.line }
  }

  #anchored<T extends Node>(anchor: string | undefined, node: T): T {
    if (anchor !== undefined) this.#anchors.set(anchor, node)
    return node
  }

  /** An anchor and a tag in either order. */
  #properties(): { anchor: string | undefined; tag: string } {
    let anchor: string | undefined
    let tag = ''
    const first = this.#scanner.peek()
    for (let part = 0; part < 2; part++) {
      const token = this.#scanner.peek()
      if (token.type === 'anchor' && anchor === undefined) anchor = this.#scanner.take().value
      else if (token.type === 'tag' && tag === '') tag = this.#tag(this.#scanner.take(), first.mark)
      else break
    }
    return { anchor, tag }
  }

  #tag({ value: handle, suffix, mark }: Token, context: Mark): string {
    if (handle === '') return suffix!
    const prefix = this.#tagPrefixes.get(handle!)
    if (prefix === undefined) throw parserProblem('found undefined tag handle', mark, context)
    return prefix + suffix
  }

  #content(
    token: Token,
    tag: string,
    block: boolean,
    indentless: boolean,
    anchor: string | undefined,
  ): Node | undefined {
    const { line } = token.mark
    switch (token.type) {
      case 'scalar': {
        const { value, plain } = this.#scanner.take()
        const implicit = (tag === '' && plain === true) || tag === '!'
        return this.#anchored(anchor, { is: 'scalar', value: value!, tag, implicit, line })
      }
      case '-':
        if (!indentless) return undefined
        return this.#sequence(anchor, tag, line, items => this.#indentlessItems(items))
      case '[':
        return this.#sequence(anchor, tag, line, items => this.#flowItems(items))
      case '{':
        return this.#mapping(anchor, tag, line, entries => this.#flowEntries(entries))
      case 'block sequence start':
        return block ? this.#sequence(anchor, tag, line, items => this.#blockItems(items)) : undefined
      case 'block mapping start':
        return block ? this.#mapping(anchor, tag, line, entries => this.#blockEntries(entries)) : undefined
      default:
        return undefined
    }
  }

  /** A collection can be referred to from within itself, so it is known before its members are. */
  #sequence(anchor: string | undefined, tag: string, line: number, fill: (items: Node[]) => void): Node {
    const node = this.#anchored(anchor, { is: 'sequence', items: [] as Node[], tag, line })
    fill(node.items)
    return node
  }

  #mapping(anchor: string | undefined, tag: string, line: number, fill: (entries: [Node, Node][]) => void): Node {
    const node = this.#anchored(anchor, { is: 'mapping', entries: [] as [Node, Node][], tag, line })
    fill(node.entries)
    return node
  }

  #nextIs(...types: readonly TokenType[]): boolean {
    return types.includes(this.#scanner.peek().type)
  }

  #blockItems(items: Node[]): void {
    const start = this.#scanner.take().mark
    while (this.#nextIs('-')) {
      this.#scanner.take()
      items.push(this.#nextIs('-', 'block end') ? this.#empty() : this.#node(true, false))
    }
    if (!this.#nextIs('block end'))
      throw parserProblem("did not find expected '-' indicator", this.#scanner.peek().mark, start)
    this.#scanner.take()
  }

  #indentlessItems(items: Node[]): void {
    while (this.#nextIs('-')) {
      this.#scanner.take()
      items.push(this.#nextIs('-', '?', ':', 'block end') ? this.#empty() : this.#node(true, false))
    }
  }

  #blockEntries(entries: [Node, Node][]): void {
    const start = this.#scanner.take().mark
    while (this.#nextIs('?')) {
      this.#scanner.take()
      const key = this.#blockPart()
      const hasValue = this.#nextIs(':')
      if (hasValue) this.#scanner.take()
      entries.push([key, hasValue ? this.#blockPart() : this.#empty()])
    }
    if (!this.#nextIs('block end')) throw parserProblem('did not find expected key', this.#scanner.peek().mark, start)
    this.#scanner.take()
  }

  #blockPart(): Node {
    return this.#nextIs('?', ':', 'block end') ? this.#empty() : this.#node(true, true)
  }

  #flowItems(items: Node[]): void {
    const start = this.#scanner.take().mark
    for (let first = true; !this.#nextIs(']'); first = false) {
      if (!first) this.#flowSeparator("did not find expected ',' or ']'", start)
      if (this.#nextIs('?')) items.push(this.#pair())
      else if (!this.#nextIs(']')) items.push(this.#node(false, false))
      else break
    }
    this.#scanner.take()
  }

  #flowSeparator(problem: string, start: Mark): void {
    if (!this.#nextIs(',')) throw parserProblem(problem, this.#scanner.peek().mark, start)
    this.#scanner.take()
  }

  /** `key: value` alone in a flow sequence. */
  #pair(): Node {
    const { line } = this.#scanner.take().mark
    const key = this.#nextIs(':', ',', ']') ? this.#skippedEmpty() : this.#node(false, false)
    const value = this.#flowValue(']')
    return { is: 'mapping', entries: [[key, value]], tag: '', line }
  }

  /** libyaml passes over the token that stands where the key is missing. */
  #skippedEmpty(): Node {
    const node = this.#empty()
    this.#scanner.take()
    return node
  }

  #flowValue(close: ']' | '}'): Node {
    if (!this.#nextIs(':')) return this.#empty()
    this.#scanner.take()
    return this.#nextIs(',', close) ? this.#empty() : this.#node(false, false)
  }

  #flowEntries(entries: [Node, Node][]): void {
    const start = this.#scanner.take().mark
    for (let first = true; !this.#nextIs('}'); first = false) {
      if (!first) this.#flowSeparator("did not find expected ',' or '}'", start)
      if (this.#nextIs('?')) {
        this.#scanner.take()
        const key = this.#nextIs(':', ',', '}') ? this.#empty() : this.#node(false, false)
        entries.push([key, this.#flowValue('}')])
      } else if (!this.#nextIs('}')) entries.push([this.#node(false, false), this.#empty()])
      else break
    }
    this.#scanner.take()
  }
}
