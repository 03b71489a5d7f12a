/** Lists with a type: items of sets and keyed lists are unique, and keyed items keep their identity over updates. */
import type { FieldError } from '../../api/errors.ts'
import { field } from '../../api/errors.ts'
import type { JSONSchemaProps } from '../../api/types.gen.ts'
import { isObject } from '../patch/json.ts'

/** Duplicates in a set or keyed list. */
export function* listErrors(props: JSONSchemaProps, value: readonly unknown[], path: string): Generator<FieldError> {
  const listType = props['x-kubernetes-list-type']
  if (listType !== 'set' && listType !== 'map') return
  const seen = new Set<string>()
  for (const [index, item] of value.entries()) {
    const identity = listType === 'set' ? item : keysOf(props, item)
    const text = canonical(identity)
    if (seen.has(text)) yield field.duplicate(`${path}[${index}]`, identity)
    seen.add(text)
  }
}

/** The item of the old list that an item of a keyed list stands for. */
export function previousItem(props: JSONSchemaProps, item: unknown, old: unknown): unknown {
  if (props['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old)) return undefined
  const identity = canonical(keysOf(props, item))
  return old.find(other => canonical(keysOf(props, other)) === identity)
}

function keysOf(props: JSONSchemaProps, item: unknown): { [key: string]: unknown } {
  const fields = isObject(item) ? item : {}
  const items = props.items as JSONSchemaProps | undefined
  const keys = props['x-kubernetes-list-map-keys'] ?? []
  return Object.fromEntries(keys.map(key => [key, fields[key] ?? items?.properties?.[key]?.default]))
}

/** A text that is the same for equal JSON. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value) ?? 'null'
  const fields = Object.keys(value).sort()
  return `{${fields.map(name => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`
}
