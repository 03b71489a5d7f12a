/** Calls functions and methods: counts and checks arguments against the signature, as text/template does by reflection. */
import { TemplateError } from './errors.ts'
import { GoError, type GoFunction } from './functions.ts'
import {
  type AnyNode,
  type ChainNode,
  type FieldNode,
  type IdentifierNode,
  type NumberNode,
  type Operand,
  type PipeNode,
  sourceOf,
  type VariableNode,
} from './nodes.ts'
import { isTrue } from './truth.ts'
import { annotationOf, GoInteger, type GoType, type GoValue, typed, typeOf, types, zeroOf } from './values.ts'

/** There is no value from the command before. */
export const missing = Symbol('missing')

/** The execution a call is part of: evaluates operands, reports errors. */
export interface CallSite {
  at(node: AnyNode): void
  fail(message: string, cause?: unknown): never
  dot(): GoValue
  constant(node: NumberNode): GoValue
  pipeline(pipe: PipeNode): GoValue
  field(node: FieldNode, operands: readonly Operand[] | undefined, final: GoValue): GoValue
  chain(node: ChainNode, operands: readonly Operand[] | undefined, final: GoValue): GoValue
  variable(node: VariableNode, operands: readonly Operand[] | undefined, final: GoValue): GoValue
  identifier(node: IdentifierNode): GoValue
}

/**
 * Calls `name` with operands 1.. and, unless it is `missing`, the final value of the pipeline so far. `node` is what errors
 * of the function are reported at.
 */
export function callFunction(
  site: CallSite,
  fn: GoFunction,
  builtin: boolean,
  node: AnyNode,
  name: string,
  operands: readonly Operand[] | undefined,
  final: GoValue,
): GoValue {
  const operandCount = operands ? operands.length - 1 : 0
  checkCount(site, fn, name, operandCount, final)
  if (builtin && (name === 'and' || name === 'or')) return shortCircuit(site, name, operands ?? [], final)
  const values: GoValue[] = []
  for (let index = 0; index < operandCount; index++)
    values.push(argument(site, parameterAt(fn, index), operands![index + 1]!))
  if (final !== missing) values.push(validated(site, final, parameterAt(fn, operandCount)))
  if (builtin && name === 'call') values.unshift(operandCount > 0 ? sourceOf(operands![1]!) : describeFinal(final))
  try {
    return returned(invoke(fn, values), fn.result)
  } catch (error) {
    if (!(error instanceof GoError || error instanceof TemplateError)) throw error
    site.at(node)
    return site.fail(`error calling ${name}: ${error.message}`, error)
  }
}

function invoke(fn: GoFunction, values: readonly GoValue[]): GoValue {
  return (fn.call as (...values: readonly GoValue[]) => GoValue)(
    ...values.map((value, index) => passed(value, parameterAt(fn, index))),
  )
}

/** How a value reaches a function. */
function passed(value: GoValue, type: GoType): GoValue {
  if (type.kind === 'int' && typeof value === 'bigint') return Number(value)
  if (value instanceof GoInteger && type.kind === value.type.kind) return value.value
  return value === undefined && type !== types.value ? null : value
}

function parameterAt({ parameters, variadic }: GoFunction, index: number): GoType {
  return variadic && index >= parameters.length ? parameters.at(-1)! : (parameters[index] ?? types.any)
}

function checkCount(site: CallSite, fn: GoFunction, name: string, operands: number, final: GoValue): void {
  const given = operands + (final === missing ? 0 : 1)
  const wanted = fn.parameters.length
  if (fn.variadic) {
    if (given < wanted - 1) site.fail(`wrong number of args for ${name}: want at least ${wanted - 1} got ${operands}`)
  } else if (given !== wanted) site.fail(`wrong number of args for ${name}: want ${wanted} got ${given}`)
}

function shortCircuit(site: CallSite, name: string, operands: readonly Operand[], final: GoValue): GoValue {
  let value: GoValue
  for (const operand of operands.slice(1)) {
    value = argument(site, types.value, operand)
    if (isTrue(value) === (name === 'or')) return value
  }
  return final === missing ? value : final
}

/** reflect.Value.String() of something that may be no string. */
function describeFinal(final: GoValue): string {
  if (typeof final === 'string') return final
  return final === undefined || final === null ? '<invalid Value>' : `<${typeOf(final)!.name} Value>`
}

function argument(site: CallSite, type: GoType, node: Operand): GoValue {
  site.at(node)
  switch (node.kind) {
    case 'dot':
      return validated(site, site.dot(), type)
    case 'nil':
      if (type === types.value) return undefined
      if (!canBeNil(type)) site.fail(`cannot assign nil to ${type.name}`)
      return zeroOf(type)
    case 'field':
      return validated(site, site.field(node, undefined, missing), type)
    case 'variable':
      return validated(site, site.variable(node, undefined, missing), type)
    case 'pipe':
      return validated(site, site.pipeline(node), type)
    case 'identifier':
      return validated(site, site.identifier(node), type)
    case 'chain':
      return validated(site, site.chain(node, undefined, missing), type)
    default:
      return literal(site, type, node)
  }
}

function literal(site: CallSite, type: GoType, node: Operand & { kind: 'bool' | 'string' | 'number' }): GoValue {
  switch (type.kind) {
    case 'bool':
      return node.kind === 'bool' ? node.value : site.fail(`expected bool; found ${sourceOf(node)}`)
    case 'float64':
      return node.kind === 'number' && node.float !== undefined
        ? node.float
        : site.fail(`expected float; found ${sourceOf(node)}`)
    case 'int':
    case 'int32':
    case 'int64':
      return node.kind === 'number' && node.int !== undefined
        ? integerOf(type, node.int)
        : site.fail(`expected integer; found ${sourceOf(node)}`)
    case 'uint':
    case 'uint8':
    case 'uint32':
    case 'uint64':
      return node.kind === 'number' && node.uint !== undefined
        ? integerOf(type, node.uint)
        : site.fail(`expected unsigned integer; found ${sourceOf(node)}`)
    case 'string':
      return node.kind === 'string' ? node.value : site.fail(`expected string; found ${sourceOf(node)}`)
    case 'interface':
      return node.kind === 'number' ? site.constant(node) : node.value
  }
  if (type === types.value) return node.kind === 'number' ? site.constant(node) : node.value
  return site.fail(`can't handle ${sourceOf(node)} for arg of type ${type.name}`)
}

function integerOf(type: GoType, value: bigint): GoValue {
  return type.kind === 'int' ? value : new GoInteger(type, value)
}

function canBeNil(type: GoType): boolean {
  return type === types.value || ['func', 'interface', 'map', 'ptr', 'slice'].includes(type.kind)
}

/** The value, when it can be assigned to the type. */
function validated(site: CallSite, value: GoValue, type: GoType): GoValue {
  if (type === types.value || type.kind === 'interface') return value
  if (value === undefined) return canBeNil(type) ? zeroOf(type) : site.fail(`invalid value; expected ${type.name}`)
  const actual = typeOf(value)
  if (actual && assignable(actual, type)) return value
  return site.fail(`wrong type for value; expected ${type.name}; got ${actual?.name ?? 'interface {}'}`)
}

/** Identical types, or the same map or slice type of which one is unnamed. */
function assignable(from: GoType, to: GoType): boolean {
  if (from.name === to.name) return true
  if (from.kind !== to.kind || !from.element || from.element.name !== to.element?.name) return false
  return isUnnamed(from) || isUnnamed(to)
}

function isUnnamed({ name }: GoType): boolean {
  return name.startsWith('map[') || name.startsWith('[]')
}

/** What a function returned, as the value of its declared type. */
function returned(value: GoValue, type: GoType): GoValue {
  switch (type.kind) {
    case 'int':
      return typeof value === 'number' ? BigInt(value) : value
    case 'int32':
    case 'int64':
    case 'uint':
    case 'uint8':
    case 'uint32':
    case 'uint64':
      return value instanceof GoInteger ? value : new GoInteger(type, BigInt(value as bigint))
    case 'slice':
    case 'map':
      return typedResult(value as object, type)
    case 'interface':
      return value ?? null
    default:
      return value
  }
}

function typedResult(value: object, type: GoType): object {
  if (type.name === types.dict.name || type.name === types.list.name || value instanceof Uint8Array) return value
  return annotationOf(value) ? value : typed(value, type)
}
