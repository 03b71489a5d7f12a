/** What the kernel gives userland for snapshots of this server's datastore. */
import { readdirSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram } from './agent/containerd/supervisor.ts'
import { sealedKey, sealedPrefix } from './cluster/seal.ts'
import type { TokenKeeper } from './cluster/tokens.ts'
import type { ServerConfig } from './config/server-config.ts'
import type { Datastore, SnapshotForm } from './datastore/datastore.ts'
import type { EmbeddedEtcd } from './etcd/embedded.ts'
import { serverPassword } from './pki/token.ts'
import { readPassphrase } from './snapshots/passphrase.ts'
import { type SnapshotPrograms, suffixOf } from './snapshots/snapshot.ts'
import type { KernelSnapshots } from './userland.ts'

export interface SnapshotParts {
  readonly config: Pick<ServerConfig, 'dataDir' | 'etcd'>
  readonly datastore: Datastore
  readonly etcd: Pick<EmbeddedEtcd, 'name' | 'members'> | undefined
  readonly tokens: Pick<TokenKeeper, 'current'>
}

const engines: { readonly [form in SnapshotForm]: KernelSnapshots['engine'] } = {
  etcd: 'etcd',
  sqlite: 'sqlite',
  dump: 'sql',
}

export const snapshotPrograms: SnapshotPrograms = {
  etcd: () => findProgram('etcd'),
  etcdctl: async () => (await findProgram('etcdutl')) ?? (await findProgram('etcdctl')),
}

const verifyFolder = 'verify-'

/** To be called while the data-dir is locked, and nothing is verified yet: what a killed process had unpacked goes. */
export function kernelSnapshots({ config, datastore, etcd, tokens }: SnapshotParts): KernelSnapshots {
  const { snapshotPassphraseFile } = config.etcd
  const passphrase = () => readPassphrase(snapshotPassphraseFile)
  const beside = join(config.dataDir, 'server/db')
  removeLeft(beside)
  return {
    engine: engines[datastore.snapshotForm],
    get tokenHash() {
      return tokenHashOf(serverPassword(tokens.current().token))
    },
    suffix: compress => suffixOf({ compress, encrypt: snapshotPassphraseFile !== undefined }),
    async take(file, options) {
      const { takeSnapshot } = await import('./snapshots/take.ts')
      return takeSnapshot(datastore, { ...options, file, passphrase: await passphrase() })
    },
    async inspect(file) {
      const { inspect } = await import('./snapshots/inspect.ts')
      return inspect(file)
    },
    async verify(file, signal) {
      const { verifySnapshot } = await import('./snapshots/verify.ts')
      const dir = await mkdtemp(join(beside, verifyFolder))
      try {
        return await verifySnapshot(file, { dir, signal, passphrase: await passphrase(), programs: snapshotPrograms })
      } finally {
        await rm(dir, { recursive: true, force: true })
      }
    },
    async notReady() {
      // Without a majority nobody answers; what this member has may be all there is to save then.
      const members = await etcd?.members().catch(() => undefined)
      const member = members?.find(({ name }) => name === etcd?.name)
      return member?.isLearner ? 'this server is still a learner of the etcd cluster' : undefined
    },
  }
}

function removeLeft(folder: string): void {
  for (const name of readdirSync(folder))
    if (name.startsWith(verifyFolder)) rmSync(join(folder, name), { recursive: true, force: true })
}

/** As K3s tells tokens apart, without what shows them: the cluster's secrets are under it in the datastore, too. */
export const tokenHashOf = (password: string): string => sealedKey(password).slice(sealedPrefix.length)
