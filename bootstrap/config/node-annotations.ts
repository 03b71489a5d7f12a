/** What a node tells of its own configuration: arguments and environment, without secrets (k3s pkg/nodeconfig). */
import { createHash } from 'node:crypto'

const omitted = '********'
const secretFlags = new Set([
  '--token',
  '-t',
  '--agent-token',
  '--cluster-secret',
  '--datastore-endpoint',
  '--vpn-auth',
  '--etcd-token',
  '--etcd-s3-access-key',
  '--etcd-s3-secret-key',
  '--etcd-s3-session-token',
  '--etcd-s3-proxy',
])
const secretVariables = new Set([
  'K3S_TOKEN',
  'K3S_AGENT_TOKEN',
  'K3S_CLUSTER_SECRET',
  'K3S_DATASTORE_ENDPOINT',
  'K3S_VPN_AUTH',
])

/**
 * Annotations k3s.io/node-args, node-env and node-config-hash. `args` is the command line with the configuration file's
 * arguments in it; of `env` only the variables named K3S_ are told. The hash shows a change, not what it was.
 */
export function configAnnotations(
  args: readonly string[],
  env: { readonly [name: string]: string | undefined },
): { readonly [key: string]: string } {
  const words = args.flatMap(arg => {
    const at = arg.startsWith('--') ? arg.indexOf('=') : -1
    return at < 0 ? [arg] : [arg.slice(0, at), arg.slice(at + 1)]
  })
  const nodeArgs = JSON.stringify(words.map((word, i) => (secretFlags.has(words[i - 1] ?? '') ? omitted : word)))
  const variables = Object.entries(env).filter(([name]) => name.startsWith('K3S_'))
  const told = variables.map(([name, value]) => [name, secretVariables.has(name) ? omitted : value] as const)
  const nodeEnv = JSON.stringify(Object.fromEntries(told.sort(([a], [b]) => (a < b ? -1 : 1))))
  return {
    'k3s.io/node-args': nodeArgs,
    'k3s.io/node-env': nodeEnv,
    'k3s.io/node-config-hash': base32(
      createHash('sha256')
        .update(nodeArgs + nodeEnv)
        .digest(),
    ),
  }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** RFC 4648, padded. */
function base32(bytes: Buffer): string {
  const bits = Array.from(bytes, byte => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{1,5}/g) ?? []
  const text = groups.map(group => alphabet[Number.parseInt(group.padEnd(5, '0'), 2)]).join('')
  return text.padEnd(Math.ceil(text.length / 8) * 8, '=')
}
