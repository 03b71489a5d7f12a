/** Runs a strategy the way the API server does; for the tests of kinds. */
import type { FieldError } from '../../api/errors.ts'
import { fieldErrorText } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { draftOf } from '../../api/object.ts'
import type { Mutable, Strategy, WriteContext } from './kind.ts'

/** 2026-01-02T03:04:05Z, the time of every test. */
export const testNow = Date.parse('2026-01-02T03:04:05Z')

const context: WriteContext = {
  user: { name: 'tester', uid: '1', groups: ['testers'], extra: {} },
  clock: { now: () => testNow },
  namespace: 'default',
  dryRun: false,
  warn: () => undefined,
}

/** An object as a client would send it; `metadata.name` is "x" unless given. */
export function objectOf(apiVersion: string, kind: string, fields: object): KubeObject {
  return { apiVersion, kind, metadata: { name: 'x', namespace: 'default' }, ...fields }
}

/** The object as it would be stored, and what is wrong with it. */
export function create(strategy: Strategy, object: KubeObject): { object: KubeObject; errors: string[] } {
  const draft = draftOf(object) as Mutable
  strategy.defaults?.(draft)
  strategy.prepareForCreate?.(draft, context)
  const stored = draft as KubeObject
  return { object: stored, errors: texts(strategy.validate?.(stored), strategy.validateCreate?.(stored)) }
}

/** Updates a stored object; `change` edits a copy. */
export function update(strategy: Strategy, old: KubeObject, change: (draft: Mutable) => void) {
  const draft = draftOf(old) as Mutable
  change(draft)
  strategy.defaults?.(draft)
  strategy.prepareForUpdate?.(draft, old, context)
  const stored = draft as KubeObject
  return { object: stored, errors: texts(strategy.validate?.(stored), strategy.validateUpdate?.(stored, old)) }
}

/** Updates the status of a stored object. */
export function updateStatus(strategy: Strategy, old: KubeObject, status: object) {
  const draft = draftOf({ ...old, status }) as Mutable
  strategy.prepareForStatusUpdate?.(draft, old, context)
  const stored = draft as KubeObject
  return { object: stored, errors: texts(strategy.validateStatusUpdate?.(stored, old)) }
}

/** The cells of one row, by column name. */
export function cells(strategy: Strategy, object: KubeObject): { [column: string]: string | number | boolean | null } {
  const columns = strategy.table?.columns ?? []
  return Object.fromEntries(columns.map(column => [column.name, column.cell(object, testNow)]))
}

function texts(...lists: (readonly FieldError[] | undefined)[]): string[] {
  return lists.flatMap(list => list ?? []).map(fieldErrorText)
}
