/** Builds strategies and table columns from parts that know their kind's type, so that kinds need no casts. */
import type { FieldError } from '../../../api/errors.ts'
import type { Draft, KubeObject } from '../../../api/object.ts'
import { ageText } from '../../../api/time.ts'
import { copyValue } from '../../verbs/copy.ts'
import type { Column, Scale, Strategy, Table, WriteContext } from '../kind.ts'

/** What validators yield. */
export type Errors = Iterable<FieldError>

type Cell = string | number | boolean | null | undefined

/** A column whose cell reads an object of type T. */
export interface TypedColumn<T> extends Omit<Column, 'cell'> {
  readonly cell: (object: T, now: number) => Cell
}

/** A Strategy in terms of its kind's own type; `columns` and `status` are shorthands. */
export interface TypedStrategy<T>
  extends Pick<
    Strategy,
    'hasGeneration' | 'fieldNames' | 'allowUnconditionalUpdate' | 'allowCreateOnUpdate' | 'validateName'
  > {
  readonly defaults?: (draft: Draft<T>) => void
  /** The status every new object starts with. Present: clients cannot set or change status but through /status. */
  readonly status?: object
  readonly prepareForCreate?: (draft: Draft<T>, context: WriteContext) => void
  readonly prepareForUpdate?: (draft: Draft<T>, old: T, context: WriteContext) => void
  readonly prepareForStatusUpdate?: (draft: Draft<T>, old: T, context: WriteContext) => void
  readonly validate?: (object: T) => Errors
  readonly validateCreate?: (object: T) => Errors
  readonly validateUpdate?: (object: T, old: T) => Errors
  readonly validateStatusUpdate?: (object: T, old: T) => Errors
  readonly bumpsGeneration?: (object: T, old: T) => boolean
  readonly fields?: (object: T) => { readonly [field: string]: string }
  readonly columns?: readonly TypedColumn<T>[]
  readonly rowConditions?: (object: T) => readonly { type: string; status: string; reason?: string; message?: string }[]
  readonly scale?: Omit<Scale, 'selector'> & { readonly selector: (object: T) => string }
  readonly gracefulDelete?: { readonly seconds: (object: T, asked: number | undefined) => number }
  readonly defaultPropagation?: 'Background' | 'Orphan'
  readonly virtual?: boolean
  readonly warnings?: (object: T, old: T | undefined) => readonly string[]
}

/** Turns the typed parts of a kind into the Strategy the API server runs. Without columns it has the default table. */
export function strategy<T>(parts: TypedStrategy<T>): Strategy {
  const { columns, rowConditions, status, validate, validateCreate, validateUpdate, validateStatusUpdate, ...rest } =
    parts
  const built: { -readonly [K in keyof Strategy]: Strategy[K] } = { ...(rest as unknown as Strategy) }
  if (validate) built.validate = object => [...validate(object as T)]
  if (validateCreate) built.validateCreate = object => [...validateCreate(object as T)]
  if (validateUpdate) built.validateUpdate = (object, old) => [...validateUpdate(object as T, old as T)]
  if (validateStatusUpdate)
    built.validateStatusUpdate = (object, old) => [...validateStatusUpdate(object as T, old as T)]
  if (status) protectStatus(built, status)
  built.table = columns ? tableOf(columns, rowConditions) : defaultTable
  return built
}

function protectStatus(built: { -readonly [K in keyof Strategy]: Strategy[K] }, status: object): void {
  const { prepareForCreate, prepareForUpdate } = built
  built.prepareForCreate = (draft, context) => {
    draft.status = copyValue(status) as object
    prepareForCreate?.(draft, context)
  }
  built.prepareForUpdate = (draft, old, context) => {
    restoreField(draft, old, 'status')
    prepareForUpdate?.(draft, old, context)
  }
}

/** Puts a field back to what the stored object has. */
export function restoreField(draft: object, old: object, name: string): void {
  const target = draft as { [field: string]: unknown }
  const value = (old as { readonly [field: string]: unknown })[name]
  if (value === undefined) delete target[name]
  else target[name] = copyValue(value)
}

function tableOf<T>(columns: readonly TypedColumn<T>[], conditions: TypedStrategy<T>['rowConditions']): Table {
  return {
    columns: columns.map(column => {
      const empty = column.type === 'string' ? '' : null
      return { ...column, cell: (object, now) => column.cell(object as T, now) ?? empty }
    }),
    ...(conditions ? { conditions: (object: KubeObject) => conditions(object as T) } : {}),
  }
}

/** A column shown always. The type defaults to string. */
export function column<T>(name: string, cell: TypedColumn<T>['cell'], type: Column['type'] = 'string'): TypedColumn<T> {
  return { name, type, priority: 0, cell }
}

/** A column shown with -o wide only. */
export function wide<T>(name: string, cell: TypedColumn<T>['cell'], type: Column['type'] = 'string'): TypedColumn<T> {
  return { name, type, priority: 1, cell }
}

type Named = { readonly metadata?: unknown }
const metadataOf = (object: Named) => (object.metadata ?? {}) as KubeObject['metadata']

/** The Name column every table starts with. */
export const nameColumn: TypedColumn<Named> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  priority: 0,
  description: 'Name must be unique within a namespace. Is required when creating resources.',
  cell: object => metadataOf(object).name ?? '',
}

/** The Age column: time since creation as `kubectl` prints it. */
export const ageColumn: TypedColumn<Named> = {
  name: 'Age',
  type: 'string',
  priority: 0,
  description: 'CreationTimestamp is a timestamp representing the server time when this object was created.',
  cell: (object, now) => ageText(metadataOf(object).creationTimestamp, now),
}

/** The table of kinds that have no printer of their own. */
export const defaultTable: Table = tableOf<KubeObject>(
  [
    nameColumn,
    {
      name: 'Created At',
      type: 'date',
      priority: 0,
      description: 'CreationTimestamp is a timestamp representing the server time when this object was created.',
      cell: object => object.metadata.creationTimestamp ?? '',
    },
  ],
  undefined,
)
