/** Writes that many operators need: owned objects and status. */

import { isAlreadyExists, isConflict, isNotFound } from '../../bootstrap/api/errors.ts'
import type { KubeObject, OwnerReference } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'
import { sameJson } from '../../bootstrap/client/same.ts'

/** The reference that makes `owner` the managing controller of an object. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name ?? '',
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  }
}

/** Runs `attempt` again after a conflict, up to five times. `attempt` must read afresh. */
export async function retryOnConflict<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 4; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (!isConflict(error) || left === 0) throw error
    }
  }
}

/**
 * Makes the object be as desired, apart from fields `desired` does not name at its top level; labels, annotations and
 * owner references are merged. Creates it when `existing` is undefined. Returns what is stored.
 */
export async function ensure<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  desired: T,
  existing: T | undefined,
): Promise<T> {
  if (!existing) {
    try {
      return await client.create(resource, desired)
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      return ensure(client, resource, desired, await client.get(resource, nameOf(desired)))
    }
  }
  const next = overlay(existing, desired)
  return sameJson(next, existing) ? existing : client.update(resource, next)
}

function overlay<T extends KubeObject>(existing: T, desired: T): T {
  const { metadata } = existing
  const wanted = desired.metadata
  const owners = (wanted.ownerReferences ?? []).filter(
    owner => !metadata.ownerReferences?.some(other => other.uid === owner.uid),
  )
  return {
    ...existing,
    ...desired,
    metadata: {
      ...metadata,
      ...(wanted.labels ? { labels: { ...metadata.labels, ...wanted.labels } } : {}),
      ...(wanted.annotations ? { annotations: { ...metadata.annotations, ...wanted.annotations } } : {}),
      ...(owners.length > 0 ? { ownerReferences: [...(metadata.ownerReferences ?? []), ...owners] } : {}),
    },
  }
}

/** Writes the status where it differs from the object's; retries a conflict on the latest version. */
export async function updateStatus<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  status: unknown,
): Promise<T> {
  let latest = object
  return retryOnConflict(async () => {
    if (sameJson(latest.status, status)) return latest
    try {
      return await client.update(resource, { ...latest, status }, { subresource: 'status' })
    } catch (error) {
      if (isConflict(error)) {
        latest = await client.get(resource, nameOf(object))
        if (latest.metadata.uid !== object.metadata.uid) return latest
      }
      throw error
    }
  })
}

/** Deletes, content with an object that is already gone. */
export async function deleteIfPresent(
  client: Client,
  resource: Resource,
  object: KubeObject,
  options: Parameters<Client['delete']>[2] = {},
): Promise<void> {
  try {
    const uid = object.metadata.uid
    await client.delete(resource, nameOf(object), {
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      ...options,
    })
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error
  }
}

/** Where the object lives, as the client's methods take it. */
export function nameOf(object: { metadata: KubeObject['metadata'] }): { name: string; namespace?: string } {
  const { name = '', namespace } = object.metadata
  return namespace === undefined ? { name } : { name, namespace }
}
