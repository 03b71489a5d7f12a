/** Where the embedded etcd keeps its things, and what this server is called in its cluster (k3s-io/k3s pkg/etcd). */
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeAtomically } from '../pki/files.ts'

export interface EtcdFiles {
  /** etcd's own folder; it is readable by its owner only. */
  readonly dir: string
  /** Exists once etcd has begun to work in `dir`. */
  readonly wal: string
  readonly name: string
  readonly config: string
  /** Marks a folder whose member was removed from the cluster. */
  readonly tombstone: string
  /** Written by --cluster-reset, removed by the next ordinary start. */
  readonly resetFlag: string
  /** There as long as no other member has been seen. */
  readonly alone: string
  readonly sqlite: string
  /** There while data is being copied from SQLite: what etcd has is not all of it. */
  readonly migrating: string
  readonly tls: string
}

export function etcdFiles(dataDir: string): EtcdFiles {
  const db = join(dataDir, 'server/db')
  const dir = join(db, 'etcd')
  return {
    dir,
    wal: join(dir, 'member/wal'),
    name: join(dir, 'name'),
    config: join(dir, 'config'),
    tombstone: join(dir, 'tombstone'),
    alone: join(dir, 'alone'),
    resetFlag: join(db, 'reset-flag'),
    sqlite: join(db, 'state.db'),
    migrating: join(db, 'etcd-migrating'),
    tls: join(dataDir, 'server/tls/etcd'),
  }
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** The name on file, or a new one: the node's with eight hex digits, so that a node that comes back is another member. */
export async function memberName(
  files: EtcdFiles,
  nodeName: string,
  uuid: () => string,
  anew = false,
): Promise<string> {
  const known = anew ? '' : (await readFile(files.name, 'utf8').catch(() => '')).trim()
  if (known !== '') return known
  const name = `${nodeName}-${uuid().slice(0, 8)}`
  await mkdir(files.dir, { recursive: true, mode: 0o700 })
  await writeAtomically(files.name, name)
  return name
}

/** The node's name in a member's. */
export function nodeNameOf(member: string): string {
  return member.replace(/-[^-]*$/, '')
}

/** Puts etcd's folder aside as etcd-old-<unix seconds>; resolves with where it is now. */
export async function putAside(files: EtcdFiles, nowMs: number): Promise<string> {
  const aside = join(dirname(files.dir), `etcd-old-${Math.floor(nowMs / 1000)}`)
  await rm(aside, { recursive: true, force: true })
  await rename(files.dir, aside)
  return aside
}
