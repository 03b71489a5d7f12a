/** Runs a parsed template: walks its tree as text/template does, so that errors name the same node. */
import { byteLength } from './bytes.ts'
import { type CallSite, callFunction, missing } from './call.ts'
import { TemplateError } from './errors.ts'
import { display } from './format.ts'
import type { GoFunction } from './functions.ts'
import { itemsOf } from './iteration.ts'
import type {
  AnyNode,
  BranchNode,
  ChainNode,
  CommandNode,
  FieldNode,
  ListNode,
  Node,
  NumberNode,
  Operand,
  PipeNode,
  TemplateNode,
  Tree,
  VariableNode,
} from './nodes.ts'
import { sourceOf } from './nodes.ts'
import { quote } from './quote.ts'
import { isTrue } from './truth.ts'
import {
  annotationOf,
  entry,
  GoInteger,
  type GoMap,
  GoStruct,
  type GoValue,
  isMap,
  typeOf,
  types,
  zeroOf,
} from './values.ts'

/** What an execution needs of the set of templates it runs in. */
export interface Environment {
  readonly missingKey: 'default' | 'zero' | 'error'
  template(name: string): Tree | undefined
  function(name: string): { readonly function: GoFunction; readonly builtin: boolean } | undefined
}

/** A value and whether it is seen through an interface: it decides which type an error message names. */
interface Variable {
  readonly name: string
  value: GoValue
  wrapped: boolean
}

type Jump = 'break' | 'continue' | undefined

const maxDepth = 100_000

/** Runs a template with `data` as dot. Throws TemplateError. */
export function executeTree(tree: Tree, data: GoValue, environment: Environment): string {
  // nil as data is no value at all.
  const run = new Execution(tree, data ?? undefined, environment, 0)
  run.list(tree.root)
  return run.output()
}

export class Execution implements CallSite {
  readonly #tree: Tree
  readonly #environment: Environment
  readonly #variables: Variable[]
  readonly #depth: number
  #dot: GoValue
  #dotWrapped = false
  /** The node errors are reported at. */
  #node: AnyNode | undefined
  #out = ''
  /** Whether the last field read came out of a container of interfaces. */
  #wrapped = false

  constructor(tree: Tree, data: GoValue, environment: Environment, depth: number) {
    this.#tree = tree
    this.#environment = environment
    this.#depth = depth
    this.#dot = data
    this.#variables = [{ name: '$', value: data, wrapped: false }]
  }

  output(): string {
    return this.#out
  }

  fail(message: string, cause?: unknown): never {
    const { name } = this.#tree
    const node = this.#node
    const place = node ? `${locationOf(node)}: executing ${quote(name)} at <${sourceOf(node)}>` : name
    throw new TemplateError(`template: ${place}: ${message}`, cause === undefined ? {} : { cause })
  }

  at(node: AnyNode): void {
    this.#node = node
  }

  list(list: ListNode): Jump {
    this.#node = list
    for (const node of list.nodes) {
      const jump = this.#walk(node)
      if (jump) return jump
    }
    return undefined
  }

  #walk(node: Node): Jump {
    this.#node = node
    switch (node.kind) {
      case 'text':
        this.#out += node.text
        return undefined
      case 'action': {
        const value = this.pipeline(node.pipe)
        if (node.pipe.variables.length === 0) {
          this.#node = node
          this.#out += value === undefined ? '<no value>' : display(value)
        }
        return undefined
      }
      case 'if':
      case 'with':
        return this.#ifOrWith(node)
      case 'range':
        return this.#range(node)
      case 'template':
        this.#template(node)
        return undefined
      case 'list':
        return this.list(node)
      case 'break':
      case 'continue':
        return node.kind
      default:
        return this.fail(`unknown node: ${sourceOf(node)}`)
    }
  }

  #ifOrWith(node: BranchNode): Jump {
    const mark = this.#variables.length
    const value = this.pipeline(node.pipe)
    let jump: Jump
    if (!isTrue(value)) jump = node.elseList && this.list(node.elseList)
    else if (node.kind === 'with') jump = this.#withDot(value, false, node.list)
    else jump = this.list(node.list)
    this.#variables.length = mark
    return jump
  }

  #withDot(value: GoValue, wrapped: boolean, list: ListNode): Jump {
    const [dot, dotWrapped] = [this.#dot, this.#dotWrapped]
    this.#dot = value
    this.#dotWrapped = wrapped
    const jump = this.list(list)
    this.#dot = dot
    this.#dotWrapped = dotWrapped
    return jump
  }

  #range(node: BranchNode): Jump {
    const mark = this.#variables.length
    const jump = this.#iterate(node, this.pipeline(node.pipe))
    this.#variables.length = mark
    return jump
  }

  #iterate(node: BranchNode, value: GoValue): Jump {
    const items = itemsOf(value, node.pipe.variables.length)
    if (typeof items === 'string') this.fail(items)
    let empty = true
    const mark = this.#variables.length
    for (const [index, item, wrapped] of items) {
      empty = false
      this.#setRangeVariables(node.pipe, index, item, wrapped)
      const jump = this.#withDot(item, wrapped, node.list)
      this.#variables.length = mark
      if (jump === 'break') return undefined
    }
    return empty && node.elseList ? this.list(node.elseList) : undefined
  }

  #setRangeVariables({ variables, isAssignment }: PipeNode, index: GoValue, item: GoValue, wrapped: boolean): void {
    if (variables.length === 0) return
    if (isAssignment) {
      const [first, second] = variables
      if (second) {
        this.#assign(first!.names[0]!, index, false)
        this.#assign(second.names[0]!, item, wrapped)
      } else this.#assign(first!.names[0]!, item, wrapped)
      return
    }
    const top = this.#variables.length
    Object.assign(this.#variables[top - 1]!, { value: item, wrapped })
    if (variables.length > 1) Object.assign(this.#variables[top - 2]!, { value: index, wrapped: false })
  }

  #template(node: TemplateNode): void {
    const tree = this.#environment.template(node.name)
    if (!tree) this.fail(`template ${quote(node.name)} not defined`)
    if (this.#depth >= maxDepth) this.fail(`exceeded maximum template depth (${maxDepth})`)
    const data = node.pipe ? this.pipeline(node.pipe) : undefined
    const run = new Execution(tree, data, this.#environment, this.#depth + 1)
    this.#within(node, () => run.list(tree.root))
    this.#out += run.#out
  }

  /** The stack ends long before Go's limit: the innermost template that has room left reports it. */
  #within(node: TemplateNode, run: () => unknown): void {
    try {
      run()
    } catch (error) {
      if (!(error instanceof RangeError && /call stack/.test(error.message))) throw error
      this.#node = node
      this.fail(`exceeded maximum template depth (${maxDepth})`)
    }
  }

  pipeline(pipe: PipeNode): GoValue {
    this.#node = pipe
    let value: GoValue = missing
    for (const command of pipe.commands) {
      value = this.#command(command, value)
      // Out of the interface: nil becomes no value.
      if (value === null) value = undefined
    }
    for (const variable of pipe.variables) {
      const name = variable.names[0]!
      if (pipe.isAssignment) this.#assign(name, value, false)
      else this.#variables.push({ name, value, wrapped: false })
    }
    return value
  }

  #variable(name: string): Variable {
    const found = this.#variables.findLast(variable => variable.name === name)
    return found ?? this.fail(`undefined variable: ${name}`)
  }

  #assign(name: string, value: GoValue, wrapped: boolean): void {
    Object.assign(this.#variable(name), { value, wrapped })
  }

  #notAFunction(operands: readonly Operand[], final: GoValue): void {
    if (operands.length > 1 || final !== missing)
      this.fail(`can't give argument to non-function ${sourceOf(operands[0]!)}`)
  }

  #command(command: CommandNode, final: GoValue): GoValue {
    const { operands } = command
    const first = operands[0]!
    switch (first.kind) {
      case 'field':
        return this.field(first, operands, final)
      case 'chain':
        return this.chain(first, operands, final)
      case 'identifier':
        return this.#function(first.name, first, command, operands, final)
      case 'pipe':
        this.#notAFunction(operands, final)
        return this.pipeline(first)
      case 'variable':
        return this.variable(first, operands, final)
    }
    this.#node = first
    this.#notAFunction(operands, final)
    switch (first.kind) {
      case 'bool':
      case 'string':
        return first.value
      case 'dot':
        return this.#dot
      case 'number':
        return this.constant(first)
      case 'nil':
        return this.fail('nil is not a command')
    }
  }

  /** An operand as an argument whose type does not matter: interface {}, reflect.Value or a receiver. */
  dot(): GoValue {
    this.#wrapped = this.#dotWrapped
    return this.#dot
  }

  constant(node: NumberNode): GoValue {
    this.#node = node
    const { text } = node
    const hexadecimal = /^0[xX]./.test(text) && !/[pP]/.test(text)
    if (node.float !== undefined && !hexadecimal && text[0] !== "'" && /[.eEpP]/.test(text)) return node.float
    return node.int ?? this.fail(`${text} overflows int`)
  }

  field(node: FieldNode, operands: readonly Operand[] | undefined, final: GoValue): GoValue {
    this.#node = node
    return this.#fieldChain(this.#dot, this.#dotWrapped, node, node.names, 0, operands, final)
  }

  chain(node: ChainNode, operands: readonly Operand[] | undefined, final: GoValue): GoValue {
    this.#node = node
    if (node.node.kind === 'nil') this.fail(`indirection through explicit nil in ${sourceOf(node)}`)
    const receiver = this.#receiver(node.node)
    return this.#fieldChain(receiver, this.#wrapped, node, node.names, 0, operands, final)
  }

  #receiver(node: Operand): GoValue {
    this.#node = node
    this.#wrapped = false
    if (node.kind === 'pipe') {
      const value = this.pipeline(node)
      this.#wrapped = false
      return value
    }
    if (node.kind === 'identifier') return this.identifier(node)
    return this.fail(`can't handle ${sourceOf(node)} for arg of type %!s(<nil>)`)
  }

  identifier(node: Operand & { kind: 'identifier' }): GoValue {
    const value = this.#function(node.name, node, node, undefined, missing)
    this.#wrapped = this.#environment.function(node.name)!.function.result.kind === 'interface'
    return value
  }

  variable(node: VariableNode, operands: readonly Operand[] | undefined, final: GoValue): GoValue {
    this.#node = node
    const { value, wrapped } = this.#variable(node.names[0]!)
    if (node.names.length > 1) return this.#fieldChain(value, wrapped, node, node.names, 1, operands, final)
    if (operands) this.#notAFunction(operands, final)
    return value
  }

  #function(
    name: string,
    node: AnyNode,
    command: AnyNode,
    operands: readonly Operand[] | undefined,
    final: GoValue,
  ): GoValue {
    this.#node = node
    const found = this.#environment.function(name)
    if (!found) this.fail(`${quote(name)} is not a defined function`)
    return callFunction(this, found.function, found.builtin, command, name, operands, final)
  }

  #fieldChain(
    start: GoValue,
    startWrapped: boolean,
    node: AnyNode,
    names: readonly string[],
    from: number,
    operands: readonly Operand[] | undefined,
    final: GoValue,
  ): GoValue {
    let receiver = start
    this.#wrapped = startWrapped
    const last = names.length - 1
    for (let index = from; index < last; index++)
      receiver = this.#field(names[index]!, node, undefined, missing, receiver)
    return this.#field(names[last]!, node, operands, final, receiver)
  }

  /** receiver.name: a method, a field of a struct, or the value under a key. */
  #field(
    name: string,
    node: AnyNode,
    operands: readonly Operand[] | undefined,
    final: GoValue,
    receiver: GoValue,
  ): GoValue {
    if (receiver === undefined) {
      if (this.#environment.missingKey === 'error') this.fail(`nil data; no entry for key ${quote(name)}`)
      return undefined
    }
    if (receiver === null) this.fail(`nil pointer evaluating interface {}.${name}`)
    const method = methodOf(receiver, name)
    if (method) {
      const value = callFunction(this, method, false, node, name, operands, final)
      this.#wrapped = method.result.kind === 'interface'
      return value
    }
    const hasArguments = (operands !== undefined && operands.length > 1) || final !== missing
    if (receiver instanceof GoStruct && Object.hasOwn(receiver.fields, name)) {
      if (hasArguments) this.fail(`${name} has arguments but cannot be invoked as function`)
      this.#wrapped = false
      return receiver.fields[name]
    }
    if (isMap(receiver)) {
      if (hasArguments) this.fail(`${name} is not a method but has arguments`)
      return this.#entry(receiver, name)
    }
    return this.fail(`can't evaluate field ${name} in type ${this.#wrapped ? 'interface {}' : typeOf(receiver)!.name}`)
  }

  #entry(map: GoMap, name: string): GoValue {
    const element = annotationOf(map)?.type.element ?? types.any
    this.#wrapped = element.kind === 'interface'
    const value = entry(map, name)
    if (value !== undefined) return value
    switch (this.#environment.missingKey) {
      case 'default':
        return undefined
      case 'zero':
        return zeroOf(element)
      case 'error':
        return this.fail(`map has no entry for key ${quote(name)}`)
    }
  }
}

function methodOf(receiver: GoValue, name: string): GoFunction | undefined {
  if (typeof receiver !== 'object' || receiver === null) return undefined
  const methods =
    receiver instanceof GoStruct || receiver instanceof GoInteger ? receiver.methods : annotationOf(receiver)?.methods
  return methods && Object.hasOwn(methods, name) ? methods[name] : undefined
}

/** "web/templates/a.yaml:3:14", line from 1, column in bytes from 0 (on the first line it is the offset). */
function locationOf(node: AnyNode): string {
  const before = node.tree.text.slice(0, node.position)
  const lineStart = before.lastIndexOf('\n') + 1
  const line = before.split('\n').length
  return `${node.tree.parseName}:${line}:${byteLength(before.slice(lineStart))}`
}
