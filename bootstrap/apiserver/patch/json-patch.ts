/** JSON Patch (RFC 6902) with the API server's limits and failures. */
import { errors, failure } from '../../api/errors.ts'
import type { JsonDraft } from './json.ts'
import { isObject, jsonEqual, setField } from './json.ts'

const maxOperations = 10_000

type Operation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string[]; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string[] }
  | { readonly op: 'move' | 'copy'; readonly path: string[]; readonly from: string[] }

class PatchFailure extends Error {}

/** The failure of a patch that is well-formed but does not fit the object; its text is all that upstream tells. */
export const unprocessablePatch = () =>
  failure(422, 'Invalid', 'the server rejected our request due to an error in our request', {})

/**
 * Applies a parsed patch to a document and returns the result; the document stays as it is.
 * Throws 400 for a patch that is no list of objects, 413 for more than 10,000 operations, 422 when an operation fails.
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch) || !patch.every(isObject)) {
    throw errors.badRequest('error decoding patch: a JSON patch must be a list of operations')
  }
  if (patch.length > maxOperations) {
    const message = `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`
    throw failure(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`)
  }
  try {
    const root: JsonDraft = { '': structuredClone(document) }
    for (const operation of patch) perform(root, readOperation(operation))
    return root['']
  } catch (error) {
    if (error instanceof PatchFailure) throw unprocessablePatch()
    throw error
  }
}

function readOperation(source: { readonly [key: string]: unknown }): Operation {
  const { op } = source
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      if (source.value === undefined) throw new PatchFailure('missing value')
      return { op, path: pointer(source.path), value: source.value }
    case 'remove':
      return { op, path: pointer(source.path) }
    case 'move':
    case 'copy':
      return { op, path: pointer(source.path), from: pointer(source.from) }
    default:
      throw new PatchFailure(`unexpected operation ${op}`)
  }
}

/** The tokens of a JSON pointer, below the holder of the document. */
function pointer(text: unknown): string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) throw new PatchFailure('bad pointer')
  return text.split('/').map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function perform(root: JsonDraft, operation: Operation): void {
  switch (operation.op) {
    case 'add':
      add(root, operation.path, structuredClone(operation.value))
      break
    case 'replace':
      read(root, operation.path)
      put(root, operation.path, structuredClone(operation.value))
      break
    case 'test':
      check(root, operation.path, operation.value)
      break
    case 'remove':
      read(root, operation.path)
      remove(root, operation.path)
      break
    case 'copy':
      add(root, operation.path, structuredClone(read(root, operation.from)))
      break
    case 'move': {
      const value = read(root, operation.from)
      if (isInside(operation.path, operation.from)) throw new PatchFailure('cannot move a value into itself')
      remove(root, operation.from)
      add(root, operation.path, value)
      break
    }
  }
}

function isInside(path: readonly string[], ancestor: readonly string[]): boolean {
  return path.length > ancestor.length && ancestor.every((token, index) => token === path[index])
}

/** The container of the last token. */
function parent(root: JsonDraft, path: readonly string[]): JsonDraft | unknown[] {
  const holder = path.slice(0, -1).reduce<unknown>(step, root)
  if (Array.isArray(holder) || isObject(holder)) return holder as JsonDraft | unknown[]
  throw new PatchFailure('no such path')
}

function step(at: unknown, token: string): unknown {
  if (Array.isArray(at)) return at[position(token, at.length - 1)]
  if (isObject(at) && Object.hasOwn(at, token)) return at[token]
  throw new PatchFailure('no such path')
}

function position(token: string, last: number): number {
  if (!/^(0|[1-9]\d*)$/.test(token) || Number(token) > last) throw new PatchFailure(`bad index ${token}`)
  return Number(token)
}

function read(root: JsonDraft, path: readonly string[]): unknown {
  return step(parent(root, path), path.at(-1)!)
}

function put(root: JsonDraft, path: readonly string[], value: unknown): void {
  const holder = parent(root, path)
  if (Array.isArray(holder)) holder[Number(path.at(-1))] = value
  else setField(holder, path.at(-1)!, value)
}

function add(root: JsonDraft, path: readonly string[], value: unknown): void {
  const holder = parent(root, path)
  const token = path.at(-1)!
  if (!Array.isArray(holder)) setField(holder, token, value)
  else holder.splice(token === '-' ? holder.length : position(token, holder.length), 0, value)
}

function remove(root: JsonDraft, path: readonly string[]): void {
  const holder = parent(root, path)
  const token = path.at(-1)!
  if (Array.isArray(holder)) holder.splice(Number(token), 1)
  else if (path.length === 1) setField(holder, token, null)
  else delete holder[token]
}

/** As upstream's library has it, an absent field of an object passes a test for null. */
function check(root: JsonDraft, path: readonly string[], expected: unknown): void {
  const holder = parent(root, path)
  const token = path.at(-1)!
  const absent = !Array.isArray(holder) && !Object.hasOwn(holder, token)
  const actual = absent ? null : step(holder, token)
  if (!jsonEqual(actual, expected)) throw new PatchFailure('test failed')
}
