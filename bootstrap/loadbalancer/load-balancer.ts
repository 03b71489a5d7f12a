/**
 * The agent's way to the servers: a loopback port whose connections go to one server, and to another one when that fails.
 * It fails over, it does not balance: a connection stays until it or its server ends (k3s-behaviour 1.15).
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../log.ts'
import type { Metric } from '../metrics.ts'
import { connectTcp, type DialTimes, dialFirst, dialTimes } from './dial.ts'
import { balancerMetrics } from './metrics.ts'
import { ServerPool } from './pool.ts'
import { saveAddresses, savedAddresses } from './state-file.ts'
import { Watchdog } from './watchdog.ts'

export interface LoadBalancerOptions {
  /** "k3s-agent-load-balancer" */
  readonly name: string
  /** The URL the node was told to join by: the server of last resort. */
  readonly serverUrl: string
  /** 0 for a free one. */
  readonly port: number
  /** Addresses to listen at; 127.0.0.1 unless given. */
  readonly hosts?: readonly string[]
  /** Where the servers' addresses are kept. */
  readonly stateFile: string
}

export interface LoadBalancerEffects {
  readonly log: Pick<Logger, 'info' | 'warn' | 'debug'>
  readonly clock: { now(): number }
  readonly random: () => number
  readonly connect?: (address: string) => Socket
  readonly times?: DialTimes
}

export interface LoadBalancer {
  readonly port: number
  /** Addresses ("host:port") of the cluster's servers, sorted. */
  readonly addresses: readonly string[]
  readonly metrics: readonly Metric[]
  /** Why no server answers, in one line; undefined when one did last. */
  readonly trouble: string | undefined
  /** Takes the cluster's list of servers. An empty one changes nothing. */
  setServers(addresses: readonly string[]): void
  /** What somebody else knows of a server, e.g. whoever keeps a tunnel to it. */
  setHealth(address: string, healthy: boolean): void
  /** Whoever is connected gets no answers, though connections are taken: a frozen server. */
  giveUp(): void
  /** Resolves when it has written its last; what is told later changes nothing. */
  close(): Promise<void>
}

/** More clients than this waiting for a server are turned away. */
const mostWaiting = 64
/** For so long after nobody answered, clients are turned away without asking anybody. */
const restMs = 250

/** Resolves once it listens. Rejects when the port is taken. */
export async function startLoadBalancer(
  options: LoadBalancerOptions,
  effects: LoadBalancerEffects,
): Promise<LoadBalancer> {
  const { name, serverUrl, stateFile } = options
  const { log, clock, random, connect = connectTcp, times = dialTimes } = effects
  const pool = new ServerPool(addressOf(serverUrl), { now: () => clock.now(), random })
  pool.setServers(await savedAddresses(stateFile, serverUrl))
  const metrics = balancerMetrics(name, () => pool.servers)
  const failures = new Map<string, string>()
  const told = (address: string, event: 'connected' | 'failed', ms: number, why = 'no answer') => {
    metrics.dialed(event === 'connected' ? 'success' : 'error', ms)
    pool.tell(address, event)
    if (event === 'connected') failures.clear()
    else if (pool.has(address)) failures.set(address, `${address}: ${why}`)
  }
  const dial = { connect, told, now: () => clock.now() }
  const watchdog = new Watchdog(async address => {
    const found = await dialFirst([address], dial, { ...times, limitMs: times.patienceMs })
    found?.socket.destroy()
    if (!found) log.warn({ server: address }, `load balancer ${name}: the server does not answer any more`)
  })

  let waiting = 0
  let restUntil = 0
  async function serve(client: Socket): Promise<void> {
    client.on('error', () => client.destroy())
    if (waiting >= mostWaiting || clock.now() < restUntil) return void client.destroy()
    waiting++
    const found = await dialFirst(pool.candidates(), dial, times)
    waiting--
    if (!found) {
      restUntil = clock.now() + restMs
      log.debug({}, `load balancer ${name}: no server answers`)
      return void client.destroy()
    }
    const { address, socket } = found
    socket.setKeepAlive(true, 1000)
    pool.track(address, socket)
    relay(client, socket, watchdog.of(address))
  }

  let closed = false
  let saving = Promise.resolve()
  const save = () => {
    saving = saving
      .then(() => saveAddresses(stateFile, serverUrl, pool.addresses))
      .catch(error => log.warn({ file: stateFile, error: String(error) }, "cannot save the servers' addresses"))
  }
  const { port, close } = await listen(options, client => void serve(client))
  save()
  log.info({ port, servers: pool.addresses }, `Running load balancer ${name}`)
  return {
    port,
    metrics: metrics.all,
    get addresses() {
      return pool.addresses
    },
    get trouble() {
      return failures.size === 0 ? undefined : `no server answers (${[...failures.values()].join('; ')})`
    },
    setServers(addresses) {
      if (closed || !pool.setServers(addresses)) return
      log.info({ servers: pool.addresses }, `Updated load balancer ${name} server addresses`)
      save()
    },
    setHealth: (address, healthy) => pool.tell(address, healthy ? 'checked' : 'failed'),
    giveUp: () => pool.giveUp(),
    close() {
      closed = true
      close()
      watchdog.close()
      for (const { connections } of pool.servers) for (const socket of connections) socket.destroy()
      return saving
    },
  }
}

/** "host:port" of an https URL, whose port is left out when it is 443. */
function addressOf(serverUrl: string): string {
  const { hostname, port } = new URL(serverUrl)
  return `${hostname}:${port || '443'}`
}

/** Both directions, with back-pressure. Where one side breaks, the other ends too. */
function relay(client: Socket, server: Socket, traffic: { sent(): void; heard(): void }): void {
  if (client.destroyed) return void server.destroy()
  server.on('error', () => server.destroy())
  client.once('close', () => server.destroy())
  server.once('close', () => client.destroy())
  client.on('data', traffic.sent)
  server.on('data', traffic.heard)
  client.pipe(server)
  server.pipe(client)
}

async function listen(
  { port, hosts = ['127.0.0.1'] }: LoadBalancerOptions,
  accept: (client: Socket) => void,
): Promise<{ port: number; close: () => void }> {
  const servers: Server[] = []
  const clients = new Set<Socket>()
  let taken = port
  for (const host of hosts) {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, client => {
      clients.add(client)
      client.once('close', () => clients.delete(client))
      accept(client)
    })
    servers.push(server)
    server.listen({ host, port: taken })
    await once(server, 'listening')
    taken = (server.address() as { port: number }).port
  }
  return {
    port: taken,
    close() {
      for (const server of servers) server.close()
      for (const client of clients) client.destroy()
    },
  }
}
