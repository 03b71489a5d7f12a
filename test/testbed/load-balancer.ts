/**
 * HAProxy as plain TCP load balancer on the outside machine of a network, 198.51.100.1, as people put one before their servers.
 * It also brings connections in from this machine: through sockets in a folder, which no network separates.
 */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Network } from './network.ts'

export const hasLoadBalancer = (() => {
  try {
    execFileSync('haproxy', ['-v'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

export interface Service {
  readonly port: number
  /** Which machines serve it, and at which port if not the same. */
  readonly addresses: readonly string[]
  readonly to?: number
}

export interface LoadBalancer {
  /** Where this machine reaches a service. */
  socketOf(port: number): string
  stop(): Promise<void>
}

/** Listens on the port of each service. Whom it cannot connect to for some checks, twice a second, it leaves out. */
export async function startLoadBalancer(network: Network, services: readonly Service[]): Promise<LoadBalancer> {
  const dir = mkdtempSync(join(tmpdir(), `skiff-bed-${process.pid}-balancer-`))
  const socketOf = (port: number) => join(dir, `${port}.sock`)
  const file = join(dir, 'haproxy.cfg')
  writeFileSync(file, configuration(services, socketOf))
  const child: ChildProcess = network.spawn(['haproxy', '-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr!.on('data', data => (said += data))
  const until = performance.now() + 10_000
  while (!services.every(({ port }) => existsSync(socketOf(port)))) {
    if (child.exitCode !== null || performance.now() > until) throw new Error(`no load balancer: ${said}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return {
    socketOf,
    async stop() {
      const gone = once(child, 'exit')
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await gone
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Joins a port of loopback (0: a free one) to such a socket. */
export async function forward(socket: string, port = 0): Promise<{ readonly port: number; close(): void }> {
  const server = createServer(client => {
    const inside = connect(socket)
    client.pipe(inside).pipe(client)
    client.on('error', () => inside.destroy()).on('close', () => inside.destroy())
    inside.on('error', () => client.destroy()).on('close', () => client.destroy())
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as { port: number }).port, close: () => server.close() }
}

function configuration(services: readonly Service[], socketOf: (port: number) => string): string {
  const head = [
    'defaults',
    '  mode tcp',
    '  timeout connect 2s',
    '  timeout client 1h',
    '  timeout server 1h',
    '  option redispatch 1',
    '  retries 3',
  ]
  const parts = services.flatMap(({ port, addresses, to = port }) => [
    `listen service-${port}`,
    `  bind 198.51.100.1:${port}`,
    `  bind unix@${socketOf(port)}`,
    '  balance leastconn',
    '  default-server check inter 500ms fall 3 rise 1 on-marked-down shutdown-sessions',
    ...addresses.map((address, index) => `  server s${index + 1} ${address}:${to}`),
  ])
  return `${[...head, ...parts].join('\n')}\n`
}
