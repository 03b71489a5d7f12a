/** The tree of a parsed template, and how error messages write its nodes. */
import { quote } from './quote.ts'

/** One named template. Nodes remember theirs, for the place an error message names. */
export interface Tree {
  readonly name: string
  /** The template whose text this one was defined in. */
  readonly parseName: string
  readonly text: string
  root: ListNode
}

interface Place {
  readonly tree: Tree
  readonly position: number
}

export type ListNode = Place & { readonly kind: 'list'; readonly nodes: Node[] }
export type TextNode = Place & { readonly kind: 'text'; readonly text: string }
export type ActionNode = Place & { readonly kind: 'action'; readonly pipe: PipeNode }
export type BranchNode = Place & {
  readonly kind: 'if' | 'range' | 'with'
  readonly pipe: PipeNode
  readonly list: ListNode
  readonly elseList: ListNode | undefined
}
export type JumpNode = Place & { readonly kind: 'break' | 'continue' }
export type TemplateNode = Place & {
  readonly kind: 'template'
  readonly name: string
  readonly pipe: PipeNode | undefined
}
export type EndNode = Place & { readonly kind: 'end' | 'else' }

export type PipeNode = Place & {
  readonly kind: 'pipe'
  readonly isAssignment: boolean
  readonly variables: readonly VariableNode[]
  readonly commands: readonly CommandNode[]
}
export type CommandNode = Place & { readonly kind: 'command'; readonly operands: readonly Operand[] }

export type IdentifierNode = Place & { readonly kind: 'identifier'; readonly name: string }
/** names[0] is the variable, the others are fields. */
export type VariableNode = Place & { readonly kind: 'variable'; readonly names: readonly string[] }
export type FieldNode = Place & { readonly kind: 'field'; readonly names: readonly string[] }
export type ChainNode = Place & { readonly kind: 'chain'; readonly node: Operand; readonly names: readonly string[] }
export type DotNode = Place & { readonly kind: 'dot' }
export type NilNode = Place & { readonly kind: 'nil' }
export type BoolNode = Place & { readonly kind: 'bool'; readonly value: boolean }
export type StringNode = Place & { readonly kind: 'string'; readonly quoted: string; readonly value: string }
/** A number can serve as each of the types it fits. */
export type NumberNode = Place & {
  readonly kind: 'number'
  readonly text: string
  readonly int: bigint | undefined
  readonly uint: bigint | undefined
  readonly float: number | undefined
}

export type Operand =
  | IdentifierNode
  | VariableNode
  | FieldNode
  | ChainNode
  | DotNode
  | NilNode
  | BoolNode
  | StringNode
  | NumberNode
  | PipeNode

export type Node = ListNode | TextNode | ActionNode | BranchNode | JumpNode | TemplateNode | EndNode
export type AnyNode = Node | CommandNode | Operand

/** The source of a node as Go writes it back. */
export function sourceOf(node: AnyNode): string {
  switch (node.kind) {
    case 'list':
      return node.nodes.map(sourceOf).join('')
    case 'text':
      return node.text
    case 'action':
      return `{{${sourceOf(node.pipe)}}}`
    case 'if':
    case 'range':
    case 'with':
      return sourceOfBranch(node)
    case 'break':
    case 'continue':
    case 'end':
    case 'else':
      return `{{${node.kind}}}`
    case 'template':
      return `{{template ${quote(node.name)}${node.pipe ? ` ${sourceOf(node.pipe)}` : ''}}}`
    case 'pipe':
      return sourceOfPipe(node)
    case 'command':
      return node.operands.map(sourceOfOperand).join(' ')
    default:
      return sourceOfTerm(node)
  }
}

function sourceOfBranch(node: BranchNode): string {
  const otherwise = node.elseList ? `{{else}}${sourceOf(node.elseList)}` : ''
  return `{{${node.kind} ${sourceOf(node.pipe)}}}${sourceOf(node.list)}${otherwise}{{end}}`
}

function sourceOfPipe(node: PipeNode): string {
  const variables = node.variables.map(sourceOf).join(', ')
  const declaration = variables ? `${variables} ${node.isAssignment ? '=' : ':='} ` : ''
  return declaration + node.commands.map(sourceOf).join(' | ')
}

function sourceOfOperand(node: Operand): string {
  return node.kind === 'pipe' ? `(${sourceOfPipe(node)})` : sourceOf(node)
}

function sourceOfTerm(node: Exclude<Operand, PipeNode>): string {
  switch (node.kind) {
    case 'identifier':
      return node.name
    case 'variable':
      return node.names.join('.')
    case 'field':
      return `.${node.names.join('.')}`
    case 'chain':
      return `${sourceOfOperand(node.node)}.${node.names.join('.')}`
    case 'dot':
      return '.'
    case 'nil':
      return 'nil'
    case 'bool':
      return String(node.value)
    case 'string':
      return node.quoted
    case 'number':
      return node.text
  }
}

/** Whether there is nothing but space and comments, so that the template does not replace another. */
export function isEmpty(node: Node): boolean {
  if (node.kind === 'list') return node.nodes.every(isEmpty)
  return node.kind === 'text' && node.text.trim() === ''
}
