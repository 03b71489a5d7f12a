/** x-kubernetes-validations: rules in CEL about the values of a schema (apiextensions-apiserver pkg/apiserver/schema/cel). */
import { type FieldError, field } from '../../../api/errors.ts'
import type { JSONSchemaProps, ValidationRule } from '../../../api/types.gen.ts'
import { type Environment, environment } from '../../../cel/environment.ts'
import { CelError } from '../../../cel/errors.ts'
import { CompileError, type Program, program } from '../../../cel/program.ts'
import { budgetOf } from '../../../cel/scope.ts'
import { bool, isAssignable, optionalOf, string, type Type } from '../../../cel/types.ts'
import { Optional, type Value } from '../../../cel/values.ts'
import type { ValidationRules } from '../validate.ts'
import { functions } from './functions.ts'
import { type Shape, shapeOf } from './schema-type.ts'

/** Units one evaluation may cost. */
const costLimit = 1_000_000
const longestMessage = 5 * 1024

interface Rule {
  readonly source: ValidationRule
  readonly holds: Program
  readonly message: Program | undefined
  /** Speaks of the value before the update. */
  readonly isTransition: boolean
}

/** What a rule was asked about. */
interface Place {
  readonly json: unknown
  readonly type: string
  readonly path: string
}

type Variables = { readonly [name: string]: Value }

const compiledRules = new WeakMap<JSONSchemaProps, { readonly shape: Shape; readonly rules: readonly Rule[] }>()

/** The rules of a CRD version's schema, compiled when first needed. */
export function validationRules(root: JSONSchemaProps): ValidationRules {
  return (props, value, old, path) => {
    let compiled = compiledRules.get(props)
    if (!compiled) {
      const shape = shapeOf(props, props === root)
      const rules = (props['x-kubernetes-validations'] ?? []).map(rule => compileRule(rule, shape.type))
      compiled = { shape, rules }
      compiledRules.set(props, compiled)
    }
    return [...broken(compiled.shape, compiled.rules, props, value, old, path)]
  }
}

function* broken(
  shape: Shape,
  rules: readonly Rule[],
  props: JSONSchemaProps,
  value: unknown,
  old: unknown,
  path: string,
): Generator<FieldError> {
  let self: Value | undefined
  for (const rule of rules) {
    if (rule.isTransition && old === undefined && !rule.source.optionalOldSelf) continue
    self ??= shape.value(value)
    const before = old === undefined ? undefined : shape.value(old)
    const variables: Variables = {
      self,
      ...(rule.source.optionalOldSelf
        ? { oldSelf: new Optional(before) }
        : before === undefined
          ? {}
          : { oldSelf: before }),
    }
    const problem = check(rule, variables, { json: value, type: props.type ?? 'object', path })
    if (problem) yield problem
  }
}

function check({ source, holds, message }: Rule, variables: Variables, place: Place): FieldError | undefined {
  try {
    if (holds.evaluate(variables, budgetOf(costLimit)) === true) return undefined
  } catch (error) {
    if (!(error instanceof CelError)) throw error
    return field.invalid(
      place.path,
      place.type,
      `${error.message} evaluating rule: ${source.message?.trim() || source.rule}`,
    )
  }
  const text = (message && messageFrom(message, variables)) ?? staticMessage(source)
  return withReason(source, { ...place, path: `${place.path}${fieldPath(source.fieldPath)}`.replace(/^\./, '') }, text)
}

/** What the message's expression says; undefined when it says nothing usable. */
function messageFrom(message: Program, variables: Variables): string | undefined {
  try {
    const text = message.evaluate(variables, budgetOf(costLimit))
    const fits = typeof text === 'string' && text.trim() !== '' && !text.includes('\n') && text.length <= longestMessage
    return fits ? text.trim() : undefined
  } catch (error) {
    if (error instanceof CelError) return undefined
    throw error
  }
}

const staticMessage = ({ message = '', rule }: ValidationRule) => message.trim() || `failed rule: ${rule}`

/** ".spec['a.b']" as field paths are written: ".spec[a.b]". */
function fieldPath(path: string | undefined): string {
  return (path ?? '').replace(/\['([^']*)'\]/g, '[$1]')
}

/** Objects and lists are too long to be shown. */
function withReason({ reason }: ValidationRule, { json, path }: Place, message: string): FieldError {
  const value = typeof json === 'object' ? { omitsValue: true } : { value: json }
  switch (reason) {
    case 'FieldValueForbidden':
      return field.forbidden(path, message)
    case 'FieldValueRequired':
      return field.required(path, message)
    case 'FieldValueDuplicate':
      return { type: 'Duplicate', field: path, detail: message, ...value }
    default:
      return { type: 'Invalid', field: path, detail: message, ...value }
  }
}

/** Throws CompileError. */
function compileRule(source: ValidationRule, self: Type): Rule {
  const within = environment({ self, oldSelf: source.optionalOldSelf ? optionalOf(self) : self }, functions)
  return {
    source,
    holds: program(source.rule, within),
    message: source.messageExpression ? program(source.messageExpression, within) : undefined,
    isTransition: /\boldSelf\b/.test(source.rule),
  }
}

/** What is wrong with the rules of a schema's node; `path` is that of the list of rules. */
export function* ruleErrors(props: JSONSchemaProps, isObjectRoot: boolean, path: string): Generator<FieldError> {
  const rules = props['x-kubernetes-validations'] ?? []
  if (rules.length === 0) return
  const { type } = shapeOf(props, isObjectRoot)
  for (const [index, rule] of rules.entries()) {
    const at = `${path}[${index}]`
    if (rule.rule.trim() === '') {
      yield field.required(`${at}.rule`, 'rule is not specified')
      continue
    }
    yield* messageErrors(rule, at)
    const within = environment({ self: type, oldSelf: rule.optionalOldSelf ? optionalOf(type) : type }, functions)
    const subject = { value: ruleText(rule), within }
    yield* expressionErrors(rule.rule, `${at}.rule`, ruleWants, subject)
    if (rule.messageExpression !== undefined) {
      yield* expressionErrors(rule.messageExpression, `${at}.messageExpression`, messageExpressionWants, subject)
    }
  }
}

/** A rule as upstream's messages show it. */
function ruleText({
  rule,
  message,
  messageExpression,
  reason,
  fieldPath: path,
  optionalOldSelf,
}: ValidationRule): object {
  return {
    Rule: rule,
    Message: message ?? '',
    MessageExpression: messageExpression ?? '',
    Reason: reason ?? null,
    FieldPath: path ?? '',
    OptionalOldSelf: optionalOldSelf ?? null,
  }
}

function* messageErrors({ message, rule }: ValidationRule, path: string): Generator<FieldError> {
  if (message !== undefined && message !== '' && message.trim() === '')
    yield field.invalid(`${path}.message`, message, 'must be non-empty if specified')
  else if (message?.trim().includes('\n'))
    yield field.invalid(`${path}.message`, message, 'must not contain line breaks')
  else if (rule.trim().includes('\n') && (message ?? '').trim() === '')
    yield field.required(`${path}.message`, 'message must be specified if rule contains line breaks')
}

interface Wanted {
  readonly type: Type
  readonly otherwise: string
  /** Before the compiler's words. */
  readonly prefix: string
}

const ruleWants: Wanted = { type: bool, otherwise: 'cel expression must evaluate to a bool', prefix: '' }
const messageExpressionWants: Wanted = {
  type: string,
  otherwise: 'messageExpression must evaluate to a string',
  prefix: 'messageExpression ',
}

function* expressionErrors(
  text: string,
  path: string,
  { type, otherwise, prefix }: Wanted,
  { value, within }: { readonly value: object; readonly within: Environment },
): Generator<FieldError> {
  try {
    if (!isAssignable(type, program(text, within).type, new Map())) yield field.invalid(path, value, otherwise)
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    yield field.invalid(path, value, `${prefix}compilation failed: ${error.message}`)
  }
}
