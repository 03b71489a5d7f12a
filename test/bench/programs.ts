/** Starts and stops what is measured: a Skiff server without a node, and the bare server that is its floor. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { loadKubeconfig } from '../../bootstrap/client/kubeconfig.ts'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { ensurePki } from '../../bootstrap/pki/pki.ts'
import { Http, type Target } from './http.ts'

const program = process.env.SKIFF_BENCH_PROGRAM ?? join(import.meta.dirname, '../../bin/skiff')
const startLimitMs = 30_000

export interface Running {
  readonly pid: number
  readonly target: Target
  /** Of performance.now(). */
  readonly startedAt: number
  /** From the process's start to its first answer to a client with a certificate. */
  readonly readyMs: number
  stop(): Promise<void>
}

/** Runs `work` with a directory that is gone afterwards. */
export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'skiff-bench-'))
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

export interface StartOptions {
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Another than the one that is measured. */
  readonly program?: string
}

/** An API server over `directory`, without a node; resolves once /readyz answers 200. */
export async function startApi(directory: string, options: StartOptions = {}): Promise<Running> {
  const port = await freePort()
  const flags = ['--disable-agent', '--disable-scheduler', '--bind-address=127.0.0.1', `--https-listen-port=${port}`]
  return await startServer(directory, port, [...flags, ...(options.args ?? [])], options)
}

/** A server with its node, inside a bed; resolves once /readyz answers 200. */
export async function startNode(directory: string): Promise<Running> {
  return await startServer(directory, 6443, [])
}

async function startServer(
  directory: string,
  port: number,
  flags: readonly string[],
  options: StartOptions = {},
): Promise<Running> {
  const kubeconfig = join(directory, 'k.yaml')
  const started = performance.now()
  const places = [`--data-dir=${directory}/data`, `--write-kubeconfig=${kubeconfig}`]
  const child = spawn(options.program ?? program, ['server', ...places, ...flags], {
    stdio: ['ignore', 'ignore', process.env.SKIFF_BENCH_LOGS ? 'inherit' : 'ignore'],
    env: { ...process.env, ...options.env },
  })
  const server = `https://127.0.0.1:${port}`
  const target = await untilReady(child, async () => ({ ...(await loadKubeconfig(kubeconfig)).remote, server }))
  return running(child, target, started)
}

/** Node's own HTTP/2 server with the same kind of certificates, once it answers. */
export async function startFloor(directory: string, env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const { files, target: credentials } = await floorCertificates(directory)
  const started = performance.now()
  const child = spawn(process.execPath, [join(import.meta.dirname, 'floor-server.js'), ...files], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const server = `https://127.0.0.1:${line.toString().trim()}`
  const target = await untilReady(child, async () => ({ ...credentials, server }))
  return running(child, target, started)
}

async function floorCertificates(dir: string): Promise<{ files: string[]; target: Omit<Target, 'server'> }> {
  const pki = await ensurePki({
    dir: join(dir, 'pki'),
    nodeName: 'bench',
    nodeIps: ['127.0.0.1'],
    externalIps: [],
    advertiseIp: '127.0.0.1',
    serviceIps: ['10.43.0.1'],
    clusterDomain: 'cluster.local',
    tlsSans: [],
    clock: systemClock,
  })
  const write = (name: string, text: string) => {
    writeFileSync(join(dir, name), text)
    return join(dir, name)
  }
  const files = [
    write('key.pem', pki.serving.key),
    write('cert.pem', pki.serving.cert),
    write('ca.pem', pki.clientCa.cert),
  ]
  return { files, target: { ca: pki.serverCa.cert, cert: pki.admin.cert, key: pki.admin.key } }
}

async function untilReady(child: ChildProcess, target: () => Promise<Target>): Promise<Target> {
  const deadline = performance.now() + startLimitMs
  for (;;) {
    const ready = await answers(target)
    if (ready) return ready
    if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}`)
    if (performance.now() > deadline) throw new Error('the server did not become ready')
    await delay(2)
  }
}

async function answers(target: () => Promise<Target>): Promise<Target | undefined> {
  try {
    const at = await target()
    const http = await Http.open(at)
    const { status } = await http.request('GET', '/readyz')
    http.close()
    return status === 200 ? at : undefined
  } catch {
    return undefined
  }
}

function running(child: ChildProcess, target: Target, startedAt: number): Running {
  return {
    pid: child.pid!,
    target,
    startedAt,
    readyMs: performance.now() - startedAt,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}
