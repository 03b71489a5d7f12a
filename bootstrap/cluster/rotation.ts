/**
 * How the other servers learn of a new token: sealed with what only servers have, the key of the servers' CA, so that neither the
 * old token nor what agents know opens it. (In K3s they do not learn it until they are started with it.)
 */
import { createHash } from 'node:crypto'
import { ConflictError, type Datastore } from '../datastore/datastore.ts'
import { seal, sealedKey, sealedPrefix, unseal } from './seal.ts'

/** Beside what is sealed with the tokens, and no part of it. */
export const rotationKey = '/skiff/token'

export interface RotationParts {
  readonly datastore: Pick<Datastore, 'read' | 'commit'>
  /** The private key of the servers' CA, PEM. */
  readonly caKey: string
}

const secretOf = (caKey: string) => createHash('sha256').update(`token rotation ${caKey}`).digest('hex')

/** Tells the servers' new password. To be called once nothing is sealed with the old one any more. */
export async function announceRotation({ datastore, caKey }: RotationParts, password: string): Promise<void> {
  const value = await seal(secretOf(caKey), Buffer.from(JSON.stringify({ password })))
  for (;;) {
    const [entry] = (await datastore.read(rotationKey, { limit: 1 })).entries
    try {
      await datastore.commit(
        entry
          ? { op: 'update', key: rotationKey, value, revision: entry.revision }
          : { op: 'create', key: rotationKey, value },
      )
      return
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error
    }
  }
}

/**
 * The password that is valid now, if it was announced and is another than `known`: bootstrap data is sealed with it and not with
 * the known one. An announcement of earlier days, e.g. in a restored snapshot, is none.
 */
export async function announcedPassword(
  { datastore, caKey }: RotationParts,
  known: string,
): Promise<string | undefined> {
  const [entry] = (await datastore.read(rotationKey, { limit: 1 })).entries
  if (!entry) return undefined
  const { password } = JSON.parse((await unseal(secretOf(caKey), entry.value)).toString()) as { password: string }
  if (password === known) return undefined
  const keys = (await datastore.read(sealedPrefix)).entries.map(({ key }) => key)
  return keys.includes(sealedKey(password)) && !keys.includes(sealedKey(known)) ? password : undefined
}
