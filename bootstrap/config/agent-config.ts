/** What `agent` runs with: a node's settings, and which cluster to join (k3s-io/k3s pkg/cli/agent). */
import { ConfigError, type FlagValues } from './parse.ts'
import { type Machine, type NodeConfig, nodeConfig } from './server-config.ts'

export interface AgentConfig extends NodeConfig {
  /** The URL the node joins by, without a trailing slash, e.g. "https://10.0.0.1:6443". */
  readonly serverUrl: string
  /** Left out by a node that has joined before: its certificate is enough. */
  readonly token: string | undefined
  /** Loopback port of the local load balancer. */
  readonly lbServerPort: number
  readonly disableApiserverLb: boolean
}

export interface AgentFacts {
  readonly machine: Machine
  /** The text of the token file, read where only that is given. */
  readonly token: string | undefined
  /** The node holds a client certificate from an earlier join. */
  readonly hasJoined: boolean
}

/** Throws ConfigError, in K3s' words for what is missing. */
export function agentConfig(values: FlagValues, { machine, token, hasJoined }: AgentFacts): AgentConfig {
  if (token === undefined && !hasJoined) throw new ConfigError('--token is required')
  const url = values.string('server')
  if (url === undefined) throw new ConfigError('--server is required')
  for (const name of ['rootless', 'docker'])
    if (values.bool(name)) throw new ConfigError(`--${name} is not supported by this version yet: leave it out`)
  const lbServerPort = values.int('lb-server-port') ?? 6444
  if (lbServerPort < 1 || lbServerPort > 65535)
    throw new ConfigError(`invalid --lb-server-port ${lbServerPort}: want a port from 1 to 65535`)
  return {
    ...nodeConfig(values, machine),
    serverUrl: serverUrl(url),
    token,
    lbServerPort,
    disableApiserverLb: values.bool('disable-apiserver-lb'),
  }
}

function serverUrl(text: string): string {
  const url = URL.parse(text)
  if (!url) throw new ConfigError(`Invalid server url, failed to parse: ${text}: want https://HOST:6443`)
  if (url.protocol !== 'https:')
    throw new ConfigError(`only https:// URLs are supported, invalid scheme: ${text}: want https://HOST:6443`)
  // A path is kept: servers may sit behind a proxy.
  return `https://${url.hostname}:${url.port || '443'}${url.pathname.replace(/\/+$/, '')}`
}
