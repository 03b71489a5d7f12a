/** Adoption and release of the objects a controller's selector selects (upstream controller_ref_manager.go). */
import { isNotFound, isStatusError } from '../../../bootstrap/api/errors.ts'
import { controllerOf, type KubeObject } from '../../../bootstrap/api/object.ts'
import { selects } from '../../../bootstrap/api/selectors.ts'
import type { LabelSelector } from '../../../bootstrap/api/types.gen.ts'
import type { Client, Resource } from '../../../bootstrap/client/client.ts'
import { controllerReference, nameOf } from '../../runtime/apply.ts'
import { isTerminating } from '../../runtime/pods.ts'

export interface Claim<O extends KubeObject, T extends KubeObject> {
  readonly client: Client
  readonly owner: O
  readonly ownerResource: Resource<O>
  readonly selector: LabelSelector
  readonly resource: Resource<T>
  /** Objects of the owner's namespace: those it controls and those nobody does. */
  readonly candidates: readonly T[]
  /** Finalizers an adopted object gets as well. */
  readonly finalizers?: readonly string[]
}

/**
 * The candidates that belong to the owner, after adopting matching orphans and releasing what no longer matches. An
 * adoption checks the owner on the server first: it may have been deleted and made anew under the same name.
 */
export async function claim<O extends KubeObject, T extends KubeObject>(request: Claim<O, T>): Promise<readonly T[]> {
  const { owner, selector, candidates } = request
  const mine: T[] = []
  let checked = false
  for (const object of candidates) {
    const controller = controllerOf(object)
    const matches = selects(selector, object.metadata.labels)
    if (controller) {
      if (controller.uid !== owner.metadata.uid) continue
      if (matches) mine.push(object)
      else if (!isTerminating(owner)) await release(request, object)
    } else if (matches && !isTerminating(owner) && !isTerminating(object)) {
      if (!checked) await checkOwner(request)
      checked = true
      const adopted = await adopt(request, object)
      if (adopted) mine.push(adopted)
    }
  }
  return mine
}

async function checkOwner<O extends KubeObject>({
  client,
  owner,
  ownerResource,
}: Pick<Claim<O, KubeObject>, 'client' | 'owner' | 'ownerResource'>): Promise<void> {
  const live = await client.get(ownerResource, nameOf(owner))
  if (live.metadata.uid !== owner.metadata.uid)
    throw new Error(`original ${owner.kind} ${owner.metadata.name} is gone: got uid ${live.metadata.uid}`)
  if (isTerminating(live)) throw new Error(`${owner.metadata.name} has just been deleted`)
}

async function adopt<O extends KubeObject, T extends KubeObject>(
  { client, owner, resource, finalizers }: Claim<O, T>,
  object: T,
): Promise<T | undefined> {
  const { uid } = object.metadata
  const metadata = { uid, ownerReferences: [controllerReference(owner)], ...(finalizers ? { finalizers } : {}) }
  return unlessGone(client.patch(resource, nameOf(object), { metadata }, { type: 'strategic' }))
}

async function release<O extends KubeObject, T extends KubeObject>(
  { client, owner, resource, finalizers }: Claim<O, T>,
  object: T,
): Promise<void> {
  const metadata = {
    uid: object.metadata.uid,
    ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }],
    ...(finalizers ? { '$deleteFromPrimitiveList/finalizers': finalizers } : {}),
  }
  await unlessGone(client.patch(resource, nameOf(object), { metadata }, { type: 'strategic' }))
}

/** Somebody else removed or changed it first: the next event tells. */
async function unlessGone<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write
  } catch (error) {
    if (isNotFound(error) || isStatusError(error, 'Invalid')) return undefined
    throw error
  }
}
