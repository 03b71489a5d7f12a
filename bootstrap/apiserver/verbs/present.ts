/** Stored objects in the version a client asked for: the stored bytes as they are, or converted once and remembered. */
import type { KubeObject } from '../../api/object.ts'
import { apiVersionOf } from '../../api/object.ts'
import type { Kind } from '../kinds/kind.ts'
import type { Stored } from '../store/store.ts'

const converted = new WeakMap<Kind, WeakMap<Stored, Stored>>()

/**
 * The same object at the version of `kind`; `stored` itself when nothing needs to change. Results are remembered by the
 * kind itself, not its version: a new schema makes a new kind.
 */
export function present(kind: Kind, stored: Stored): Stored {
  if (!needsConversion(kind)) return stored
  let known = converted.get(kind)
  if (!known) converted.set(kind, (known = new WeakMap()))
  let presented = known.get(stored)
  if (!presented) {
    const object = convert(kind, stored.object)
    presented = object === stored.object ? stored : withObject(stored, object)
    known.set(stored, presented)
  }
  return presented
}

/** A kind without conversion differs from what is stored by its apiVersion alone, if at all. */
function needsConversion({ convert, storage, version, group }: Kind): boolean {
  return convert !== undefined || storage.version !== version || storage.group !== group
}

function convert(kind: Kind, object: KubeObject): KubeObject {
  return kind.convert ? kind.convert.fromStored(object) : { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind }
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
