/** The secret by which a node shows that it is the one its name was first used by (k3s-io/k3s pkg/agent/config). */
import { readIfPresent, sharedFolder, writeAtomically } from '../pki/files.ts'
import { generatePassword } from '../pki/token.ts'

export const nodePasswordPath = '/etc/rancher/node/password'

/** Reads the file, or makes it with a random password. */
export async function readNodePassword(path: string = nodePasswordPath): Promise<string> {
  const known = (await readIfPresent(path))?.trim()
  if (known) return known
  const password = generatePassword()
  await writeAtomically(path, `${password}\n`, 0o600, sharedFolder)
  return password
}
