/** Builds the trees of a template's text: its own and one for each define and block in it. */
import { Lexer, type Token } from './lexer.ts'
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
import { quote } from './quote.ts'
import { Tokens } from './tokens.ts'

export interface ParseRequest {
  readonly name: string
  readonly text: string
  readonly leftDelimiter: string
  readonly rightDelimiter: string
  readonly isFunction: (name: string) => boolean
}

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
  readonly #tokens: Tokens
  #variables: string[] = ['$']
  #rangeDepth = 0
  #nesting = 0

  constructor(request: ParseRequest, lexer: Lexer, trees: Map<string, Tree>, name: string) {
    this.#request = request
    this.#lexer = lexer
    this.#trees = trees
    this.#tree = this.#newTree(name)
    this.#tokens = new Tokens(lexer, request.name)
  }

  #newTree(name: string): Tree {
    const tree = { name, parseName: this.#request.name, text: this.#request.text } as Tree
    tree.root = { kind: 'list', tree, position: 0, nodes: [] }
    return tree
  }

  parseAll(): void {
    const { nodes } = this.#tree.root
    while (this.#tokens.peek().kind !== 'eof') {
      if (this.#tokens.peek().kind === 'left') {
        const delimiter = this.#tokens.next()
        if (this.#tokens.nextNonSpace().kind === 'define') {
          new Parser(this.#request, this.#lexer, this.#trees, 'definition').#parseDefinition()
          continue
        }
        this.#tokens.backup2(delimiter)
      }
      const node = this.#textOrAction()
      if (node.kind === 'end' || node.kind === 'else') this.#tokens.fail(`unexpected ${sourceOf(node)}`)
      nodes.push(node)
    }
    this.#add()
  }

  #parseDefinition(): void {
    const token = this.#tokens.nextNonSpace()
    if (token.kind !== 'string' && token.kind !== 'raw string') this.#tokens.unexpected(token, 'define clause')
    this.#tree = this.#newTree(this.#tokens.unquote(token))
    this.#tokens.expect('right', 'define clause')
    this.#body('define clause')
  }

  #body(context: string): void {
    const [list, end] = this.#itemList()
    if (end.kind !== 'end') this.#tokens.fail(`unexpected ${sourceOf(end)} in ${context}`)
    this.#tree.root = list
    this.#add()
  }

  #add(): void {
    const before = this.#trees.get(this.#tree.name)
    if (!before || isEmpty(before.root)) this.#trees.set(this.#tree.name, this.#tree)
    else if (!isEmpty(this.#tree.root))
      this.#tokens.fail(`template: multiple definition of template ${quote(this.#tree.name)}`)
  }

  #itemList(): [ListNode, EndNode] {
    const list: ListNode = { kind: 'list', tree: this.#tree, position: this.#tokens.peekNonSpace().position, nodes: [] }
    while (this.#tokens.peekNonSpace().kind !== 'eof') {
      const node = this.#textOrAction()
      if (node.kind === 'end' || node.kind === 'else') return [list, node]
      list.nodes.push(node)
    }
    return this.#tokens.fail('unexpected EOF')
  }

  #textOrAction(): Node {
    const token = this.#tokens.nextNonSpace()
    if (token.kind === 'text') return { kind: 'text', tree: this.#tree, position: token.position, text: token.value }
    if (token.kind !== 'left') this.#tokens.unexpected(token, 'input')
    this.#tokens.actionLine = token.line
    const node = this.#action()
    this.#tokens.actionLine = 0
    return node
  }

  #action(): Node {
    const token = this.#tokens.nextNonSpace()
    switch (token.kind) {
      case 'block':
        return this.#block()
      case 'break':
      case 'continue':
        return this.#jump(token.kind, token)
      case 'else':
        return this.#else()
      case 'end':
        return { kind: 'end', tree: this.#tree, position: this.#tokens.expect('right', 'end').position }
      case 'if':
      case 'range':
      case 'with':
        return this.#branch(token.kind)
      case 'template':
        return this.#template()
    }
    this.#tokens.backup()
    const { position } = this.#tokens.peek()
    return { kind: 'action', tree: this.#tree, position, pipe: this.#pipeline('command', 'right') }
  }

  #jump(kind: 'break' | 'continue', { position }: Token): Node {
    const token = this.#tokens.nextNonSpace()
    if (token.kind !== 'right') this.#tokens.unexpected(token, `{{${kind}}}`)
    if (this.#rangeDepth === 0) this.#tokens.fail(`{{${kind}}} outside {{range}}`)
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
    if (kind !== 'range' && this.#tokens.peek().kind === kind) {
      this.#tokens.next()
      return { kind: 'list', tree: this.#tree, position, nodes: [this.#branch(kind)] }
    }
    const [list, end] = this.#itemList()
    if (end.kind !== 'end') this.#tokens.fail(`expected end; found ${sourceOf(end)}`)
    return list
  }

  #else(): Node {
    const next = this.#tokens.peekNonSpace()
    const { position } = next.kind === 'if' || next.kind === 'with' ? next : this.#tokens.expect('right', 'else')
    return { kind: 'else', tree: this.#tree, position }
  }

  #block(): Node {
    const token = this.#tokens.nextNonSpace()
    const name = this.#templateName(token, 'block clause')
    const pipe = this.#pipeline('block clause', 'right')
    new Parser(this.#request, this.#lexer, this.#trees, name).#body('block clause')
    return { kind: 'template', tree: this.#tree, position: token.position, name, pipe }
  }

  #template(): TemplateNode {
    const token = this.#tokens.nextNonSpace()
    const name = this.#templateName(token, 'template clause')
    let pipe: PipeNode | undefined
    if (this.#tokens.nextNonSpace().kind !== 'right') {
      this.#tokens.backup()
      pipe = this.#pipeline('template clause', 'right')
    }
    return { kind: 'template', tree: this.#tree, position: token.position, name, pipe }
  }

  #templateName(token: Token, context: string): string {
    if (token.kind !== 'string' && token.kind !== 'raw string') this.#tokens.unexpected(token, context)
    return this.#tokens.unquote(token)
  }

  #pipeline(context: Context, end: 'right' | ')'): PipeNode {
    const { position } = this.#tokens.peekNonSpace()
    const { variables, isAssignment } = this.#declarations(context)
    const commands: CommandNode[] = []
    for (;;) {
      const token = this.#tokens.nextNonSpace()
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
          this.#tokens.backup()
          commands.push(this.#command())
          break
        default:
          this.#tokens.unexpected(token, context)
      }
    }
  }

  #declarations(context: Context): { variables: VariableNode[]; isAssignment: boolean } {
    const variables: VariableNode[] = []
    let isAssignment = false
    for (;;) {
      const token = this.#tokens.peekNonSpace()
      if (token.kind !== 'variable') break
      this.#tokens.next()
      const adjacent = this.#tokens.peek()
      const next = this.#tokens.peekNonSpace()
      const comma = next.kind === 'char' && next.value === ','
      if (next.kind !== '=' && next.kind !== ':=' && !comma) {
        if (adjacent.kind === 'space') this.#tokens.backup3(token, adjacent)
        else this.#tokens.backup2(token)
        break
      }
      if (!comma) isAssignment = next.kind === '='
      this.#tokens.nextNonSpace()
      variables.push(this.#variable(token.position, token.value))
      this.#variables.push(token.value)
      if (!comma) break
      if (context !== 'range' || variables.length > 1) this.#tokens.fail(`too many declarations in ${context}`)
      const { kind } = this.#tokens.peekNonSpace()
      if (kind !== 'variable' && kind !== 'right' && kind !== ')')
        this.#tokens.fail('range can only initialize variables')
    }
    return { variables, isAssignment }
  }

  #checkPipeline(commands: readonly CommandNode[], context: Context): void {
    if (commands.length === 0) this.#tokens.fail(`missing value for ${context}`)
    for (const [index, { operands }] of commands.entries())
      if (index > 0 && ['bool', 'dot', 'nil', 'number', 'string'].includes(operands[0]!.kind))
        this.#tokens.fail(`non executable command in pipeline stage ${index + 1}`)
  }

  #command(): CommandNode {
    const { position } = this.#tokens.peekNonSpace()
    const operands: Operand[] = []
    for (;;) {
      this.#tokens.peekNonSpace()
      const operand = this.#operand()
      if (operand) operands.push(operand)
      const token = this.#tokens.next()
      if (token.kind === 'space') continue
      if (token.kind === 'right' || token.kind === ')') this.#tokens.backup()
      else if (token.kind !== '|') this.#tokens.unexpected(token, 'operand')
      break
    }
    if (operands.length === 0) this.#tokens.fail('empty command')
    return { kind: 'command', tree: this.#tree, position, operands }
  }

  #operand(): Operand | undefined {
    const node = this.#term()
    if (!node || this.#tokens.peek().kind !== 'field') return node
    const { position } = this.#tokens.peek()
    const names: string[] = []
    while (this.#tokens.peek().kind === 'field') names.push(this.#tokens.next().value.slice(1))
    switch (node.kind) {
      case 'field':
      case 'variable':
        return { ...node, position, names: [...node.names, ...names] }
      case 'bool':
      case 'string':
      case 'number':
      case 'nil':
      case 'dot':
        return this.#tokens.fail(`unexpected . after term ${quote(sourceOf(node))}`)
      default:
        return { kind: 'chain', tree: this.#tree, position, node, names } satisfies ChainNode
    }
  }

  #term(): Operand | undefined {
    const token = this.#tokens.nextNonSpace()
    const place = { tree: this.#tree, position: token.position }
    switch (token.kind) {
      case 'identifier':
        if (!this.#request.isFunction(token.value)) this.#tokens.fail(`function ${quote(token.value)} not defined`)
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
        if (typeof number === 'string') this.#tokens.fail(number)
        return { kind: 'number', ...place, text: token.value, ...number }
      }
      case '(':
        return this.#parenthesized()
      case 'string':
      case 'raw string':
        return { kind: 'string', ...place, quoted: token.value, value: this.#tokens.unquote(token) }
    }
    this.#tokens.backup()
    return undefined
  }

  #parenthesized(): PipeNode {
    if (this.#nesting >= maxNesting) this.#tokens.fail('max expression depth exceeded')
    this.#nesting++
    const pipe = this.#pipeline('parenthesized pipeline', ')')
    this.#nesting--
    return pipe
  }

  #variable(position: number, name: string): VariableNode {
    return { kind: 'variable', tree: this.#tree, position, names: [name] }
  }

  #knownVariable({ position, value }: Token): VariableNode {
    if (!this.#variables.includes(value)) this.#tokens.fail(`undefined variable ${quote(value)}`)
    return this.#variable(position, value)
  }
}
