/** The cluster's CAs, keys and passwords, out of a snapshot. */

import { type Bundle, parseBundle } from '../cluster/bundle.ts'
import { sealedKey, sealedPrefix, unseal } from '../cluster/seal.ts'
import type { Entry } from '../datastore/datastore.ts'
import { SnapshotError } from '../snapshots/snapshot.ts'

/** The token that is at hand does not open the snapshot; one line for the user. */
export class RestoreTokenError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'RestoreTokenError'
  }
}

const want = 'give with --token the one that the cluster had when the snapshot was taken'

/**
 * Unseals what the servers share, the proof that the token is the one of the snapshot's time. `sealed` are the entries under
 * /bootstrap/. SnapshotError where there is nothing of the kind: it is not a cluster's. RestoreTokenError for another token.
 */
export async function unsealBundle(
  file: string,
  sealed: readonly Entry[],
  password: string | undefined,
): Promise<Bundle> {
  const filled = sealed.filter(({ value }) => value.length > 0)
  if (filled.length === 0)
    throw new SnapshotError(
      `${file} is no snapshot of a cluster: it holds no bootstrap data (keys under ${sealedPrefix})`,
    )
  if (password === undefined) throw new RestoreTokenError(`a token is required to restore ${file}: ${want}`)
  const found = filled.find(({ key }) => key === sealedKey(password))
  if (!found) throw new RestoreTokenError(`bootstrap data already found and encrypted with different token: ${want}`)
  try {
    return parseBundle((await unseal(password, found.value)).toString())
  } catch (error) {
    throw new SnapshotError(`${file}: its bootstrap data cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

/** The entries under /bootstrap/, which come before all of /registry/. */
export async function sealedEntries(entries: AsyncIterable<Entry>): Promise<readonly Entry[]> {
  const sealed: Entry[] = []
  for await (const entry of entries) {
    if (entry.key.startsWith(sealedPrefix)) sealed.push(entry)
    else if (entry.key > sealedPrefix) break
  }
  return sealed
}

/** What other programs than Skiff make of objects; nothing here could read it. */
const foreign: readonly (readonly [prefix: Buffer, what: string])[] = [
  [Buffer.from('k8s:enc:'), 'encrypted objects (secrets-encryption)'],
  [Buffer.from('k8s\0'), 'objects as protobuf, as Kubernetes and K3s store them'],
]

/** The entries as they are. SnapshotError at the first one that another program wrote. */
export async function* ownEntries(file: string, entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  for await (const entry of entries) {
    const strange = foreign.find(([prefix]) => entry.value.subarray(0, prefix.length).equals(prefix))
    if (strange)
      throw new SnapshotError(
        `${file} cannot be restored: it holds ${strange[1]}, such as ${entry.key}, which Skiff cannot read`,
      )
    yield entry
  }
}
