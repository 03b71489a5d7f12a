/** The patch types of the in-memory client, as far as its users need them. */
import type { PatchType } from '../client.ts'

type Tree = { [key: string]: unknown }

const mergeKeys: { readonly [field: string]: string } = {
  conditions: 'type',
  containers: 'name',
  initContainers: 'name',
  volumes: 'name',
  env: 'name',
  ownerReferences: 'uid',
}

const deleteFromList = '$deleteFromPrimitiveList/'

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The object with the patch applied; the inputs stay as they are. */
export function patched(object: unknown, patch: unknown, type: PatchType): unknown {
  return type === 'json' ? jsonPatch(object, patch as readonly Operation[]) : merge(object, patch, type !== 'merge')
}

function merge(target: unknown, patch: unknown, byKey: boolean): unknown {
  if (!isTree(patch)) return structuredClone(patch)
  const result: Tree = isTree(target) ? { ...target } : {}
  for (const [field, value] of Object.entries(patch)) {
    const list = byKey && field.startsWith(deleteFromList) ? field.slice(deleteFromList.length) : undefined
    if (list !== undefined) removeItems(result, list, value as readonly unknown[])
    else if (value === null) delete result[field]
    else if (byKey && Array.isArray(value)) result[field] = mergeList(field, result[field], value)
    else result[field] = merge(result[field], value, byKey)
  }
  return result
}

function removeItems(target: Tree, field: string, items: readonly unknown[]): void {
  const left = ((target[field] as unknown[] | undefined) ?? []).filter(item => !items.includes(item))
  if (left.length > 0) target[field] = left
  else delete target[field]
}

function mergeList(field: string, target: unknown, patch: readonly unknown[]): unknown {
  if (field === 'finalizers') return [...new Set([...((target as string[] | undefined) ?? []), ...patch])]
  const key = mergeKeys[field]
  if (key === undefined || !Array.isArray(target)) return structuredClone(patch)
  const result = [...(target as Tree[])]
  for (const item of patch as Tree[]) {
    const at = result.findIndex(other => other[key] === item[key])
    if (item.$patch === 'delete') result.splice(at, at < 0 ? 0 : 1)
    else if (at < 0) result.push(item)
    else result[at] = merge(result[at], item, true) as Tree
  }
  return result
}

interface Operation {
  readonly op: string
  readonly path: string
  readonly value?: unknown
}

function jsonPatch(object: unknown, operations: readonly Operation[]): unknown {
  const result = structuredClone(object)
  for (const { op, path, value } of operations) {
    const steps = path.split('/').slice(1)
    const last = (steps.pop() ?? '').replaceAll('~1', '/').replaceAll('~0', '~')
    let parent = result as Tree
    for (const step of steps) parent = parent[step.replaceAll('~1', '/').replaceAll('~0', '~')] as Tree
    if (op === 'test') {
      if (JSON.stringify(parent[last]) !== JSON.stringify(value)) throw new Error(`test failed: ${path}`)
    } else if (op === 'remove') {
      if (Array.isArray(parent)) parent.splice(Number(last), 1)
      else delete parent[last]
    } else if (Array.isArray(parent) && op === 'add') {
      parent.splice(last === '-' ? parent.length : Number(last), 0, value)
    } else parent[last] = value
  }
  return result
}
