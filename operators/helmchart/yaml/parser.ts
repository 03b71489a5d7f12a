/** Builds the nodes of a YAML document out of tokens, with libyaml's messages. */
import { type Mark, YamlSyntaxError } from './cursor.ts'
import { Scanner, type Token } from './scanner.ts'

interface Place {
  readonly line: number
  readonly tag: string
}

export type YamlNode =
  | (Place & { readonly kind: 'scalar'; readonly value: string; readonly plain: boolean })
  | (Place & { readonly kind: 'sequence'; readonly items: readonly YamlNode[] })
  | (Place & { readonly kind: 'mapping'; readonly entries: readonly (readonly [YamlNode, YamlNode])[] })
  | (Place & { readonly kind: 'alias'; readonly name: string; readonly target: YamlNode })

/** The first document of a text; undefined when there is none. Throws YamlSyntaxError. */
export function parseDocument(text: string): YamlNode | undefined {
  return new Parser(text).document()
}

class Parser {
  readonly #scanner: Scanner
  readonly #anchors = new Map<string, YamlNode>()
  readonly #handles = new Map([
    ['!', '!'],
    ['!!', 'tag:yaml.org,2002:'],
  ])

  constructor(text: string) {
    this.#scanner = new Scanner(text)
  }

  document(): YamlNode | undefined {
    const first = this.#scanner.peek()
    if (first.kind === 'stream end') return undefined
    if (first.kind !== 'directive' && first.kind !== 'document start') return this.#contents(this.#node(true, false))
    this.#directives()
    const start = this.#scanner.next()
    if (start.kind !== 'document start') fail('did not find expected <document start>', start.start)
    const { kind } = this.#scanner.peek()
    if (kind === 'directive' || kind === 'document start' || kind === 'document end' || kind === 'stream end')
      return empty(this.#scanner.peek().start)
    return this.#contents(this.#node(true, false))
  }

  /** What follows the document's only node has to end it. */
  #contents(node: YamlNode): YamlNode {
    this.#scanner.peek()
    return node
  }

  #directives(): void {
    let version = false
    while (this.#scanner.peek().kind === 'directive') {
      const { value, start } = this.#scanner.next()
      const tag = /^%TAG[ \t]+(![\w-]*!?)[ \t]+(\S+)/.exec(value)
      if (tag) this.#handles.set(tag[1]!, tag[2]!)
      else {
        if (version) fail('found duplicate %YAML directive', start)
        if (!/^%YAML[ \t]+1\.1[ \t]*(?:#.*)?$/.test(value)) fail('found incompatible YAML document', start)
        version = true
      }
    }
  }

  #node(block: boolean, indentless: boolean): YamlNode {
    const first = this.#scanner.peek()
    if (first.kind === 'alias') return this.#alias(this.#scanner.next())
    const { tag, anchor } = this.#properties()
    const token = this.#scanner.peek()
    const node = this.#content(token, first.start, tag, block, indentless, anchor !== undefined)
    if (anchor !== undefined) this.#anchors.set(anchor, node)
    return node
  }

  #alias({ value, start }: Token): YamlNode {
    const target = this.#anchors.get(value)
    if (!target) throw new YamlSyntaxError(`unknown anchor '${value}' referenced`)
    return { kind: 'alias', line: start.line, tag: '', name: value, target }
  }

  #properties(): { tag: string; anchor: string | undefined } {
    let tag = ''
    let anchor: string | undefined
    const start = this.#scanner.peek().start
    const seen = new Set<string>()
    for (;;) {
      const { kind } = this.#scanner.peek()
      if ((kind !== 'anchor' && kind !== 'tag') || seen.has(kind)) return { tag, anchor }
      seen.add(kind)
      const token = this.#scanner.next()
      if (kind === 'anchor') anchor = token.value
      else tag = this.#tag(token, start)
    }
  }

  #tag(token: Token, context: Mark): string {
    if (token.handle === '') return token.value
    const prefix = this.#handles.get(token.handle!)
    if (prefix === undefined) fail('found undefined tag handle', token.start, context)
    return prefix + token.value
  }

  #content(token: Token, start: Mark, tag: string, block: boolean, indentless: boolean, anchored: boolean): YamlNode {
    const place = { line: start.line, tag }
    if (indentless && token.kind === '-') return { kind: 'sequence', ...place, items: this.#indentlessItems() }
    switch (token.kind) {
      case 'scalar':
        this.#scanner.next()
        return {
          kind: 'scalar',
          ...place,
          value: token.value,
          plain: tag === '!' || (tag === '' && token.plain === true),
        }
      case '[':
        return { kind: 'sequence', ...place, items: this.#flowItems() }
      case '{':
        return { kind: 'mapping', ...place, entries: this.#flowEntries() }
      case 'block sequence start':
        if (block) return { kind: 'sequence', ...place, items: this.#blockItems() }
        break
      case 'block mapping start':
        if (block) return { kind: 'mapping', ...place, entries: this.#blockEntries() }
    }
    if (anchored || tag !== '') return { kind: 'scalar', ...place, value: '', plain: tag === '' }
    return fail('did not find expected node content', token.start, start)
  }

  #blockItems(): YamlNode[] {
    const { start } = this.#scanner.next()
    const items: YamlNode[] = []
    for (;;) {
      const token = this.#scanner.next()
      if (token.kind === 'block end') return items
      if (token.kind !== '-') fail("did not find expected '-' indicator", token.start, start)
      const { kind } = this.#scanner.peek()
      items.push(kind === '-' || kind === 'block end' ? empty(token.start) : this.#node(true, false))
    }
  }

  #indentlessItems(): YamlNode[] {
    const items: YamlNode[] = []
    while (this.#scanner.peek().kind === '-') {
      const { start } = this.#scanner.next()
      const { kind } = this.#scanner.peek()
      const none = kind === '-' || kind === 'key' || kind === 'value' || kind === 'block end'
      items.push(none ? empty(start) : this.#node(true, false))
    }
    return items
  }

  #blockEntries(): (readonly [YamlNode, YamlNode])[] {
    const { start } = this.#scanner.next()
    const entries: (readonly [YamlNode, YamlNode])[] = []
    for (;;) {
      const token = this.#scanner.peek()
      if (token.kind === 'block end') {
        this.#scanner.next()
        return entries
      }
      if (token.kind !== 'key') fail('did not find expected key', token.start, start)
      this.#scanner.next()
      const key = this.#blockPart(token.start)
      entries.push([key, this.#blockValue()])
    }
  }

  #blockValue(): YamlNode {
    const token = this.#scanner.peek()
    if (token.kind !== 'value') return empty(token.start)
    this.#scanner.next()
    return this.#blockPart(token.start)
  }

  #blockPart(mark: Mark): YamlNode {
    const { kind } = this.#scanner.peek()
    return kind === 'key' || kind === 'value' || kind === 'block end' ? empty(mark) : this.#node(true, true)
  }

  #flowItems(): YamlNode[] {
    const { start } = this.#scanner.next()
    const items: YamlNode[] = []
    for (let first = true; this.#scanner.peek().kind !== ']'; first = false) {
      if (!first && this.#separated(']', "did not find expected ',' or ']'", start)) break
      items.push(this.#scanner.peek().kind === 'key' ? this.#flowPair() : this.#node(false, false))
    }
    this.#scanner.next()
    return items
  }

  /** Takes the comma between two items; true when the collection ends after it. */
  #separated(end: ']' | '}', problem: string, start: Mark): boolean {
    const token = this.#scanner.peek()
    if (token.kind !== ',') fail(problem, token.start, start)
    this.#scanner.next()
    return this.#scanner.peek().kind === end
  }

  /** A map of one entry inside of [ ]. */
  #flowPair(): YamlNode {
    const { start } = this.#scanner.next()
    const key = this.#flowPart(['value', ',', ']'])
    return { kind: 'mapping', line: start.line, tag: '', entries: [[key, this.#flowValue(']')]] }
  }

  #flowEntries(): (readonly [YamlNode, YamlNode])[] {
    const { start } = this.#scanner.next()
    const entries: (readonly [YamlNode, YamlNode])[] = []
    for (let first = true; this.#scanner.peek().kind !== '}'; first = false) {
      if (!first && this.#separated('}', "did not find expected ',' or '}'", start)) break
      if (this.#scanner.peek().kind === 'key') {
        this.#scanner.next()
        const key = this.#flowPart(['value', ',', '}'])
        entries.push([key, this.#flowValue('}')])
      } else {
        const key = this.#node(false, false)
        entries.push([key, empty(this.#scanner.peek().start)])
      }
    }
    this.#scanner.next()
    return entries
  }

  #flowValue(end: ']' | '}'): YamlNode {
    const token = this.#scanner.peek()
    if (token.kind !== 'value') return empty(token.start)
    this.#scanner.next()
    return this.#flowPart([',', end])
  }

  #flowPart(enders: readonly string[]): YamlNode {
    const token = this.#scanner.peek()
    return enders.includes(token.kind) ? empty(token.start) : this.#node(false, false)
  }
}

function empty({ line }: Mark): YamlNode {
  return { kind: 'scalar', line, tag: '', value: '', plain: true }
}

/** Unlike those of the scanner, lines of the parser's problems are counted from 0. */
function fail(problem: string, mark: Mark, context?: Mark): never {
  const line = mark.line || (context?.line ?? 0)
  throw new YamlSyntaxError(line !== 0 ? `line ${line}: ${problem}` : problem)
}
