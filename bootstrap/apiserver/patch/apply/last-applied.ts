/** The annotation of client-side apply: what it allows a server-side applier to take over, and keeping it current. */
import type { KubeObject } from '../../../api/object.ts'
import type { Schema } from '../../schema/schema.ts'
import { isObject } from '../json.ts'
import { fieldSetOf } from './extract.ts'
import { difference, emptySet, type FieldSet } from './field-set.ts'
import { TypedError } from './shape.ts'
import { ownedDelta } from './track.ts'

const annotation = 'kubectl.kubernetes.io/last-applied-configuration'

export function hasLastApplied(object: KubeObject): boolean {
  return (object.metadata.annotations?.[annotation] ?? '') !== ''
}

/** The fields the last client-side apply set and that still have its values. */
export function lastAppliedSet(live: KubeObject, schema: Schema): FieldSet {
  const config = parse(live.metadata.annotations?.[annotation])
  if (config === undefined) return emptySet
  try {
    const { added, removed, modified } = ownedDelta(config, live, schema)
    const set = fieldSetOf(config, schema)
    return [added, removed, modified].reduce<FieldSet>((rest, other) => difference(rest, other ?? emptySet), set)
  } catch (error) {
    if (error instanceof TypedError) return emptySet
    throw error
  }
}

function parse(text: string | undefined): KubeObject | undefined {
  if (text === undefined) return undefined
  try {
    const config: unknown = JSON.parse(text)
    return isObject(config) && isObject(config.metadata) ? (config as KubeObject) : undefined
  } catch {
    return undefined
  }
}

/** The object with the annotation holding `config`, the way kubectl writes it. */
export function withLastApplied(object: KubeObject, config: KubeObject): KubeObject {
  const { [annotation]: _, ...annotations } = config.metadata.annotations ?? {}
  const recorded = { ...config, metadata: { ...config.metadata, annotations } }
  const text = `${JSON.stringify(recorded)}\n`
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [annotation]: text } },
  }
}
