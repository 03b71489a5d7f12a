/**
 * The JSONPath of kubectl and of CRD printer columns (client-go's util/jsonpath): .a.b, ['a.b'], [0], [-1], [1:3], [*],
 * unions, ..name and filters such as [?(@.type=="Ready")]. Results print the way kubectl prints them.
 */

type Step =
  | { readonly type: 'field'; readonly name: string }
  | { readonly type: 'wildcard' }
  | { readonly type: 'recursive' }
  | {
      readonly type: 'slice'
      readonly from: number | undefined
      readonly to: number | undefined
      readonly step: number
    }
  | { readonly type: 'union'; readonly steps: readonly Step[] }
  | { readonly type: 'filter'; readonly left: Operand; readonly operator: string; readonly right: Operand | undefined }

type Operand =
  | { readonly type: 'literal'; readonly value: string | number | boolean | null }
  | { readonly type: 'path'; readonly steps: readonly Step[]; readonly fromRoot: boolean }

export interface JsonPath {
  readonly text: string
  /** All values the path leads to; absent ones are left out. */
  find(value: unknown): unknown[]
}

/** A path that cannot be read; the message says where. */
export class JsonPathError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'JsonPathError'
  }
}

/** Parses ".spec.x", "$.spec.x" or "{.spec.x}". Throws JsonPathError. */
export function parseJsonPath(text: string): JsonPath {
  const inner = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text
  const steps = parseSteps(inner.trim())
  return { text, find: value => follow(steps, [value], value) }
}

/** The field names of a path that has nothing but names, else undefined. */
export function simplePath(text: string): string[] | undefined {
  const steps = parseSteps(text)
  return steps.every(step => step.type === 'field') ? steps.map(step => step.name) : undefined
}

/** Results as one text: scalars bare, the rest as JSON, separated by spaces. */
export function printResults(results: readonly unknown[]): string {
  return results.map(printValue).join(' ')
}

function printValue(value: unknown): string {
  if (value === null) return '<no value>'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function parseSteps(text: string): Step[] {
  const steps: Step[] = []
  let rest = text.replace(/^[$@]/, '')
  while (rest !== '') {
    const [step, length] = parseStep(rest)
    steps.push(...step)
    rest = rest.slice(length)
  }
  return steps
}

/** The steps at the beginning of a text and how many characters they take. */
function parseStep(text: string): [Step[], number] {
  const named = /^(\.\.?)(\*|(?:\\.|[^.[\]\\\s{}()=<>!,'"])+)/.exec(text)
  if (named) {
    const [whole, dots, name] = named as unknown as [string, string, string]
    const step: Step = name === '*' ? { type: 'wildcard' } : { type: 'field', name: name.replace(/\\(.)/g, '$1') }
    return [dots === '..' ? [{ type: 'recursive' }, step] : [step], whole.length]
  }
  if (text.startsWith('..[')) return [[{ type: 'recursive' }], 2]
  if (text.startsWith('.[')) return [[], 1]
  if (text === '.') return [[], 1]
  if (!text.startsWith('[')) throw new JsonPathError(`unexpected path text: ${text}`)
  const end = closingBracket(text)
  return [[parseBracket(text.slice(1, end).trim())], end + 1]
}

function closingBracket(text: string): number {
  let depth = 0
  let quote = ''
  for (const [index, character] of [...text].entries()) {
    if (quote !== '') quote = character === quote && text[index - 1] !== '\\' ? '' : quote
    else if (character === '"' || character === "'") quote = character
    else if (character === '[') depth++
    else if (character === ']' && --depth === 0) return index
  }
  throw new JsonPathError(`unterminated array: ${text}`)
}

function parseBracket(text: string): Step {
  if (text === '*') return { type: 'wildcard' }
  if (text.startsWith('?(') && text.endsWith(')')) return parseFilter(text.slice(2, -1).trim())
  const parts = splitUnion(text)
  if (parts.length > 1) return { type: 'union', steps: parts.map(part => parseBracket(part.trim())) }
  const quoted = /^(['"])(.*)\1$/s.exec(text)
  if (quoted) return { type: 'field', name: quoted[2]!.replace(/\\(.)/g, '$1') }
  const slice = /^(-?\d*)(?::(-?\d*))?(?::(\d*))?$/.exec(text)
  if (!slice || text === '' || text === '-') throw new JsonPathError(`invalid array index ${text}`)
  const [, from, to, step] = slice
  const start = from === '' ? undefined : Number(from)
  if (!text.includes(':')) return { type: 'slice', from: start, to: start === -1 ? undefined : start! + 1, step: 1 }
  return { type: 'slice', from: start, to: to ? Number(to) : undefined, step: Number(step || 1) }
}

function splitUnion(text: string): string[] {
  return text.match(/(?:'(?:\\.|[^'])*'|"(?:\\.|[^"])*"|[^,'"])+/g) ?? ['']
}

function parseFilter(text: string): Step {
  const match = /^(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+)$/s.exec(text)
  if (!match) return { type: 'filter', left: parseOperand(text), operator: 'exists', right: undefined }
  return { type: 'filter', left: parseOperand(match[1]!), operator: match[2]!, right: parseOperand(match[3]!) }
}

function parseOperand(text: string): Operand {
  const quoted = /^(['"])(.*)\1$/s.exec(text)
  if (quoted) return { type: 'literal', value: quoted[2]!.replace(/\\(.)/g, '$1') }
  if (/^[@$]/.test(text)) return { type: 'path', steps: parseSteps(text), fromRoot: text.startsWith('$') }
  if (/^-?\d+(\.\d+)?$/.test(text)) return { type: 'literal', value: Number(text) }
  if (text === 'true' || text === 'false') return { type: 'literal', value: text === 'true' }
  throw new JsonPathError(`unrecognized value in filter: ${text}`)
}

function follow(steps: readonly Step[], values: readonly unknown[], root: unknown): unknown[] {
  return steps.reduce<unknown[]>((at, step) => at.flatMap(value => take(step, value, root)), [...values])
}

function take(step: Step, value: unknown, root: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  switch (step.type) {
    case 'field': {
      const found = Object.hasOwn(value, step.name) ? (value as { [name: string]: unknown })[step.name] : undefined
      return found === undefined ? [] : [found]
    }
    case 'wildcard':
      return Object.values(value)
    case 'recursive':
      return descendants(value)
    case 'slice':
      return Array.isArray(value) ? sliceOf(value, step) : []
    case 'union':
      return step.steps.flatMap(part => take(part, value, root))
    case 'filter':
      return Object.values(value).filter(item => passes(step, item, root))
  }
}

function descendants(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return [value, ...Object.values(value).flatMap(descendants)]
}

function sliceOf(list: readonly unknown[], { from, to, step }: Step & { type: 'slice' }): unknown[] {
  return list.slice(from ?? 0, to ?? list.length).filter((_, index) => index % Math.max(step, 1) === 0)
}

function passes({ left, operator, right }: Step & { type: 'filter' }, item: unknown, root: unknown): boolean {
  const lefts = operandValues(left, item, root)
  if (right === undefined) return lefts.length > 0
  const rights = operandValues(right, item, root)
  if (lefts.length === 0 || rights.length === 0) return false
  return relates(lefts[0], operator, rights[0])
}

function operandValues(operand: Operand, item: unknown, root: unknown): unknown[] {
  return operand.type === 'literal' ? [operand.value] : follow(operand.steps, [operand.fromRoot ? root : item], root)
}

function relates(left: unknown, operator: string, right: unknown): boolean {
  if (operator === '==') return left === right
  if (operator === '!=') return left !== right
  if (typeof left !== typeof right || (typeof left !== 'number' && typeof left !== 'string')) return false
  const [a, b] = [left, right as typeof left]
  if (operator === '<') return a < b
  if (operator === '<=') return a <= b
  return operator === '>' ? a > b : a >= b
}
