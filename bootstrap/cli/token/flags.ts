/** Flags of `skiff token` (k3s-io/k3s pkg/cli/cmds/token.go). */
import type { Flag } from '../../config/flags.ts'

const flag = (name: string, usage: string, more: Partial<Flag> = {}): Flag => ({
  type: 'string',
  group: 'cluster',
  name,
  usage,
  ...more,
})

export const tokenFlags: readonly Flag[] = [
  flag('data-dir', 'Folder to hold state', {
    short: 'd',
    env: 'K3S_DATA_DIR',
    default: '/var/lib/rancher/k3s',
    group: 'data',
  }),
  flag('kubeconfig', 'Server to connect to', { env: 'KUBECONFIG' }),
]

export const createFlags: readonly Flag[] = [
  ...tokenFlags,
  flag('description', 'A human friendly description of how this token is used'),
  flag('groups', 'Extra groups that this token will authenticate as when used for authentication', {
    type: 'list',
    default: 'system:bootstrappers:k3s:default-node-token',
  }),
  flag('ttl', "The time after which the token is deleted, such as 1s, 2m or 3h; with '0' it never expires", {
    type: 'duration',
    default: '24h',
  }),
  flag('usages', 'The ways in which this token can be used', { type: 'list', default: 'signing,authentication' }),
]

export const listFlags: readonly Flag[] = [
  ...tokenFlags,
  flag('output', "Form of the list, 'text' or 'json'", { short: 'o', default: 'text' }),
]

export const rotateFlags: readonly Flag[] = [
  ...tokenFlags,
  flag('token', 'Existing token used to join a server or agent to a cluster', { short: 't', env: 'K3S_TOKEN' }),
  flag('server', 'Server to connect to', { short: 's', env: 'K3S_URL', default: 'https://127.0.0.1:6443' }),
  flag('new-token', 'New token that replaces the existing one; a random one where it is left out'),
]
