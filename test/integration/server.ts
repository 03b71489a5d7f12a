/** Starts the program as a user would, as its own process with its own data directory, and clears everything away again. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parse } from 'yaml'
import { freePort } from '../../bootstrap/client/testing/ports.ts'

const program = join(import.meta.dirname, '../../skiff.ts')
const startLimit = 60_000

export interface RunningServer {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string
  readonly url: string
  readonly pid: number
  readonly dataDir: string
  /** The cluster's CA and the administrator's certificate and key, in PEM. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  /** What the process has printed so far. */
  log(): string
  /** Ends the process as a service manager does; the data directory stays. Resolves with its exit code. */
  stop(): Promise<number | null>
  /** Ends the process without any warning, as a power cut does. */
  kill9(): Promise<void>
  /** Ends the process and removes its files. */
  remove(): Promise<void>
}

/**
 * A server without node agent. `dataDir` starts it on what an earlier one left.
 * Rejects with the process's output when it ends or does not become ready within a minute.
 */
export async function startServer(flags: readonly string[] = [], dataDir?: string): Promise<RunningServer> {
  const directory = dataDir ?? (await mkdtemp(join(tmpdir(), 'skiff-integration-')))
  const port = await freePort()
  const kubeconfig = join(directory, 'k.yaml')
  const logFile = join(directory, 'log')
  await rm(kubeconfig, { force: true })
  const words = ['server', '--disable-agent', '--data-dir', directory, '--https-listen-port', String(port)]
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program, ...words, '--write-kubeconfig', kubeconfig, ...flags],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, SKIFF_ARGV0: 'skiff' } },
  )
  const output = createWriteStream(logFile)
  child.stdout.pipe(output, { end: false })
  child.stderr.pipe(output, { end: false })
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '')
  const end = (signal: NodeJS.Signals) => ended(child, signal)
  const remove = async () => {
    await end('SIGKILL')
    output.end()
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    await untilReady(child, () => existsSync(kubeconfig) && log().includes('up and running'))
    const url = `https://127.0.0.1:${port}`
    const tls = credentials(await readFile(kubeconfig, 'utf8'))
    const stop = () => end('SIGTERM')
    const kill9 = async () => void (await end('SIGKILL'))
    return { kubeconfig, url, pid: child.pid!, dataDir: directory, tls, log, stop, kill9, remove }
  } catch (error) {
    const text = log()
    await remove()
    throw new Error(`the server did not start: ${(error as Error).message}\n${text}`)
  }
}

/** Any subcommand, as a user runs it; with both its outputs. */
export function skiff(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, [program, ...args], { timeout: 300_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr })
    })
  })
}

async function untilReady(child: ChildProcess, ready: () => boolean): Promise<void> {
  const until = Date.now() + startLimit
  while (!ready()) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    if (Date.now() > until) throw new Error('it is not ready after a minute')
    await delay(20)
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }
  return child.exitCode
}

function credentials(kubeconfig: string): RunningServer['tls'] {
  const { clusters, users } = parse(kubeconfig) as {
    clusters: { cluster: { 'certificate-authority-data': string } }[]
    users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[]
  }
  const pem = (base64: string) => Buffer.from(base64, 'base64').toString()
  const user = users[0]!.user
  return {
    ca: pem(clusters[0]!.cluster['certificate-authority-data']),
    cert: pem(user['client-certificate-data']),
    key: pem(user['client-key-data']),
  }
}
