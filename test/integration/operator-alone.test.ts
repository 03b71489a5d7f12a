/** `skiff operator NAME`: one operator as a process of its own, against a server that runs without it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { digest } from '../../operators/ingress/digest.ts'
import { HttpClient } from './http-client.ts'
import { hasHaproxy } from './ingress-fixture.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(60_000)

const program = join(import.meta.dirname, '../../skiff.ts')
let server: RunningServer
let api: HttpClient
const children: ChildProcess[] = []

beforeAll(async () => {
  server = await startServer(['--disable-scheduler', '--disable', 'coredns,system-upgrade'])
  api = new HttpClient(server)
  await api.post('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'box' } })
  const status = {
    allocatable: { cpu: '4', memory: '4Gi', pods: '10' },
    conditions: [{ type: 'Ready', status: 'True' }],
  }
  await api.patch('/api/v1/nodes/box/status', merge, { status })
  const taints = { spec: { taints: [] } }
  await api.patch('/api/v1/nodes/box', merge, taints)
})
afterAll(() => server.remove())
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

interface Running {
  readonly child: ChildProcess
  output(): string
}

function operator(...args: readonly string[]): Running {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, 'operator', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (text += String(chunk)))
  return { child, output: () => text }
}

async function says(running: Running, wanted: string): Promise<void> {
  for (let left = 400; left > 0 && !running.output().includes(wanted); left--) await delay(50)
  expect(running.output()).toContain(wanted)
}

const merge = 'application/merge-patch+json'
const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/skiff-scheduler'
const pod = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i' }] },
})
const bound = ({ body }: { body: { spec?: { nodeName?: string } } }) => body.spec?.nodeName === 'box'

test('one of several does the work; the next takes over when it ends', async () => {
  const flags = ['scheduler', '--kubeconfig', server.kubeconfig]
  const first = operator(...flags)
  await says(first, 'became leader')
  const second = operator(...flags)
  await says(second, 'operator scheduler is running')
  await api.post('/api/v1/namespaces/default/pods', pod('one'))
  await api.until('/api/v1/namespaces/default/pods/one', bound)
  expect(second.output()).not.toContain('became leader')

  first.child.kill('SIGTERM')
  expect(await once(first.child, 'exit')).toEqual([0, null])
  await says(second, 'became leader')
  await api.post('/api/v1/namespaces/default/pods', pod('two'))
  await api.until('/api/v1/namespaces/default/pods/two', bound)
  second.child.kill('SIGTERM')
  await once(second.child, 'exit')
  expect((await api.get(lease)).body.spec.holderIdentity).toBe('')
})

test('--leader-elect=false works without a lease', async () => {
  await api.delete(lease)
  operator('scheduler', '-k', server.kubeconfig, '--leader-elect=false')
  await api.post('/api/v1/namespaces/default/pods', pod('three'))
  await api.until('/api/v1/namespaces/default/pods/three', bound)
  expect((await api.get(lease)).status).toBe(404)
})

test('upgrade plans are applied by a process of its own', async () => {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'system-upgrade' } }
  await api.post('/api/v1/namespaces', namespace)
  await api.patch('/api/v1/nodes/box', merge, { metadata: { labels: { 'kubernetes.io/hostname': 'box' } } })
  await api.post('/apis/upgrade.cattle.io/v1/namespaces/system-upgrade/plans', {
    apiVersion: 'upgrade.cattle.io/v1',
    kind: 'Plan',
    metadata: { name: 'all' },
    spec: { concurrency: 1, nodeSelector: {}, version: 'v1', cordon: true, upgrade: { image: 'i' } },
  })
  const alone = operator('upgrade', '-k', server.kubeconfig)
  const { body } = await api.until(
    '/apis/batch/v1/namespaces/system-upgrade/jobs',
    answer => answer.body.items?.[0]?.spec.parallelism === 1,
  )
  const { initContainers, containers } = body.items[0].spec.template.spec
  expect([...initContainers, ...containers].map(({ image }) => image)).toEqual(['embedded/kubectl', 'i:v1'])
  alone.child.kill('SIGTERM')
  expect(await once(alone.child, 'exit')).toEqual([0, null])
})

const withHaproxy = hasHaproxy ? test : test.skip

withHaproxy('the ingress serves as a process of its own', async () => {
  const port = await freePort()
  const args = [`--entryPoints.web.address=:${port}`, '--providers.kubernetesingress']
  const alone = operator('ingress', '-k', server.kubeconfig, '--leader-elect=false', '--', ...args)
  await says(alone, `serving on web :${port}`)
  const backend = { service: { name: 'none', port: { number: 80 } } }
  await api.post('/apis/networking.k8s.io/v1/namespaces/default/ingresses', {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'web' },
    spec: { rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
  })
  await says(alone, 'service default/none does not exist')
  await api.until('/api/v1/namespaces/default/events', ({ body }) =>
    body.items.some(({ reason }: { reason: string }) => reason === 'ServiceNotFound'),
  )
  alone.child.kill('SIGTERM')
  expect(await once(alone.child, 'exit')).toEqual([0, null])
  rmSync(join(tmpdir(), 'skiff-ingress'), { recursive: true, force: true })
})

withHaproxy('HAProxy, master and worker, ends with an ingress that is killed', async () => {
  const port = await freePort()
  const args = [`--entryPoints.web.address=:${port}`, '--providers.kubernetesingress']
  const { child, output } = operator('ingress', '-k', server.kubeconfig, '--leader-elect=false', '--', ...args)
  await says({ child, output }, `serving on web :${port}`)
  const [master, ...others] = childrenOf(child.pid!)
  expect(others).toEqual([])
  const workers = childrenOf(master!)
  expect(workers).toHaveLength(1)
  const commands = [master!, ...workers].map(pid => readFileSync(`/proc/${pid}/comm`, 'utf8').trim())
  expect(commands).toEqual(['haproxy', 'haproxy'])
  child.kill('SIGKILL')
  await once(child, 'exit')
  const alive = () => [master!, ...workers].filter(isRunning)
  for (let left = 200; left > 0 && alive().length > 0; left--) await delay(50)
  const leftOver = alive()
  for (const pid of leftOver) process.kill(pid, 'SIGKILL')
  rmSync(`/run/skiff-ingress-${digest('')}`, { recursive: true, force: true })
  rmSync(join(tmpdir(), 'skiff-ingress'), { recursive: true, force: true })
  expect(leftOver).toEqual([])
})

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)

/** A zombie that nobody has collected yet does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test.each([
  [['nobody'], /^skiff: there is no operator "nobody": want .*scheduler/],
  [['scheduler', '--kubeconfig', '/no/such/file'], /^skiff: .*\/no\/such\/file/],
])('%j ends with one line and code 1', async (args, line) => {
  const running = operator(...args)
  expect(await once(running.child, 'exit')).toEqual([1, null])
  expect(running.output().trim().split('\n')).toEqual([expect.stringMatching(line)])
})
