/** Flags of `skiff etcd-snapshot` (k3s-io/k3s pkg/cli/cmds/etcd_snapshot.go). Those that `server` has, too, are its own, under two names. */
import { type Flag, serverFlags } from '../../config/flags.ts'

const of = (name: string, usage: string, more: Partial<Flag> = {}): Flag => ({
  type: 'string',
  group: 'db',
  name,
  usage,
  ...more,
})

/** A flag of `server`, which goes by a shorter name here. */
function shared(name: string, ...aliases: string[]): Flag {
  const flag = serverFlags.find(each => each.name === name)
  if (!flag) throw new Error(`server has no flag --${name}`)
  return aliases.length > 0 ? { ...flag, aliases } : flag
}

const s3 = serverFlags
  .filter(({ name }) => /^etcd-s3(-|$)/.test(name))
  .map(flag => ({ ...flag, aliases: [flag.name.replace(/^etcd-/, '')] }))

export const snapshotFlags: readonly Flag[] = [
  shared('debug'),
  shared('config'),
  shared('node-name'),
  shared('data-dir'),
  of('etcd-token', 'Shared secret used to authenticate to the server', { short: 't', group: 'cluster' }),
  of('etcd-server', 'Server to manage the snapshots of (default: https://127.0.0.1:6443)', {
    short: 's',
    group: 'cluster',
  }),
  // Of the configuration file: where the server on this machine listens.
  { ...shared('https-listen-port'), hidden: true },
  shared('etcd-snapshot-dir', 'dir'),
  of('name', 'Base name of the snapshot, appended with node name and UNIX timestamp', { default: 'on-demand' }),
  shared('etcd-snapshot-compress', 'snapshot-compress'),
  shared('etcd-snapshot-retention', 'snapshot-retention'),
  ...s3,
]

export const listFlags: readonly Flag[] = [
  ...snapshotFlags,
  of('output', "Form of the list, 'table', 'json' or 'yaml'", { short: 'o', default: 'table' }),
]

export const verifyFlags: readonly Flag[] = [
  ...snapshotFlags,
  shared('etcd-snapshot-passphrase-file', 'snapshot-passphrase-file'),
]
