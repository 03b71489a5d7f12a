/** Merging a configuration into an object, and taking out what its manager no longer sets. */
import type { Schema } from '../../schema/schema.ts'
import { isObject, type JsonDraft, type JsonObject, setField } from '../json.ts'
import { type FieldSet, isEmptySet, isMember } from './field-set.ts'
import { fieldElement, itemElement } from './path.ts'
import { childSchema, isDeclared, shapeOf } from './shape.ts'

/** `live` with every value of `config`; parts that do not change are shared with `live`. */
export function mergeConfig(live: unknown, config: unknown, schema: Schema): unknown {
  if (config === undefined) return live
  if (live === undefined || live === null) return config
  const shape = shapeOf(schema, config)
  if (shape === 'fields' && isObject(live) && isObject(config)) return mergeFields(live, config, schema)
  const lists = shape === 'items' && Array.isArray(live) && Array.isArray(config)
  return lists && live.length + config.length > 0 ? mergeItems(live, config, schema) : config
}

function mergeFields(live: JsonObject, config: JsonObject, schema: Schema): JsonObject {
  let merged: JsonDraft | undefined
  for (const name in config) {
    const current = Object.hasOwn(live, name) ? live[name] : undefined
    const value = mergeConfig(current, config[name], childSchema(schema, name) ?? { type: 'any' })
    if (value === current) continue
    merged ??= { ...live }
    setField(merged, name, value)
  }
  return merged ?? live
}

/** Items both have follow the configuration's order, the others keep their place between them. */
function mergeItems(live: readonly unknown[], config: readonly unknown[], schema: Schema): unknown[] {
  const item = schema.items ?? { type: 'any' }
  const liveNames = live.map(value => itemElement(schema, value))
  const configNames = config.map(value => itemElement(schema, value))
  const liveByName = new Map(live.map((value, index) => [liveNames[index]!, value]))
  const inConfig = new Set(configNames)
  const shared = configNames.filter(name => liveByName.has(name))
  const merged: unknown[] = []
  let l = 0
  let c = 0
  while (l < live.length || c < config.length) {
    const name = liveNames[l]
    if (name !== undefined && !inConfig.has(name)) {
      merged.push(live[l++])
    } else if (name !== undefined && name !== shared[0]) {
      l++
    } else {
      const taken = configNames[c]!
      merged.push(mergeConfig(liveByName.get(taken), config[c++], item))
      if (taken === shared[0]) {
        shared.shift()
        if (taken === name) l++
      }
    }
  }
  return merged
}

/** Removes the paths of `last` that nobody owns any more, with all that is below them. Undefined when nothing is left. */
export function removeDropped(value: unknown, last: FieldSet, owned: FieldSet | undefined, schema: Schema): unknown {
  if (isEmptySet(last)) return value
  if (Array.isArray(value)) return removeItems(value, last, owned, schema)
  return isObject(value) ? removeFields(value, last, owned, schema) : value
}

function removeFields(value: JsonObject, last: FieldSet, owned: FieldSet | undefined, schema: Schema): unknown {
  let kept: JsonDraft | undefined
  for (const name of Object.keys(value)) {
    const node = last[fieldElement(name)]
    if (node === undefined) continue
    const owner = owned?.[fieldElement(name)]
    const declared = isDeclared(schema, name)
    const dropped = declared ? owner === undefined : isMember(node) && !isMember(owner)
    const field = childSchema(schema, name) ?? { type: 'any' }
    const child = dropped ? undefined : removeDropped(value[name], node, owner, field)
    if (child === value[name]) continue
    kept ??= { ...value }
    if (child === undefined) delete kept[name]
    else setField(kept, name, child)
  }
  if (kept === undefined) return value
  return Object.keys(kept).length === 0 ? undefined : kept
}

function removeItems(value: readonly unknown[], last: FieldSet, owned: FieldSet | undefined, schema: Schema): unknown {
  if (shapeOf(schema, value) !== 'items') return value
  let changed = false
  const kept: unknown[] = []
  for (const item of value) {
    const element = itemElement(schema, item)
    const node = last[element]
    const owner = owned?.[element]
    const dropped = isMember(node) && !isMember(owner)
    const child =
      node === undefined
        ? item
        : dropped
          ? undefined
          : removeDropped(item, node, owner, schema.items ?? { type: 'any' })
    changed ||= child !== item
    if (child !== undefined) kept.push(child)
  }
  if (!changed) return value
  return kept.length === 0 ? undefined : kept
}
