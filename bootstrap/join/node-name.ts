/** The name a node joins by (k3s-io/k3s pkg/agent/config). */
import { randomBytes } from 'node:crypto'
import { readIfPresent, sharedFolder, writeAtomically } from '../pki/files.ts'

/** Outside the data directory: a machine keeps its name when that is emptied. */
const nodeIdPath = '/etc/rancher/node/id'

/** The node's name, with this machine's id (4 random bytes in hex, made on first use) appended when that is wanted. */
export async function fullNodeName(
  { nodeName, withNodeId }: { readonly nodeName: string; readonly withNodeId: boolean },
  path: string = nodeIdPath,
): Promise<string> {
  if (!withNodeId) return nodeName
  const known = (await readIfPresent(path))?.trim()
  if (known) return `${nodeName}-${known}`
  const made = randomBytes(4).toString('hex')
  await writeAtomically(path, `${made}\n`, 0o644, sharedFolder)
  return `${nodeName}-${made}`
}
