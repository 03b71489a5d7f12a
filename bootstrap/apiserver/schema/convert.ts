/** Conversions between served versions of one kind whose fields differ. */
import type { KubeObject } from '../../api/object.ts'
import { autoscalers } from './autoscaling.ts'

export interface Conversion {
  toStored(object: KubeObject): KubeObject
  fromStored(object: KubeObject): KubeObject
}

/** The conversion of a served kind to and from its stored version; undefined where that is the same version. */
export function conversionOf(group: string, version: string, kind: string): Conversion | undefined {
  if (group === 'events.k8s.io' && kind === 'Event') return events
  if (group === 'autoscaling' && version === 'v1' && kind === 'HorizontalPodAutoscaler') return autoscalers
  return undefined
}

/** Fields of events.k8s.io/v1 and what core/v1 calls them. */
const eventFields = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
] as const

const toCore = new Map<string, string>(eventFields)
const fromCore = new Map<string, string>(eventFields.map(([events, core]) => [core, events]))

const events: Conversion = {
  toStored: object => renamed(object, 'v1', toCore),
  fromStored: object => renamed(object, 'events.k8s.io/v1', fromCore),
}

function renamed(object: KubeObject, apiVersion: string, names: ReadonlyMap<string, string>): KubeObject {
  const entries = Object.entries(object).map(([name, value]) => [names.get(name) ?? name, value])
  return { ...Object.fromEntries(entries), apiVersion } as KubeObject
}
