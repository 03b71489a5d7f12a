/** A real etcd of a test's own: free loopback ports, a folder in the temporary directory. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../client/testing/ports.ts'

export const etcdInstalled = spawnSync('etcd', ['--version']).status === 0
if (!etcdInstalled) console.warn("not tested with etcd: Debian's etcd-server is not installed")

export interface EtcdServer {
  readonly endpoint: string
  readonly pid: number
  /** `kill` false: SIGTERM and wait. */
  stop(kill?: boolean): Promise<void>
  /** The same data on the same ports. */
  start(): Promise<void>
  signal(name: NodeJS.Signals): void
  destroy(): Promise<void>
}

export interface EtcdServerOptions {
  /** Files with PEM; clients need a certificate of `ca` then. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
  /** Writes reach the disk before they are acknowledged; off unless told, tests are faster so. */
  readonly durable?: boolean
  readonly args?: readonly string[]
  /** Client and peer port, where a test has to know them beforehand. */
  readonly ports?: readonly [number, number]
}

/** Resolves when it takes clients. */
export async function startEtcdServer(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const dir = await mkdtemp(join(tmpdir(), 'skiff-etcd-'))
  const [clientPort, peerPort] = options.ports ?? [await freePort(), await freePort()]
  const { tls } = options
  const endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${clientPort}`
  const peer = `http://127.0.0.1:${peerPort}`
  const args = [
    ...['--name', 'test', '--data-dir', join(dir, 'data'), '--log-level', 'warn'],
    ...(options.durable ? [] : ['--unsafe-no-fsync']),
    ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `test=${peer}`],
    ...(tls ? ['--trusted-ca-file', tls.ca, '--cert-file', tls.cert, '--key-file', tls.key, '--client-cert-auth'] : []),
    ...(options.args ?? []),
  ]
  let child: ChildProcess | undefined
  const start = async () => {
    // It ends with the test, however that ends.
    child = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr!.on('data', (data: Buffer) => {
      said = (said + data).slice(-4000)
    })
    await listening(clientPort, child, () => said)
  }
  const stop = async (kill = false) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(kill ? 'SIGKILL' : 'SIGTERM')
    await gone
  }
  await start()
  return {
    endpoint,
    get pid() {
      return child!.pid!
    },
    start,
    stop,
    signal: name => void child!.kill(name),
    async destroy() {
      await stop(true)
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function listening(port: number, child: ChildProcess, said: () => string): Promise<void> {
  const { connect } = await import('node:net')
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error(`etcd ended: ${said()}`)
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise<boolean>(resolve => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  throw new Error(`etcd does not listen: ${said()}`)
}
