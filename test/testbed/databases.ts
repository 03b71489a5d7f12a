/** Databases that servers share, on the outside machine of a network: started, stopped, held up as tests want. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Network } from './network.ts'

export type DatabaseKind = 'etcd'

export interface Database {
  /** As --datastore-endpoint takes it. */
  readonly endpoint: string
  /** The same data again after `kill` or `stop`. */
  start(): Promise<void>
  kill(): Promise<void>
  /** It takes connections and answers nothing, until `resume`. */
  pause(): void
  resume(): void
  destroy(): Promise<void>
}

interface Program {
  readonly command: readonly string[]
  readonly port: number
  readonly endpoint: string
}

const host = '198.51.100.1'
const limitMs = 30_000

const programs: { readonly [kind in DatabaseKind]: (dir: string) => Program } = {
  etcd: dir => ({
    command: [
      ...['etcd', '--name', 'test', '--data-dir', join(dir, 'data'), '--log-level', 'warn'],
      ...['--listen-client-urls', `http://${host}:2379`, '--advertise-client-urls', `http://${host}:2379`],
      ...['--listen-peer-urls', 'http://127.0.0.1:2380', '--initial-advertise-peer-urls', 'http://127.0.0.1:2380'],
      ...['--initial-cluster', 'test=http://127.0.0.1:2380'],
    ],
    port: 2379,
    endpoint: `http://${host}:2379`,
  }),
}

/** Whether the program is on this machine. */
export function hasDatabase(kind: DatabaseKind): boolean {
  try {
    execFileSync(programs[kind]('/').command[0]!, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    console.log(`${kind}: skipped, it is not installed`)
    return false
  }
}

export async function startDatabase(kind: DatabaseKind, network: Network): Promise<Database> {
  const dir = mkdtempSync(join(tmpdir(), `skiff-bed-${process.pid}-${kind}-`))
  const { command, port, endpoint } = programs[kind](dir)
  let child: ChildProcess | undefined
  const start = async () => {
    child = network.spawn(command, { stdio: 'ignore' })
    await listening(network, port, child)
  }
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  await start()
  return {
    endpoint,
    start,
    kill,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async destroy() {
      await kill()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function listening(network: Network, port: number, child: ChildProcess): Promise<void> {
  const until = performance.now() + limitMs
  while ((await network.run(['bash', '-c', `exec 3<>/dev/tcp/${host}/${port}`])).code !== 0) {
    if (child.exitCode !== null) throw new Error(`the database ended with ${child.exitCode}`)
    if (performance.now() > until) throw new Error(`the database does not listen on ${port}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
