/** `make cluster` as people use it: made, used from this machine, given images and ports, and gone without a trace. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from '@jest/globals'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { canRunClusters } from '../testbed/bed.ts'
import { writeImages } from '../testbed/images.ts'
import { hasLoadBalancer } from '../testbed/load-balancer.ts'
import { newestKubectl } from '../testbed/tools.ts'

const can = canRunClusters && hasLoadBalancer
const suite = can ? describe : describe.skip
if (!can) console.log('make cluster: skipped, needs root, containerd and haproxy')

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)

suite('make cluster', () => {
  const dir = mkdtempSync(join(tmpdir(), 'skiff-clusters-'))
  const variables = { ...process.env, SKIFF_CLUSTERS: join(dir, 'state'), NAME: 'tried' }
  const program = join(root, 'scripts/cluster.ts')
  const cluster = async (command: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    (await run(process.execPath, [program, ...command], { env: { ...variables, ...env }, cwd: root })).stdout
  const summary = () => JSON.parse(readFileSync(join(dir, 'state/tried/summary.json'), 'utf8'))

  afterAll(async () => {
    await cluster(['down'])
    rmSync(dir, { recursive: true, force: true })
  }, 60_000)

  test('made, used, removed', async () => {
    const port = await freePort()
    const said = await cluster(['up'], {
      NODES: '1',
      AGENTS: '1',
      FLAGS: '--disable traefik,metrics-server,local-storage',
      PORTS: `${port}:30080`,
    })
    const [, kubeconfig] = /export KUBECONFIG=(\S+)/.exec(said) ?? []
    expect(said).toContain('Cluster tried is up: 2 nodes.')
    const log = (name: string) => readFileSync(join(dir, 'state/tried', name), 'utf8')
    expect(said).toContain(join(dir, 'state/tried/agent-1.log'))
    expect(log('server-1.log')).toContain('skiff is up and running')
    expect(log('agent-1.log')).toContain('joined the cluster')
    const kubectl = async (...args: string[]) =>
      (await run(newestKubectl(), args, { env: { ...variables, KUBECONFIG: kubeconfig } })).stdout

    const nodes = (await kubectl('get', 'nodes', '-o', 'name')).trim().split('\n')
    expect(nodes).toEqual(['node/agent-1', 'node/server-1'])
    expect(await kubectl('config', 'current-context')).toBe('skiff-tried\n')
    expect(await cluster(['list'])).toMatch(/^tried +\S+ +server-1 agent-1\n$/)

    // A pod of an image that is brought, on the agent, reached from here by way of its node port.
    await writeImages(dir)
    expect(await cluster(['import', join(dir, 'web.tar')])).toContain('given to 2 nodes')
    const place = JSON.stringify({ spec: { nodeName: 'agent-1' } })
    await kubectl('run', 'web', '--image', 'web:1', '--port', '80', '--overrides', place)
    await kubectl('create', 'service', 'nodeport', 'web', '--tcp', '80', '--node-port', '30080')
    await kubectl('patch', 'service', 'web', '-p', '{"spec":{"selector":{"run":"web","app":null}}}')
    await kubectl('wait', '--for=condition=Ready', 'pod/web', '--timeout=60s')
    await eventually(async () => expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('web\n'))

    // A shell on a node; what is killed there comes back.
    const shell = async (host: string, script: string) => {
      const command = await cluster(['shell'], { HOST: host })
      const child = spawn('bash', ['-c', command], { stdio: ['pipe', 'pipe', 'inherit'] })
      child.stdin.end(script)
      return textOf(child)
    }
    expect(await shell('agent-1', 'hostname; hostname -I | cut -d" " -f1')).toBe('agent-1\n198.51.100.12\n')
    expect(await shell('agent-1', 'skiff kubectl get nodes -o name')).toBe('node/agent-1\nnode/server-1\n')
    const version = () => kubectl('get', '--raw', '/version')
    await shell('server-1', 'kill -KILL $(pgrep -f skiff.mjs)')
    await eventually(async () => expect(await version()).toContain('skiff'))
    expect(log('log')).toContain('the process on server-1 ended with SIGKILL')

    await expect(cluster(['up'])).rejects.toThrow('a cluster tried is up already: make cluster-down NAME=tried')
    expect(await cluster(['down'])).toBe('Cluster tried is gone.\n')
    expect(await cluster(['down'])).toBe('There is no cluster tried.\n')
    expect(await cluster(['list'])).toContain('There are no clusters.')
  }, 180_000)

  test('when its keeper is killed, nothing of it runs on', async () => {
    await cluster(['up'], { FLAGS: '--disable traefik,metrics-server,local-storage,coredns' })
    const { pid, machines } = summary()
    const [{ data }] = machines
    process.kill(pid, 'SIGKILL')
    await eventually(async () => expect(commandLines().filter(line => line.includes(data))).toEqual([]))
    expect(await cluster(['list'])).toContain('ended; make cluster-down clears it away')
    expect(await cluster(['down'])).toBe('Cluster tried is gone.\n')
    expect(existsSync(join(dir, 'state/tried'))).toBe(false)
  }, 120_000)

  test('what cannot be is refused in a line', async () => {
    const attempt = (env: NodeJS.ProcessEnv) => cluster(['up'], env).catch((error: { stderr: string }) => error.stderr)
    expect(await attempt({ NODES: 'three' })).toBe('cluster: NODES=three: a number\n')
    expect(await attempt({ FLAGS: '--nonsense' })).toMatch(/^cluster: .*nonsense/s)
    const given = (...files: string[]) =>
      cluster(['import', ...files]).catch((error: { stderr: string }) => error.stderr)
    expect(await given('/nonexist.tar')).toBe('cluster: FILES=/nonexist.tar: no such file\n')
    expect(await given(tmpdir())).toBe(`cluster: FILES=${tmpdir()}: not a file\n`)
    expect(await given()).toBe('cluster: FILES="image.tar": which archives of images?\n')
    expect(await cluster(['list'])).toContain('There are no clusters.')
  }, 60_000)
})

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
}

async function textOf(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout!.on('data', data => (text += data))
  await once(child, 'close')
  return text
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + 60_000; ; await new Promise(resolve => setTimeout(resolve, 200)))
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > until) throw error
    }
}
