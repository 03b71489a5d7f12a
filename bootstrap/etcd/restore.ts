/**
 * A new cluster of one member for --cluster-reset-restore-path, made beside the one there is (k3s-io/k3s pkg/etcd). It is another
 * cluster than before to etcd: members of the old one that still run can do it no harm.
 */
import { execFile } from 'node:child_process'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ConfigError } from '../config/parse.ts'
import type { Datastore, Entry, Revision } from '../datastore/datastore.ts'
import { openEtcd } from '../datastore/etcd/etcd.ts'
import { fillEtcd } from '../datastore/etcd/fill.ts'
import { shiftKey } from '../datastore/etcd/shifted.ts'
import { writeAtomically } from '../pki/files.ts'
import { type EmbeddedEffects, type EmbeddedOptions, memberOf, settle } from './embedded.ts'
import { etcdFiles } from './files.ts'
import { Membership } from './membership.ts'
import { EtcdProcess } from './process.ts'
import { alone } from './reset.ts'
import { type Beginning, etcdSettings, localUrl, type MemberSettings, peerUrl } from './settings.ts'

const run = promisify(execFile)

export interface EtcdStage {
  /** `dataDir` is where the certificates are that the member is to have. */
  readonly options: EmbeddedOptions
  /** Becomes etcd's folder by being renamed; made here. */
  readonly dir: string
  /** Where the restored cluster's revisions go on. */
  readonly at: Revision
  readonly content: /** etcd's own snapshot, and the program that restores it. */
    | { readonly from: 'snapshot'; readonly file: string; readonly etcdctl: string }
    | { readonly from: 'entries'; readonly entries: AsyncIterable<Entry> }
}

/** Resolves once the member's folder is complete and nothing uses it any more. */
export async function stageEtcd({ options, dir, at, content }: EtcdStage, effects: EmbeddedEffects): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const member = await memberOf(filesIn(dir, options.dataDir), options, effects)
  const beginning: Beginning = {
    cluster: [`${member.name}=${peerUrl(member)}`],
    state: 'new',
    token: `restored-${effects.uuid()}`,
  }
  if (content.from === 'snapshot') await unpack(member, beginning, content)
  else await settle(member, beginning, { program: options.program, secluded: true }, effects)
  await writeAtomically(
    member.files.config,
    etcdSettings(member, beginning, { alone: true, secluded: true, bulk: true }),
  )
  await whileRunning(member, options, effects, async () => {
    const way = { endpoints: [localUrl(member)], tls: options.tls, clock: effects.clock }
    if (content.from === 'entries') await fillEtcd(way, content.entries)
    const store = await openEtcd(way)
    await goOnAt(store, at).finally(() => store.close())
  })
  await writeAtomically(member.files.alone, '')
}

const filesIn = (dir: string, dataDir: string) => ({
  ...etcdFiles(dataDir),
  dir,
  wal: join(dir, 'member/wal'),
  name: join(dir, 'name'),
  config: join(dir, 'config'),
  alone: join(dir, 'alone'),
})

/** etcd's program makes a folder of its own, which must not be there before. */
async function unpack(
  { files, name, ...member }: MemberSettings,
  { cluster, token }: Beginning,
  { file, etcdctl }: { readonly file: string; readonly etcdctl: string },
): Promise<void> {
  const made = join(files.dir, 'unpacked')
  await rm(made, { recursive: true, force: true })
  const peer = peerUrl({ files, name, ...member })
  try {
    await run(
      etcdctl,
      [
        ...['snapshot', 'restore', file, '--data-dir', made, '--name', name],
        ...['--initial-cluster', cluster.join(','), '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster-token', token!],
      ],
      { env: { ETCDCTL_API: '3', PATH: process.env.PATH } },
    )
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string }
    const said = stderr.trim().split('\n').at(-1) || message
    throw new ConfigError(`etcd cannot restore ${file}: ${said}`)
  }
  await rename(join(made, 'member'), join(files.dir, 'member'))
  await rm(made, { recursive: true })
}

async function whileRunning(
  member: MemberSettings,
  { program, tls }: EmbeddedOptions,
  effects: EmbeddedEffects,
  work: () => Promise<void>,
): Promise<void> {
  const process = new EtcdProcess({ ...effects, program, config: member.files.config })
  const local = new Membership({ endpoints: [localUrl(member)], tls, clock: effects.clock })
  try {
    process.start()
    await alone(local, process, effects)
    await work()
  } finally {
    local.close()
    await process.stop()
  }
}

/** etcd's own revisions cannot be set: what is to be added to them is (shifted.ts). It holds from the next opening on. */
async function goOnAt(store: Datastore, at: Revision): Promise<void> {
  const known = (await store.read(shiftKey)).entries.find(({ key }) => key === shiftKey)
  const shift = Number(known?.value.toString() ?? 0) + Math.max(0, at - (await store.revision()))
  const value = Buffer.from(String(shift))
  await store.commit(
    known ? { op: 'update', key: shiftKey, value, revision: known.revision } : { op: 'create', key: shiftKey, value },
  )
  await store.compact(await store.revision())
}
