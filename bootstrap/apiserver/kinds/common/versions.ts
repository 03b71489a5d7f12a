/** Strategies of kinds with a served version whose fields differ from the stored one. */
import type { KubeObject } from '../../../api/object.ts'
import type { Conversion } from '../../schema/convert.ts'
import type { Column, Mutable, Strategy } from '../kind.ts'

/** The strategy of the stored version, working on objects of `apiVersion` too by way of the conversion. */
export function alsoServing(strategy: Strategy, apiVersion: string, conversion: Conversion | undefined): Strategy {
  if (!conversion) return strategy
  const stored = <T extends KubeObject>(object: T) =>
    object.apiVersion === apiVersion ? (conversion.toStored(object) as T) : object
  const change = (draft: Mutable, step: (draft: Mutable) => void) => {
    if (draft.apiVersion !== apiVersion) return step(draft)
    const converted = structuredClone(conversion.toStored(draft)) as Mutable
    step(converted)
    replace(draft, conversion.fromStored(converted))
  }
  const {
    defaults,
    prepareForCreate,
    prepareForUpdate,
    prepareForStatusUpdate,
    validate,
    validateUpdate,
    validateStatusUpdate,
    fields,
    table,
  } = strategy
  return {
    ...strategy,
    ...(defaults && { defaults: draft => change(draft, defaults) }),
    ...(prepareForCreate && {
      prepareForCreate: (draft, context) => change(draft, object => prepareForCreate(object, context)),
    }),
    ...(prepareForUpdate && {
      prepareForUpdate: (draft, old, context) =>
        change(draft, object => prepareForUpdate(object, stored(old), context)),
    }),
    ...(prepareForStatusUpdate && {
      prepareForStatusUpdate: (draft, old, context) =>
        change(draft, object => prepareForStatusUpdate(object, stored(old), context)),
    }),
    ...(validate && { validate: object => validate(stored(object)) }),
    ...(validateUpdate && { validateUpdate: (object, old) => validateUpdate(stored(object), stored(old)) }),
    ...(validateStatusUpdate && {
      validateStatusUpdate: (object, old) => validateStatusUpdate(stored(object), stored(old)),
    }),
    ...(fields && { fields: object => fields(stored(object)) }),
    ...(table && { table: { ...table, columns: table.columns.map(column => throughStored(column, stored)) } }),
  }
}

function throughStored(column: Column, stored: (object: KubeObject) => KubeObject): Column {
  return { ...column, cell: (object, now) => column.cell(stored(object), now) }
}

function replace(draft: Mutable, content: KubeObject): void {
  for (const field of Object.keys(draft)) delete draft[field]
  Object.assign(draft, content)
}
