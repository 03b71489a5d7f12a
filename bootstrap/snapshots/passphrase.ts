/** The passphrase of encrypted snapshots: the text of a file, without white space around it. */
import { readFile } from 'node:fs/promises'
import { SnapshotError } from './snapshot.ts'

/** Read at each use, so it can be changed while the server runs. SnapshotError where the file cannot be read or is empty. */
export async function readPassphrase(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const text = await readFile(file, 'utf8').catch(error => {
    throw new SnapshotError(`cannot read --etcd-snapshot-passphrase-file ${file}: ${(error as Error).message}`)
  })
  const passphrase = text.trim()
  if (passphrase === '') throw new SnapshotError(`--etcd-snapshot-passphrase-file ${file} is empty`)
  return passphrase
}
