/** Columns that tables of workloads share. */
import { formatLabelSelector } from '../../../api/selectors.ts'
import type { LabelSelector, PodTemplateSpec } from '../../../api/types.gen.ts'
import type { TypedColumn } from './build.ts'
import { ageColumn, column, nameColumn, wide } from './build.ts'

type Template = PodTemplateSpec | undefined

/** Names of the containers of a template, "a,b". */
export function containerNames(template: Template): string {
  return (template?.spec?.containers ?? []).map(container => container.name).join(',')
}

/** Images of the containers of a template. */
export function containerImages(template: Template): string {
  return (template?.spec?.containers ?? []).map(container => container.image ?? '').join(',')
}

/** Containers, Images and Selector, shown with -o wide. */
export function templateColumns<T>(
  template: (object: T) => Template,
  selector?: (object: T) => LabelSelector | undefined,
): TypedColumn<T>[] {
  const columns: TypedColumn<T>[] = [
    wide('Containers', object => containerNames(template(object))),
    wide('Images', object => containerImages(template(object))),
  ]
  if (selector) columns.push(wide('Selector', object => formatLabelSelector(selector(object))))
  return columns
}

/** A column with a number that counts as 0 when absent. */
export function countColumn<T>(name: string, count: (object: T) => number | undefined | null): TypedColumn<T> {
  return column(name, object => count(object) ?? 0, 'integer')
}

interface Replicated {
  readonly metadata?: unknown
  readonly spec?: { readonly replicas?: number | undefined } | undefined
  readonly status?: { readonly replicas?: number | undefined; readonly readyReplicas?: number | undefined } | undefined
}

/** What ReplicaSets and ReplicationControllers, being the same thing, show and select by before all else. */
export const replicated = {
  scalePaths: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas' },
  fieldNames: ['status.replicas'],
  fields: (object: Replicated) => ({ 'status.replicas': String(object.status?.replicas ?? 0) }),
  columns: <T extends Replicated>(): TypedColumn<T>[] => [
    nameColumn,
    countColumn('Desired', object => object.spec?.replicas),
    countColumn('Current', object => object.status?.replicas),
    countColumn('Ready', object => object.status?.readyReplicas),
    ageColumn,
  ],
} as const
