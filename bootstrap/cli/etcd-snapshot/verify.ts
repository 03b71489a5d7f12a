/** `etcd-snapshot verify`: whether snapshots can be restored. The server tries those it has; a path is tried here, without any server. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Invocation } from './command.ts'
import { logLine } from './print.ts'
import { askServer } from './request.ts'

interface Copy {
  readonly name: string
  /** As in the snapshot's object; a path tells where it is itself. */
  readonly location?: string
}

interface Good extends Copy {
  readonly form: string
  readonly revision: number
  readonly keys: number
}

interface Answer {
  readonly verified: readonly Good[]
  readonly failed: readonly (Copy & { readonly message: string })[]
}

/** Resolves with exit code 1 when any of them cannot be restored. */
export async function verifySnapshots(invocation: Invocation): Promise<number> {
  const { args, host, values } = invocation
  const paths = args.filter(arg => arg.includes('/'))
  const names = args.filter(arg => !arg.includes('/'))
  const answers = await Promise.all(paths.map(path => verifyHere(path, invocation)))
  if (names.length > 0 || paths.length === 0)
    answers.push((await askServer({ operation: 'verify', name: names }, values, host)) as Answer)
  for (const { form, revision, keys, ...copy } of answers.flatMap(({ verified }) => verified))
    logLine(host, 'info', `Snapshot ${nameOf(copy)} can be restored: ${form}, revision ${revision}, ${keys} keys.`)
  const failed = answers.flatMap(answer => answer.failed)
  for (const { message, ...copy } of failed)
    logLine(host, 'error', `Snapshot ${nameOf(copy)} cannot be restored: ${message}`)
  return failed.length > 0 ? 1 : 0
}

/** The one in S3 by its address: that on disk has the same name. */
const nameOf = ({ name, location }: Copy) => (location?.startsWith('s3://') ? location : name)

async function verifyHere(path: string, { values }: Invocation): Promise<Answer> {
  const [{ verifySnapshot }, { readPassphrase }, { snapshotPrograms: programs }] = await Promise.all([
    import('../../snapshots/verify.ts'),
    import('../../snapshots/passphrase.ts'),
    import('../../kernel-snapshots.ts'),
  ])
  const dir = await mkdtemp(join(tmpdir(), 'skiff-verify-'))
  try {
    const passphrase = await readPassphrase(values.string('etcd-snapshot-passphrase-file'))
    const { signal } = new AbortController()
    return {
      verified: [{ name: path, ...(await verifySnapshot(path, { dir, signal, passphrase, programs })) }],
      failed: [],
    }
  } catch (error) {
    if ((error as Error).name !== 'SnapshotError') throw error
    return { verified: [], failed: [{ name: path, message: (error as Error).message }] }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
