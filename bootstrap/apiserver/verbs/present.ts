/** Stored objects in the version a client asked for: the stored bytes as they are, or converted once and remembered. */
import type { KubeObject } from '../../api/object.ts'
import { apiVersionOf } from '../../api/object.ts'
import type { Kind } from '../kinds/kind.ts'
import type { Stored } from '../store/store.ts'

const converted = new WeakMap<Stored, Map<string, Stored>>()

/** The same object at the version of `kind`; `stored` itself when nothing needs to change. */
export function present(kind: Kind, stored: Stored): Stored {
  if (!needsConversion(kind, stored)) return stored
  let versions = converted.get(stored)
  if (!versions) converted.set(stored, (versions = new Map()))
  const apiVersion = apiVersionOf(kind)
  let known = versions.get(apiVersion)
  if (!known) versions.set(apiVersion, (known = withObject(stored, convert(kind, stored.object, apiVersion))))
  return known
}

function needsConversion(kind: Kind, stored: Stored): boolean {
  if (kind.convert) return true
  const { storage } = kind
  if (kind.custom) return stored.object.apiVersion !== apiVersionOf(kind)
  return storage.version !== kind.version || storage.group !== kind.group
}

function convert(kind: Kind, object: KubeObject, apiVersion: string): KubeObject {
  return kind.convert ? kind.convert.fromStored(object) : { ...object, apiVersion, kind: kind.kind }
}

/** An object as a client sent it, in the version it is stored in. */
export function toStored(kind: Kind, object: KubeObject): KubeObject {
  return kind.convert
    ? kind.convert.toStored(object)
    : { ...object, kind: kind.kind, apiVersion: apiVersionOf(kind.storage) }
}

/** A stored object with other content; its bytes are made when first asked for. */
export function withObject(stored: Stored, object: KubeObject, revision = stored.revision): Stored {
  let bytes: Buffer | undefined
  return {
    key: stored.key,
    revision,
    namespace: stored.namespace,
    name: stored.name,
    labels: stored.labels,
    object,
    get bytes() {
      return (bytes ??= Buffer.from(JSON.stringify(object)))
    },
  }
}
