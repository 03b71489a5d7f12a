/** What a Corefile asks for, as settings; directives this server does not have are refused when it is read. */
import { CorefileError, type Directive, type ServerBlock } from './corefile.ts'

export interface KubernetesConfig {
  readonly zones: readonly string[]
  /** Answer a-b-c-d.ns.pod names: never, always, or only for pods that exist. */
  readonly pods: 'disabled' | 'insecure' | 'verified'
  readonly ttl: number
  /** Zones whose unknown names go on to the next plugin; "all" for every zone. */
  readonly fallthrough: readonly string[]
}

export interface HostsConfig {
  readonly file: string
  readonly ttl: number
  readonly fallthrough: boolean
}

export interface ForwardConfig {
  readonly zone: string
  /** Addresses, or files like /etc/resolv.conf. */
  readonly to: readonly string[]
  readonly policy: 'random' | 'round_robin' | 'sequential'
}

export interface ZoneServer {
  /** Lower case, with a trailing dot; "." for all names. */
  readonly zones: readonly string[]
  readonly port: number
  readonly kubernetes: KubernetesConfig | undefined
  readonly hosts: HostsConfig | undefined
  readonly forward: ForwardConfig | undefined
  /** Largest time to keep answers, in seconds; undefined without the cache directive. */
  readonly cacheSeconds: number | undefined
  readonly loadbalance: boolean
  readonly log: boolean
  readonly healthPort: number | undefined
  readonly readyPort: number | undefined
  readonly metricsPort: number | undefined
  readonly reload: boolean
}

/** Plugins that are understood; those without settings of their own need no more. */
const known = new Set([
  'errors',
  'health',
  'ready',
  'kubernetes',
  'hosts',
  'prometheus',
  'cache',
  'loop',
  'reload',
  'loadbalance',
  'forward',
  'log',
])

/** Throws CorefileError for what this server cannot do. */
export function zoneServers(blocks: readonly ServerBlock[], file: string): ZoneServer[] {
  return blocks.map(block => zoneServer(block, file))
}

function zoneServer({ addresses, directives }: ServerBlock, file: string): ZoneServer {
  const unknown = directives.find(directive => !known.has(directive.name))
  if (unknown)
    throw new CorefileError(
      `${file}:${unknown.line}: unknown plugin "${unknown.name}": want one of ${[...known].sort().join(', ')}`,
    )
  const places = addresses.map(parseAddress)
  const port = places[0]?.port ?? 53
  if (places.some(place => place.port !== port))
    throw new CorefileError(`${file}: the addresses of one server block must have one port`)
  const find = (name: string) => directives.find(directive => directive.name === name)
  const cache = find('cache')
  return {
    zones: places.map(place => place.zone),
    port,
    kubernetes: mapped(find('kubernetes'), kubernetesConfig),
    hosts: mapped(find('hosts'), hostsConfig),
    forward: mapped(find('forward'), directive => forwardConfig(directive, file)),
    cacheSeconds: cache && (cache.args.map(Number).find(Number.isFinite) ?? 3600),
    loadbalance: find('loadbalance') !== undefined,
    log: find('log') !== undefined,
    healthPort: mapped(find('health'), ({ args }) => portOf(args[0], 8080)),
    readyPort: mapped(find('ready'), ({ args }) => portOf(args[0], 8181)),
    metricsPort: mapped(find('prometheus'), ({ args }) => portOf(args[0], 9153)),
    reload: find('reload') !== undefined,
  }
}

const mapped = <T>(directive: Directive | undefined, config: (directive: Directive) => T): T | undefined =>
  directive === undefined ? undefined : config(directive)

function parseAddress(text: string): { zone: string; port: number } {
  const match = /^(?:dns:\/\/)?(.*?)(?::(\d+))?$/.exec(text)!
  return { zone: zoneName(match[1] ?? '.'), port: Number(match[2] ?? 53) }
}

export function zoneName(text: string): string {
  return text === '' || text === '.' ? '.' : `${text.toLowerCase().replace(/\.$/, '')}.`
}

const portOf = (address: string | undefined, fallback: number): number =>
  Number(/(\d+)$/.exec(address ?? '')?.[1] ?? fallback)

function kubernetesConfig({ args, block }: Directive): KubernetesConfig {
  const setting = (name: string) => block.find(directive => directive.name === name)
  const fallthrough = setting('fallthrough')
  const pods = setting('pods')?.args[0]
  return {
    zones: args.map(zoneName),
    pods: pods === 'insecure' || pods === 'verified' ? pods : 'disabled',
    ttl: Number(setting('ttl')?.args[0] ?? 5),
    fallthrough:
      fallthrough === undefined ? [] : fallthrough.args.length === 0 ? ['.'] : fallthrough.args.map(zoneName),
  }
}

function hostsConfig({ args, block }: Directive): HostsConfig {
  const ttl = block.find(directive => directive.name === 'ttl')?.args[0]
  return {
    file: args[0] ?? '/etc/hosts',
    ttl: Number(ttl ?? 3600),
    fallthrough: block.some(directive => directive.name === 'fallthrough'),
  }
}

function forwardConfig({ args, block, line }: Directive, file: string): ForwardConfig {
  const [zone, ...to] = args
  if (zone === undefined || to.length === 0)
    throw new CorefileError(`${file}:${line}: forward wants a zone and at least one server`)
  const policy = block.find(directive => directive.name === 'policy')?.args[0]
  return { zone: zoneName(zone), to, policy: policy === 'round_robin' || policy === 'sequential' ? policy : 'random' }
}
