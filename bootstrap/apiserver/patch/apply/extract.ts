/** The field set of a configuration: every path it gives a value to. */
import type { Schema } from '../../schema/schema.ts'
import { isObject, type JsonObject } from '../json.ts'
import { emptySet, type FieldSet, nodeOf, sorted } from './field-set.ts'
import { elementText, fieldElement, itemElement } from './path.ts'
import { childSchema, isDeclared, shapeOf, TypedError } from './shape.ts'

/** All paths an object sets. Throws TypedError for undeclared fields, wrong forms and items that share a name. */
export function fieldSetOf(value: JsonObject, schema: Schema): FieldSet {
  return fieldsOf(value, schema)
}

/** The node of a value below its path; undefined when it says nothing. */
function nodeFor(value: unknown, schema: Schema): FieldSet | undefined {
  if (value === null) return undefined
  switch (shapeOf(schema, value)) {
    case 'leaf':
      return emptySet
    case 'fields':
      if (!isObject(value)) throw new TypedError('', `expected map, got ${JSON.stringify(value)}`)
      return fieldsOf(value, schema)
    case 'items':
      if (!Array.isArray(value)) throw new TypedError('', `expected list, got ${JSON.stringify(value)}`)
      return itemsOf(value, schema)
  }
}

function fieldsOf(value: JsonObject, schema: Schema): FieldSet {
  const nodes: { [element: string]: FieldSet } = {}
  for (const name in value) {
    const child = value[name]
    if (child === undefined) continue
    const field = childSchema(schema, name)
    if (field === undefined) throw new TypedError(`.${name}`, 'field not declared in schema')
    const below = at(`.${name}`, () => nodeFor(child, field))
    const bare = child === null || (isObject(child) && Object.keys(child).length === 0)
    const node = nodeOf(bare || below === emptySet || !isDeclared(schema, name), below)
    if (node !== undefined) nodes[fieldElement(name)] = node
  }
  return sorted(nodes)
}

function itemsOf(value: readonly unknown[], schema: Schema): FieldSet {
  const nodes: { [element: string]: FieldSet } = {}
  for (const [index, item] of value.entries()) {
    const element = at(`: element ${index}`, () => itemElement(schema, item))
    if (nodes[element] !== undefined) throw new TypedError('', `duplicate entries for key ${elementText(element)}`)
    const below = at(elementText(element), () => nodeFor(item, schema.items ?? { type: 'any' }))
    nodes[element] = nodeOf(true, below)!
  }
  return sorted(nodes)
}

function at<T>(prefix: string, walk: () => T): T {
  try {
    return walk()
  } catch (error) {
    throw error instanceof TypedError ? error.under(prefix) : error
  }
}
