/** The Secret that keeps a node's name its own: only who knows the password it was first used with may use it. */
import { ignoreNotFound, isAlreadyExists } from '../../api/errors.ts'
import type { Client } from '../../client/client.ts'
import { type Secret, secrets } from '../../client/resources.ts'
import { type Hasher, rememberingHasher } from './hash.ts'

export const nodePasswordType = 'k3s.cattle.io/node-password'

/** The password is not the one the name was taken with. */
export class NodePasswordError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NodePasswordError'
  }
}

/** What users find in an agent's log and in the answer: k3s-io/k3s pkg/agent/config. */
export const rejection =
  "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag"

export const secretNameOf = (node: string): string => `${node}.node-password.k3s`.toLowerCase()

/**
 * Checks the password against the node's Secret, which it creates when there is none. Rejects with NodePasswordError when it
 * is another one, with whatever the API answered when the Secret cannot be read or made.
 */
export async function ensureNodePassword(
  client: Client,
  node: string,
  password: string,
  hasher: Hasher = rememberingHasher(),
): Promise<void> {
  const name = { name: secretNameOf(node), namespace: 'kube-system' }
  const existing = await client.get(secrets, name).catch(ignoreNotFound)
  if (existing) return verify(existing, node, password, hasher)
  try {
    await client.create(secrets, await secretOf(node, password, hasher))
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    await verify(await client.get(secrets, name), node, password, hasher)
  }
}

async function secretOf(node: string, password: string, hasher: Hasher): Promise<Secret> {
  const hash = await hasher.hash(password)
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: nodePasswordType,
    metadata: { name: secretNameOf(node), namespace: 'kube-system' },
    immutable: true,
    data: { hash: Buffer.from(hash).toString('base64') },
  }
}

async function verify(secret: Secret, node: string, password: string, hasher: Hasher): Promise<void> {
  const hash = Buffer.from(secret.data?.hash ?? '', 'base64').toString()
  if (hash === '') throw new NodePasswordError(`unable to locate hash data for node secret '${secretNameOf(node)}'`)
  const same = await hasher.verify(hash, password).catch((error: Error) => {
    throw new NodePasswordError(`unable to verify hash for node '${node}': ${error.message}`)
  })
  if (!same) throw new NodePasswordError(rejection)
}
