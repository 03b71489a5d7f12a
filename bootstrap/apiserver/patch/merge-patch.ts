/** JSON Merge Patch (RFC 7386). */
import { errors } from '../../api/errors.ts'
import type { JsonDraft, JsonObject } from './json.ts'
import { isObject, setField } from './json.ts'

/** The document with the patch merged in; neither argument changes. Throws 400 when the patch is no object. */
export function applyMergePatch(document: JsonObject, patch: unknown): JsonDraft {
  if (!isObject(patch)) throw errors.badRequest('error decoding patch: a merge patch must be an object')
  return merge(document, patch)
}

function merge(target: unknown, patch: JsonObject): JsonDraft {
  const merged: JsonDraft = isObject(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else if (isObject(value)) setField(merged, key, merge(Object.hasOwn(merged, key) ? merged[key] : undefined, value))
    else setField(merged, key, value)
  }
  return merged
}
