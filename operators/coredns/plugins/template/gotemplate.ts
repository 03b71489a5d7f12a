/**
 * The part of Go's text/template that record templates need: fields, variables, pipelines, parentheses, if, with, range,
 * else, trimming, and the functions listed below. define, block and template are refused.
 */
import { functions, printed, TemplateError, truth, type Value, walk } from './values.ts'

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly pipe: Pipe }
  | {
      readonly kind: 'branch'
      readonly word: 'if' | 'with' | 'range'
      readonly pipe: Pipe
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }

interface Pipe {
  readonly variables: readonly string[]
  readonly declares: boolean
  readonly commands: readonly (readonly Operand[])[]
}

type Operand =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'field'; readonly of: 'dot' | string; readonly path: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe; readonly path: readonly string[] }

/** Returns what fills the template in. Throws TemplateError. */
export function compileTemplate(text: string): (data: Value) => string {
  const parser = new Parser(pieces(text))
  const nodes = parser.all()
  return data => {
    const scope: Scope = { dot: data, root: data, variables: new Map() }
    return nodes.map(node => render(node, scope)).join('')
  }
}

type Piece = { readonly kind: 'text' | 'action'; readonly text: string }

function pieces(text: string): Piece[] {
  const list: Piece[] = []
  let rest = text
  let trimNext = false
  for (;;) {
    const start = rest.indexOf('{{')
    let before = start < 0 ? rest : rest.slice(0, start)
    if (trimNext) before = before.trimStart()
    if (start < 0) return [...list, { kind: 'text', text: before }]
    const end = rest.indexOf('}}', start)
    if (end < 0) throw new TemplateError('unclosed action')
    let action = rest.slice(start + 2, end)
    if (/^-\s/.test(action)) {
      before = before.trimEnd()
      action = action.slice(1)
    }
    trimNext = /\s-$/.test(action)
    list.push({ kind: 'text', text: before }, { kind: 'action', text: trimNext ? action.slice(0, -1) : action })
    rest = rest.slice(end + 2)
  }
}

class Parser {
  readonly #pieces: readonly Piece[]
  #at = 0

  constructor(list: readonly Piece[]) {
    this.#pieces = list
  }

  all(): Node[] {
    const { nodes, end } = this.#until()
    if (end !== '') throw new TemplateError(`unexpected {{${end}}}`)
    return nodes
  }

  #until(): { nodes: Node[]; end: string } {
    const nodes: Node[] = []
    while (this.#at < this.#pieces.length) {
      const piece = this.#pieces[this.#at++]!
      if (piece.kind === 'text') {
        nodes.push({ kind: 'text', text: piece.text })
        continue
      }
      const text = piece.text.trim()
      const [word = ''] = text.split(/\s/, 1)
      if (text.startsWith('/*')) continue
      if (word === 'end' || word === 'else') return { nodes, end: text }
      if (word === 'if' || word === 'with' || word === 'range') nodes.push(this.#branch(word, text.slice(word.length)))
      else if (['define', 'block', 'template', 'break', 'continue'].includes(word))
        throw new TemplateError(`{{${word}}} is not supported here`)
      else nodes.push({ kind: 'output', pipe: parsePipe(text) })
    }
    return { nodes, end: '' }
  }

  #branch(word: 'if' | 'with' | 'range', condition: string): Node {
    const then = this.#until()
    let otherwise: readonly Node[] = []
    const chained = /^else\s+(if|with)\b(.*)$/s.exec(then.end)
    if (chained) otherwise = [this.#branch(chained[1] as 'if' | 'with', chained[2]!)]
    else if (then.end === 'else') {
      const rest = this.#until()
      if (rest.end !== 'end') throw new TemplateError('an {{end}} is missing')
      otherwise = rest.nodes
    } else if (then.end !== 'end') throw new TemplateError('an {{end}} is missing')
    return { kind: 'branch', word, pipe: parsePipe(condition), body: then.nodes, otherwise }
  }
}

const tokenPattern =
  /\s+|"(?:[^"\\]|\\.)*"|`[^`]*`|:=|=|\||\(|\)|,|[+-]?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?)|\$?\w*(?:\.\w+)+|\$\w*|\.|\w+/y

function tokens(text: string): string[] {
  const list: string[] = []
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < text.length) {
    const at = tokenPattern.lastIndex
    const match = tokenPattern.exec(text)
    if (!match) throw new TemplateError(`unexpected "${text.slice(at)}" in action`)
    if (match[0].trim() !== '') list.push(match[0])
  }
  return list
}

function parsePipe(text: string): Pipe {
  const list = tokens(text)
  const [pipe, end] = readPipe(list, 0)
  if (end !== list.length) throw new TemplateError(`unexpected "${list[end]}" in action`)
  return pipe
}

function readPipe(list: readonly string[], start: number): [Pipe, number] {
  const variables: string[] = []
  let at = start
  const sign = list.findIndex((token, index) => index >= start && (token === ':=' || token === '='))
  if (sign > start && list.slice(start, sign).every(token => token === ',' || /^\$\w+$/.test(token))) {
    variables.push(...list.slice(start, sign).filter(token => token !== ','))
    at = sign + 1
  }
  const commands: Operand[][] = [[]]
  for (; at < list.length && list[at] !== ')'; at++) {
    const token = list[at]!
    if (token === '|') commands.push([])
    else if (token === '(') {
      const [pipe, end] = readPipe(list, at + 1)
      if (list[end] !== ')') throw new TemplateError('unclosed left paren')
      const next = list[end + 1] ?? ''
      const path = /^(\.\w+)+$/.test(next) ? next.slice(1).split('.') : []
      commands.at(-1)!.push({ kind: 'pipe', pipe, path })
      at = path.length > 0 ? end + 1 : end
    } else commands.at(-1)!.push(operand(token))
  }
  if (commands.some(command => command.length === 0)) throw new TemplateError('missing value for command')
  return [{ variables, declares: list[sign] === ':=', commands }, at]
}

function operand(token: string): Operand {
  if (token.startsWith('"'))
    return { kind: 'value', value: JSON.parse(token.replace(/\\([^"\\/bfnrtu])/g, '$1')) as string }
  if (token.startsWith('`')) return { kind: 'value', value: token.slice(1, -1) }
  if (/^[+-]?\d/.test(token)) return { kind: 'value', value: Number(token) }
  if (token === 'true' || token === 'false') return { kind: 'value', value: token === 'true' }
  if (token === 'nil') return { kind: 'value', value: undefined }
  if (token === '.') return { kind: 'field', of: 'dot', path: [] }
  if (token.startsWith('.')) return { kind: 'field', of: 'dot', path: token.slice(1).split('.') }
  if (token.startsWith('$')) {
    const [of = '$', ...path] = token.split('.')
    return { kind: 'field', of, path }
  }
  if (!(token in functions)) throw new TemplateError(`function "${token}" not defined`)
  return { kind: 'function', name: token }
}

interface Scope {
  readonly dot: Value
  readonly root: Value
  readonly variables: Map<string, Value>
}

function render(node: Node, scope: Scope): string {
  switch (node.kind) {
    case 'text':
      return node.text
    case 'output': {
      const value = evaluate(node.pipe, scope)
      return node.pipe.variables.length > 0 ? '' : printed(value)
    }
    case 'branch':
      return branch(node, scope)
  }
}

function branch({ word, pipe, body, otherwise }: Extract<Node, { kind: 'branch' }>, outer: Scope): string {
  const scope = { ...outer, variables: new Map(outer.variables) }
  const value = evaluate(word === 'range' ? { ...pipe, variables: [] } : pipe, scope)
  const run = (nodes: readonly Node[], inner: Scope) => nodes.map(node => render(node, inner)).join('')
  if (!truth(value)) return run(otherwise, scope)
  if (word !== 'range') return run(body, word === 'with' ? { ...scope, dot: value } : scope)
  const entries: readonly (readonly [Value, Value])[] = Array.isArray(value)
    ? value.map((one, index) => [index, one] as const)
    : Object.entries(value as { [key: string]: Value }).sort(([a], [b]) => (a < b ? -1 : 1))
  return entries
    .map(([key, one]) => {
      const variables = new Map(scope.variables)
      const [first, second] = pipe.variables
      if (first !== undefined) variables.set(first, second === undefined ? one : key)
      if (second !== undefined) variables.set(second, one)
      return run(body, { ...scope, dot: one, variables })
    })
    .join('')
}

function evaluate({ variables, commands }: Pipe, scope: Scope): Value {
  let value: Value
  for (const [index, command] of commands.entries()) {
    const [first, ...rest] = command as readonly [Operand, ...Operand[]]
    const args = rest.map(one => resolve(one, scope))
    if (index > 0) args.push(value)
    if (first.kind === 'function') value = functions[first.name]!(...args)
    else if (args.length > 0) throw new TemplateError("can't give argument to non-function")
    else value = resolve(first, scope)
  }
  for (const name of variables) scope.variables.set(name, value)
  return value
}

function resolve(one: Operand, scope: Scope): Value {
  switch (one.kind) {
    case 'value':
      return one.value
    case 'function':
      return functions[one.name]!()
    case 'pipe':
      return walk(evaluate(one.pipe, scope), one.path)
    case 'field': {
      if (one.of === 'dot') return walk(scope.dot, one.path)
      if (one.of === '$') return walk(scope.root, one.path)
      if (!scope.variables.has(one.of)) throw new TemplateError(`undefined variable "${one.of}"`)
      return walk(scope.variables.get(one.of), one.path)
    }
  }
}
