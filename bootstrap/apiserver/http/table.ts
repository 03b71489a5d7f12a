/** Objects as the rows of a meta.k8s.io Table (columns come from the kinds). */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { defaultTable } from '../kinds/common/build.ts'
import type { Kind } from '../kinds/kind.ts'
import type { Form } from './negotiate.ts'

export type IncludeObject = 'None' | 'Metadata' | 'Object'

export interface TableMetadata {
  readonly resourceVersion?: string | undefined
  readonly continue?: string | undefined
  readonly remainingItemCount?: number | undefined
}

/** Rows are built in slices so that a long list does not hold up other requests. */
const rowsPerTurn = 500

/** Throws 400 for a value upstream does not know. */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? ''
  if (value === '') return 'Metadata'
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value
  throw errors.badRequest(`unrecognized includeObject value: ${JSON.stringify(value)}`)
}

export async function tableOf(
  kind: Kind,
  form: Form,
  objects: readonly KubeObject[],
  metadata: TableMetadata,
  include: IncludeObject,
  now: number,
  withColumns = true,
): Promise<object> {
  const rows: object[] = []
  for (const [index, object] of objects.entries()) {
    if (index > 0 && index % rowsPerTurn === 0) await nextTurn()
    rows.push(rowOf(kind, form, object, include, now))
  }
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${form.asVersion}`,
    metadata,
    columnDefinitions: withColumns ? columnDefinitions(kind) : [],
    rows,
  }
}

function rowOf(kind: Kind, form: Form, object: KubeObject, include: IncludeObject, now: number): object {
  const table = kind.strategy.table ?? defaultTable
  const conditions = table.conditions?.(object) ?? []
  return {
    cells: table.columns.map(column => column.cell(object, now)),
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(include === 'None' ? {} : { object: include === 'Object' ? object : partialMetadata(form, object) }),
  }
}

export function partialMetadata(form: Form, object: KubeObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${form.asVersion}`, metadata: object.metadata }
}

function columnDefinitions(kind: Kind): object[] {
  const table = kind.strategy.table ?? defaultTable
  return table.columns.map(({ name, type, format = '', description = '', priority = 0 }) => ({
    name,
    type,
    format,
    description,
    priority,
  }))
}
