/** etcd's programs, where a test finds them. */
import { spawnSync } from 'node:child_process'
import type { Datastore } from '../../datastore/datastore.ts'
import type { SnapshotPrograms } from '../snapshot.ts'

const which = (name: string): string | undefined => {
  const { status, stdout } = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

const etcd = which('etcd')
const etcdctl = which('etcdutl') ?? which('etcdctl')

export const canOpenEtcd = etcd !== undefined && etcdctl !== undefined
if (!canOpenEtcd)
  console.warn(
    "not tested with snapshots of etcd: Debian's etcd-server or etcd-client is not installed (scripts/setup.sh)",
  )

export const testPrograms: SnapshotPrograms = { etcd: async () => etcd, etcdctl: async () => etcdctl }

/** Whether what is needed to open this store's snapshots is installed. */
export const canOpen = ({ snapshotForm }: Pick<Datastore, 'snapshotForm'>): boolean =>
  snapshotForm !== 'etcd' || canOpenEtcd
