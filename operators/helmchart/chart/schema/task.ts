/** A schema being applied to a value: what the keywords see of it, and how they apply further schemas. */
import type { Draft, Schema, SchemaDocument, SchemaObject } from './document.ts'
import type { Failure } from './failure.ts'

/** Parts of a value that no keyword has looked at, where a schema or one around it asks for that. */
export interface Unevaluated {
  readonly properties: Set<string>
  readonly items: Set<number>
}

export interface Task {
  readonly document: SchemaDocument
  readonly schema: SchemaObject
  readonly draft: Draft
  readonly value: unknown
  readonly at: readonly string[]
  readonly parent: Task | undefined
  readonly failures: Failure[]
  readonly unevaluated: Unevaluated
  readonly apply: Apply
}

/** Applies a schema to a value at a place, on behalf of `parent`. */
export type Apply = (schema: Schema, value: unknown, at: readonly string[], parent: Task) => Failure | undefined

/** Applies a schema to the value of `task`: of its combining keywords, or where a reference leads. */
export function applyHere(task: Task, schema: Schema): Failure | undefined {
  return task.apply(schema, task.value, task.at, task)
}

/** Applies a schema to a part of the value. */
export function applyToPart(task: Task, schema: Schema, part: unknown, token: string | number): Failure | undefined {
  return task.apply(schema, part, [...task.at, String(token)], task)
}

/** Applies a schema to the name of a property, a value of its own. */
export function applyToName(task: Task, schema: Schema, name: string): readonly Failure[] {
  const failure = task.apply(schema, name, [], task)
  if (failure === undefined) return []
  return failure.kind === 'group' ? failure.causes : [failure]
}

/** Notes a failure of this very schema. */
export function fail(task: Task, text: string, causes: readonly Failure[] = []): void {
  task.failures.push({ at: task.at, text, causes })
}

export function note(task: Task, failure: Failure | undefined): void {
  if (failure) task.failures.push(failure)
}

/** Applies what a reference leads to. */
export function follow(task: Task, reference: string): Failure | undefined {
  return referred(task, task.document.resolve(task.schema, reference))
}

export function referred(task: Task, target: Schema): Failure | undefined {
  const failure = applyHere(task, target)
  if (failure === undefined) return undefined
  const causes = failure.kind === 'group' ? failure.causes : [failure]
  return { at: task.at, text: 'validation failed', causes, kind: 'reference' }
}
