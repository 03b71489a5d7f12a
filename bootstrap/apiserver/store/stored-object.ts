/** Objects as bytes: how they are written, stamped with their revision, and parsed when somebody looks inside. */
import { deepFreeze, type KubeObject } from '../../api/object.ts'
import type { Key, Revision } from '../../datastore/datastore.ts'
import { placeOf } from './keys.ts'
import type { Stored } from './store.ts'

const metadataStart = Buffer.from('"metadata":{')
const stampStart = '"resourceVersion":"'
const closingBrace = 0x7d
const noLabels: { readonly [key: string]: string } = Object.freeze({})
const guard = process.env.NODE_ENV === 'test' ? deepFreeze : <T>(value: T): T => value

/** The JSON the datastore keeps: kind, apiVersion and metadata first, no resourceVersion. */
export function encode(object: KubeObject): Buffer {
  const { kind, apiVersion, metadata, ...rest } = object
  const { resourceVersion: _, ...kept } = metadata
  return Buffer.from(JSON.stringify({ kind, apiVersion, metadata: kept, ...rest }))
}

export class StoredObject implements Stored {
  readonly key: Key
  readonly bytes: Buffer
  readonly revision: Revision
  readonly namespace: string
  readonly name: string
  #parsed: KubeObject | undefined

  private constructor(
    place: Pick<Stored, 'key' | 'namespace' | 'name'>,
    bytes: Buffer,
    revision: Revision,
    parsed: KubeObject | undefined,
  ) {
    this.key = place.key
    this.namespace = place.namespace
    this.name = place.name
    this.bytes = bytes
    this.revision = revision
    this.#parsed = parsed && guard(parsed)
  }

  /** From the datastore's value. `object` is the parsed form (of any resourceVersion) where the caller has it already. */
  static from(prefix: string, key: Key, value: Buffer, revision: Revision, object?: KubeObject): StoredObject {
    const bytes = stamp(value, revision)
    return new StoredObject({ key, ...placeOf(key, prefix) }, bytes, revision, object && restamped(object, revision))
  }

  get object(): KubeObject {
    this.#parsed ??= guard(JSON.parse(this.bytes.toString()) as KubeObject)
    return this.#parsed
  }

  get labels(): { readonly [key: string]: string } {
    return this.object.metadata.labels ?? noLabels
  }

  /** The same state under another revision, as a DELETED event shows it. */
  at(revision: Revision): StoredObject {
    const parsed = this.#parsed && restamped(this.#parsed, revision)
    return new StoredObject(this, stamp(this.bytes, revision, String(this.revision)), revision, parsed)
  }
}

function restamped(object: KubeObject, revision: Revision): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }
}

/** A copy with the resourceVersion as the first field of metadata, in place of the one it has (`old`) if any. */
function stamp(value: Buffer, revision: Revision, old?: string): Buffer {
  const found = value.indexOf(metadataStart)
  if (found < 0) throw new Error('not a Kubernetes object: no metadata')
  const start = found + metadataStart.length
  const rest = old === undefined ? start : start + stampStart.length + old.length + 1
  const comma = old === undefined && value[start] !== closingBrace ? ',' : ''
  const text = `${stampStart}${revision}"${comma}`
  const bytes = Buffer.allocUnsafeSlow(start + text.length + value.byteLength - rest)
  value.copy(bytes, 0, 0, start)
  bytes.write(text, start, 'latin1')
  value.copy(bytes, start + text.length, rest)
  return bytes
}
