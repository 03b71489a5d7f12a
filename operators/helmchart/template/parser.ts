/** Builds the trees of a template's text: its own and one for each define and block in it. */
import { describeToken, Lexer, type Token, type TokenKind } from './lexer.ts'
import {
  type ChainNode,
  type CommandNode,
  type EndNode,
  isEmpty,
  type ListNode,
  type Node,
  type Operand,
  type PipeNode,
  sourceOf,
  type TemplateNode,
  type Tree,
  type VariableNode,
} from './nodes.ts'
import { parseNumberLiteral } from './numbers.ts'
import { quote, unquote } from './quote.ts'

export interface ParseRequest {
  readonly name: string
  readonly text: string
  readonly leftDelimiter: string
  readonly rightDelimiter: string
  readonly isFunction: (name: string) => boolean
}

/** The message of a mistake in a template, as Go writes it. */
export class ParseError extends Error {}

const maxNesting = 2000

/** All templates of a text, the one named like the text among them. Throws ParseError. */
export function parseTemplate(request: ParseRequest): Map<string, Tree> {
  const trees = new Map<string, Tree>()
  const lexer = new Lexer(request.text, request.leftDelimiter, request.rightDelimiter)
  new Parser(request, lexer, trees, request.name).parseAll()
  return trees
}

/** What a pipeline belongs to, as messages name it. */
type Context = 'command' | 'if' | 'range' | 'with' | 'parenthesized pipeline' | 'template clause' | 'block clause'

class Parser {
  readonly #request: ParseRequest
  readonly #lexer: Lexer
  readonly #trees: Map<string, Tree>
  #tree: Tree
  /** Lookahead: the last one is next. Its first is where errors are reported. */
  readonly #tokens: Token[] = []
  #pending = 0
  #variables: string[] = ['$']
  #actionLine = 0
  #rangeDepth = 0
  #nesting = 0

  constructor(request: ParseRequest, lexer: Lexer, trees: Map<string, Tree>, name: string) {
    this.#request = request
    this.#lexer = lexer
    this.#trees = trees
    this.#tree = this.#newTree(name)
  }

  #newTree(name: string): Tree {
    const tree = { name, parseName: this.#request.name, text: this.#request.text } as Tree
    tree.root = { kind: 'list', tree, position: 0, nodes: [] }
    return tree
  }

  parseAll(): void {
    const { nodes } = this.#tree.root
    while (this.#peek().kind !== 'eof') {
      if (this.#peek().kind === 'left') {
        const delimiter = this.#next()
        if (this.#nextNonSpace().kind === 'define') {
          new Parser(this.#request, this.#lexer, this.#trees, 'definition').#parseDefinition()
          continue
        }
        this.#backup2(delimiter)
      }
      const node = this.#textOrAction()
      if (node.kind === 'end' || node.kind === 'else') this.#fail(`unexpected ${sourceOf(node)}`)
      nodes.push(node)
    }
    this.#add()
  }

  #parseDefinition(): void {
    const token = this.#nextNonSpace()
    if (token.kind !== 'string' && token.kind !== 'raw string') this.#unexpected(token, 'define clause')
    this.#tree = this.#newTree(this.#unquote(token))
    this.#expect('right', 'define clause')
    this.#body('define clause')
  }

  #body(context: string): void {
    const [list, end] = this.#itemList()
    if (end.kind !== 'end') this.#fail(`unexpected ${sourceOf(end)} in ${context}`)
    this.#tree.root = list
    this.#add()
  }

  #add(): void {
    const before = this.#trees.get(this.#tree.name)
    if (!before || isEmpty(before.root)) this.#trees.set(this.#tree.name, this.#tree)
    else if (!isEmpty(this.#tree.root))
      this.#fail(`template: multiple definition of template ${quote(this.#tree.name)}`)
  }

  #next(): Token {
    if (this.#pending > 0) this.#pending--
    else this.#read()
    return this.#tokens[this.#pending]!
  }

  #peek(): Token {
    if (this.#pending > 0) return this.#tokens[this.#pending - 1]!
    this.#pending = 1
    this.#read()
    return this.#tokens[0]!
  }

  #read(): void {
    this.#tokens[0] = this.#lexer.next()
  }

  #backup(): void {
    this.#pending++
  }

  #backup2(token: Token): void {
    this.#tokens[1] = token
    this.#pending = 2
  }

  #backup3(first: Token, second: Token): void {
    this.#tokens[1] = second
    this.#tokens[2] = first
    this.#pending = 3
  }

  #nextNonSpace(): Token {
    for (;;) {
      const token = this.#next()
      if (token.kind !== 'space') return token
    }
  }

  #peekNonSpace(): Token {
    const token = this.#nextNonSpace()
    this.#backup()
    return token
  }

  #fail(message: string): never {
    throw new ParseError(`template: ${this.#request.name}:${this.#tokens[0]?.line ?? 0}: ${message}`)
  }

  #unexpected(token: Token, context: string): never {
    if (token.kind !== 'error') this.#fail(`unexpected ${describeToken(token)} in ${context}`)
    let extra = ''
    if (this.#actionLine !== 0 && this.#actionLine !== token.line) {
      extra = ` in action started at ${this.#request.name}:${this.#actionLine}`
      if (token.value.endsWith(' action')) extra = extra.slice(' in action'.length)
    }
    this.#fail(token.value + extra)
  }

  #expect(kind: TokenKind, context: string): Token {
    const token = this.#nextNonSpace()
    if (token.kind !== kind) this.#unexpected(token, context)
    return token
  }

  #unquote(token: Token): string {
    return unquote(token.value) ?? this.#fail('invalid syntax')
  }

  #itemList(): [ListNode, EndNode] {
    const list: ListNode = { kind: 'list', tree: this.#tree, position: this.#peekNonSpace().position, nodes: [] }
    while (this.#peekNonSpace().kind !== 'eof') {
      const node = this.#textOrAction()
      if (node.kind === 'end' || node.kind === 'else') return [list, node]
      list.nodes.push(node)
    }
    return this.#fail('unexpected EOF')
  }

  #textOrAction(): Node {
    const token = this.#nextNonSpace()
    if (token.kind === 'text') return { kind: 'text', tree: this.#tree, position: token.position, text: token.value }
    if (token.kind !== 'left') this.#unexpected(token, 'input')
    this.#actionLine = token.line
    const node = this.#action()
    this.#actionLine = 0
    return node
  }

  #action(): Node {
    const token = this.#nextNonSpace()
    switch (token.kind) {
      case 'block':
        return this.#block()
      case 'break':
      case 'continue':
        return this.#jump(token.kind, token)
      case 'else':
        return this.#else()
      case 'end':
        return { kind: 'end', tree: this.#tree, position: this.#expect('right', 'end').position }
      case 'if':
      case 'range':
      case 'with':
        return this.#branch(token.kind)
      case 'template':
        return this.#template()
    }
    this.#backup()
    const { position } = this.#peek()
    return { kind: 'action', tree: this.#tree, position, pipe: this.#pipeline('command', 'right') }
  }

  #jump(kind: 'break' | 'continue', { position }: Token): Node {
    const token = this.#nextNonSpace()
    if (token.kind !== 'right') this.#unexpected(token, `{{${kind}}}`)
    if (this.#rangeDepth === 0) this.#fail(`{{${kind}}} outside {{range}}`)
    return { kind, tree: this.#tree, position }
  }

  #branch(kind: 'if' | 'range' | 'with'): Node {
    const scope = this.#variables.length
    const pipe = this.#pipeline(kind, 'right')
    if (kind === 'range') this.#rangeDepth++
    const [list, end] = this.#itemList()
    if (kind === 'range') this.#rangeDepth--
    const elseList = end.kind === 'else' ? this.#elseList(kind, end) : undefined
    this.#variables.length = scope
    return { kind, tree: this.#tree, position: pipe.position, pipe, list, elseList }
  }

  /** "else if" inside if and "else with" inside with nest without an end of their own. */
  #elseList(kind: 'if' | 'range' | 'with', { position }: EndNode): ListNode {
    if (kind !== 'range' && this.#peek().kind === kind) {
      this.#next()
      return { kind: 'list', tree: this.#tree, position, nodes: [this.#branch(kind)] }
    }
    const [list, end] = this.#itemList()
    if (end.kind !== 'end') this.#fail(`expected end; found ${sourceOf(end)}`)
    return list
  }

  #else(): Node {
    const next = this.#peekNonSpace()
    const { position } = next.kind === 'if' || next.kind === 'with' ? next : this.#expect('right', 'else')
    return { kind: 'else', tree: this.#tree, position }
  }

  #block(): Node {
    const token = this.#nextNonSpace()
    const name = this.#templateName(token, 'block clause')
    const pipe = this.#pipeline('block clause', 'right')
    new Parser(this.#request, this.#lexer, this.#trees, name).#body('block clause')
    return { kind: 'template', tree: this.#tree, position: token.position, name, pipe }
  }

  #template(): TemplateNode {
    const token = this.#nextNonSpace()
    const name = this.#templateName(token, 'template clause')
    let pipe: PipeNode | undefined
    if (this.#nextNonSpace().kind !== 'right') {
      this.#backup()
      pipe = this.#pipeline('template clause', 'right')
    }
    return { kind: 'template', tree: this.#tree, position: token.position, name, pipe }
  }

  #templateName(token: Token, context: string): string {
    if (token.kind !== 'string' && token.kind !== 'raw string') this.#unexpected(token, context)
    return this.#unquote(token)
  }

  #pipeline(context: Context, end: 'right' | ')'): PipeNode {
    const { position } = this.#peekNonSpace()
    const { variables, isAssignment } = this.#declarations(context)
    const commands: CommandNode[] = []
    for (;;) {
      const token = this.#nextNonSpace()
      switch (token.kind) {
        case end:
          this.#checkPipeline(commands, context)
          return { kind: 'pipe', tree: this.#tree, position, isAssignment, variables, commands }
        case 'bool':
        case 'rune':
        case 'complex':
        case '.':
        case 'field':
        case 'identifier':
        case 'number':
        case 'nil':
        case 'raw string':
        case 'string':
        case 'variable':
        case '(':
          this.#backup()
          commands.push(this.#command())
          break
        default:
          this.#unexpected(token, context)
      }
    }
  }

  #declarations(context: Context): { variables: VariableNode[]; isAssignment: boolean } {
    const variables: VariableNode[] = []
    let isAssignment = false
    for (;;) {
      const token = this.#peekNonSpace()
      if (token.kind !== 'variable') break
      this.#next()
      const adjacent = this.#peek()
      const next = this.#peekNonSpace()
      const comma = next.kind === 'char' && next.value === ','
      if (next.kind !== '=' && next.kind !== ':=' && !comma) {
        if (adjacent.kind === 'space') this.#backup3(token, adjacent)
        else this.#backup2(token)
        break
      }
      if (!comma) isAssignment = next.kind === '='
      this.#nextNonSpace()
      variables.push(this.#variable(token.position, token.value))
      this.#variables.push(token.value)
      if (!comma) break
      if (context !== 'range' || variables.length > 1) this.#fail(`too many declarations in ${context}`)
      const { kind } = this.#peekNonSpace()
      if (kind !== 'variable' && kind !== 'right' && kind !== ')') this.#fail('range can only initialize variables')
    }
    return { variables, isAssignment }
  }

  #checkPipeline(commands: readonly CommandNode[], context: Context): void {
    if (commands.length === 0) this.#fail(`missing value for ${context}`)
    for (const [index, { operands }] of commands.entries())
      if (index > 0 && ['bool', 'dot', 'nil', 'number', 'string'].includes(operands[0]!.kind))
        this.#fail(`non executable command in pipeline stage ${index + 1}`)
  }

  #command(): CommandNode {
    const { position } = this.#peekNonSpace()
    const operands: Operand[] = []
    for (;;) {
      this.#peekNonSpace()
      const operand = this.#operand()
      if (operand) operands.push(operand)
      const token = this.#next()
      if (token.kind === 'space') continue
      if (token.kind === 'right' || token.kind === ')') this.#backup()
      else if (token.kind !== '|') this.#unexpected(token, 'operand')
      break
    }
    if (operands.length === 0) this.#fail('empty command')
    return { kind: 'command', tree: this.#tree, position, operands }
  }

  #operand(): Operand | undefined {
    const node = this.#term()
    if (!node || this.#peek().kind !== 'field') return node
    const { position } = this.#peek()
    const names: string[] = []
    while (this.#peek().kind === 'field') names.push(this.#next().value.slice(1))
    switch (node.kind) {
      case 'field':
      case 'variable':
        return { ...node, position, names: [...node.names, ...names] }
      case 'bool':
      case 'string':
      case 'number':
      case 'nil':
      case 'dot':
        return this.#fail(`unexpected . after term ${quote(sourceOf(node))}`)
      default:
        return { kind: 'chain', tree: this.#tree, position, node, names } satisfies ChainNode
    }
  }

  #term(): Operand | undefined {
    const token = this.#nextNonSpace()
    const place = { tree: this.#tree, position: token.position }
    switch (token.kind) {
      case 'identifier':
        if (!this.#request.isFunction(token.value)) this.#fail(`function ${quote(token.value)} not defined`)
        return { kind: 'identifier', ...place, name: token.value }
      case '.':
        return { kind: 'dot', ...place }
      case 'nil':
        return { kind: 'nil', ...place }
      case 'variable':
        return this.#knownVariable(token)
      case 'field':
        return { kind: 'field', ...place, names: [token.value.slice(1)] }
      case 'bool':
        return { kind: 'bool', ...place, value: token.value === 'true' }
      case 'rune':
      case 'complex':
      case 'number': {
        const number = parseNumberLiteral(token.value, token.kind)
        if (typeof number === 'string') this.#fail(number)
        return { kind: 'number', ...place, text: token.value, ...number }
      }
      case '(':
        return this.#parenthesized()
      case 'string':
      case 'raw string':
        return { kind: 'string', ...place, quoted: token.value, value: this.#unquote(token) }
    }
    this.#backup()
    return undefined
  }

  #parenthesized(): PipeNode {
    if (this.#nesting >= maxNesting) this.#fail('max expression depth exceeded')
    this.#nesting++
    const pipe = this.#pipeline('parenthesized pipeline', ')')
    this.#nesting--
    return pipe
  }

  #variable(position: number, name: string): VariableNode {
    return { kind: 'variable', tree: this.#tree, position, names: [name] }
  }

  #knownVariable({ position, value }: Token): VariableNode {
    if (!this.#variables.includes(value)) this.#fail(`undefined variable ${quote(value)}`)
    return this.#variable(position, value)
  }
}
