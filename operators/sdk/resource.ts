/** What a handler is told of an object, in the shapes of @dot-i/k8s-operator. */
import type { KubeObject } from '../../bootstrap/api/object.ts'

export const ResourceEventType = { Added: 'ADDED', Modified: 'MODIFIED', Deleted: 'DELETED' } as const
export type ResourceEventType = (typeof ResourceEventType)[keyof typeof ResourceEventType]

export interface ResourceMeta {
  readonly name: string
  readonly namespace?: string
  /** "websites.example.com/v1": the watch that the object came by. */
  readonly id: string
  readonly resourceVersion: string
  readonly apiVersion: string
  readonly kind: string
}

export interface ResourceEvent {
  readonly meta: ResourceMeta
  readonly type: ResourceEventType
  /** The handler's own copy. */
  // biome-ignore lint/suspicious/noExplicitAny: objects of any kind, as the library has them
  readonly object: any
}

/** "websites.example.com/v1", "pods.v1". */
export function watchId(group: string, version: string, plural: string): string {
  return `${plural}.${group === '' ? version : `${group}/${version}`}`
}

export function metaOf(id: string, object: KubeObject): ResourceMeta {
  const { name, namespace, resourceVersion } = object.metadata
  if (!name || !resourceVersion) throw new Error(`an object of ${id} has no name or resourceVersion`)
  return {
    id,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    resourceVersion,
    apiVersion: object.apiVersion,
    kind: object.kind,
  }
}
