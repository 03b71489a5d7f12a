/** Objects as the rows of a meta.k8s.io Table (columns come from the kinds). */
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

/** Throws 400 for a value upstream does not know. */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? ''
  if (value === '') return 'Metadata'
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value
  throw errors.badRequest(`unrecognized includeObject value: ${JSON.stringify(value)}`)
}

/** A Table without its rows. */
export function tableHead(kind: Kind, form: Form, metadata: TableMetadata, withColumns = true): object {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${form.asVersion}`,
    metadata,
    columnDefinitions: withColumns ? columnDefinitions(kind) : [],
  }
}

export function rowOf(kind: Kind, form: Form, object: KubeObject, include: IncludeObject, now: number): object {
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
