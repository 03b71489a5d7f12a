/**
 * A cluster of several machines on one network: servers at 198.51.100.11 and on, agents after them. Each is a Cluster of its
 * own machine, so all that tests do to one server they can do to any. destroy() leaves nothing behind.
 */
import { Bed } from './bed.ts'
import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts'
import { Network } from './network.ts'

export interface NodesOptions {
  readonly servers: number
  readonly agents?: number
  /**
   * Where several servers keep their data: the etcd they run themselves (unless told), or a --datastore-endpoint. A single
   * server has its SQLite file unless told.
   */
  readonly datastore?: 'embedded' | { readonly endpoint: string }
  /** A network of one's own making, e.g. with a database on it; its owner ends it. */
  readonly network?: Network
  /** Further flags of all servers, and of all agents. */
  readonly flags?: readonly string[]
  readonly agentFlags?: readonly string[]
  readonly token?: string
  /** What servers and agents that join are told; the first server unless told. */
  readonly url?: string
  /** Host names by role and number from 1; "server-1" and so on unless told. */
  readonly hostname?: (role: Role, number: number) => string
  /** What is done to a machine before anything starts on it. */
  readonly prepare?: (bed: Bed, role: Role, number: number) => Promise<void>
  readonly server?: Pick<ClusterOptions, 'disableAgent' | 'traefik' | 'manifests'>
  /** How all of them are run: see ClusterOptions. */
  readonly process?: Pick<ClusterOptions, 'program' | 'restartSeconds'>
  /** Where the log of a machine's processes goes besides, by its host name. */
  readonly logFile?: (hostname: string) => string
  /** Variables of one process. */
  readonly env?: (bed: Bed, role: Role, number: number) => NodeJS.ProcessEnv
}

export type Role = 'server' | 'agent'

const firstHost = 11
const byAddress = (a: Cluster, b: Cluster) => hostOf(a) - hostOf(b)
const hostOf = (cluster: Cluster) => Number(cluster.bed.address.split('.').at(-1))

export async function startNodes(options: NodesOptions): Promise<Nodes> {
  const network = options.network ?? (await Network.create())
  const nodes = new Nodes(network, options)
  try {
    await nodes.start()
    return nodes
  } catch (error) {
    await nodes.destroy()
    throw error
  }
}

export class Nodes {
  readonly network: Network
  readonly servers: Cluster[] = []
  readonly agents: Cluster[] = []
  readonly token: string
  readonly #options: NodesOptions
  readonly #beds: Bed[] = []
  #hosts = firstHost
  readonly #numbers = { server: 0, agent: 0 }

  constructor(network: Network, options: NodesOptions) {
    this.network = network
    this.#options = options
    this.token = options.token ?? 'test-bed-token'
  }

  /** All servers and agents, Ready. */
  async start(): Promise<void> {
    const { servers, agents = 0 } = this.#options
    await this.addServer()
    const more = Array.from({ length: servers - 1 }, () => this.addServer())
    await Promise.all([...more, ...Array.from({ length: agents }, () => this.addAgent())])
  }

  /** The first server; kubectl and the like. */
  get first(): Cluster {
    return this.servers[0]!
  }

  get all(): Cluster[] {
    return [...this.servers, ...this.agents]
  }

  get url(): string {
    return this.#options.url ?? `https://${this.servers[0]!.bed.address}:6443`
  }

  /** One more server, joined and Ready. The first one makes the cluster. */
  async addServer(flags: readonly string[] = []): Promise<Cluster> {
    const { flags: ours = [], server = {} } = this.#options
    const [index, bed] = [this.#numbers.server, await this.#bed('server')]
    const all = ['--token', this.token, ...this.#datastoreFlags(index === 0), ...ours, ...flags]
    const env = this.#options.env?.(bed, 'server', index + 1) ?? {}
    const cluster = await startCluster({ ...server, ...this.#process(bed), bed, env, flags: all })
    this.servers.push(cluster)
    this.servers.sort(byAddress)
    return cluster
  }

  /** One more agent, Ready. */
  async addAgent(flags: readonly string[] = []): Promise<Cluster> {
    const bed = await this.#bed('agent')
    const own = this.#options.env?.(bed, 'agent', this.#numbers.agent) ?? {}
    const env = { ...own, K3S_URL: this.url, K3S_TOKEN: this.token }
    const all = [...(this.#options.agentFlags ?? []), ...flags]
    const cluster = await startCluster({ ...this.#process(bed), bed, env, flags: all, agentOf: this.first })
    this.agents.push(cluster)
    this.agents.sort(byAddress)
    return cluster
  }

  async #bed(role: Role): Promise<Bed> {
    const number = ++this.#numbers[role]
    const host = this.#hosts++
    const hostname = this.#options.hostname?.(role, number) ?? `${role}-${number}`
    const bed = await Bed.create({ network: { network: this.network, host }, hostname })
    this.#beds.push(bed)
    await this.#options.prepare?.(bed, role, number)
    return bed
  }

  #process({ hostname }: Bed): Pick<ClusterOptions, 'logFile' | 'program' | 'restartSeconds'> {
    const { logFile, process } = this.#options
    return { ...(logFile ? { logFile: logFile(hostname) } : {}), ...process }
  }

  #datastoreFlags(isFirst: boolean): string[] {
    const { datastore = this.#options.servers > 1 ? 'embedded' : undefined } = this.#options
    if (datastore === undefined) return []
    if (datastore !== 'embedded') return ['--datastore-endpoint', datastore.endpoint]
    return isFirst ? ['--cluster-init'] : ['--server', this.url]
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#beds.map(bed => bed.destroy()))
    if (!this.#options.network) await this.network.destroy()
  }
}
