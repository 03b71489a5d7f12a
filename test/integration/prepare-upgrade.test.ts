/** `skiff prepare-upgrade` beside a real API: agents may follow when the servers have been upgraded, not before. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals'
import { HttpClient } from './http-client.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(120_000)

const program = join(import.meta.dirname, '../../skiff.ts')
const merge = 'application/merge-patch+json'
const plans = '/apis/upgrade.cattle.io/v1/namespaces/default/plans'
let server: RunningServer
let api: HttpClient
let child: ChildProcess | undefined

/** Enough of a Plan for a server that has none. The operator of Plans leaves those of this namespace alone. */
const crd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'plans.upgrade.cattle.io' },
  spec: {
    group: 'upgrade.cattle.io',
    scope: 'Namespaced',
    names: { kind: 'Plan', plural: 'plans', singular: 'plan' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}

beforeAll(async () => {
  server = await startServer(['--disable', 'coredns'])
  api = new HttpClient(server)
  await api.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd)
})
afterAll(async () => {
  api?.close()
  await server?.remove()
})
afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

/** Runs it and gives what it has said so far. */
function prepare(plan: string): () => string {
  child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, 'prepare-upgrade', plan], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, KUBECONFIG: server.kubeconfig, SYSTEM_UPGRADE_PLAN_LATEST_VERSION: 'v1.36.5-skiff1' },
  })
  let text = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (text += String(chunk)))
  return () => text
}

async function eventually(attempt: () => unknown): Promise<void> {
  for (let left = 600; left > 0; left--) {
    try {
      return void (await attempt())
    } catch {
      await delay(50)
    }
  }
  await attempt()
}

async function node(name: string): Promise<void> {
  const labels = { 'node-role.kubernetes.io/control-plane': 'true' }
  await api.post('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } })
}

const report = (name: string, kubeletVersion: string) =>
  api.patch(`/api/v1/nodes/${name}/status`, merge, { status: { nodeInfo: { kubeletVersion } } })

test('it names what it waits for, each time that changes, and ends when agents may follow', async () => {
  const output = prepare('server-plan')
  const says = (text: string) => eventually(() => expect(output()).toContain(`[INFO]  waiting for ${text}\n`))
  await says('Plan server-plan to be created')
  await api.post(plans, {
    apiVersion: 'upgrade.cattle.io/v1',
    kind: 'Plan',
    metadata: { name: 'server-plan' },
    spec: { concurrency: 1, upgrade: { image: 'rancher/k3s-upgrade' }, version: 'v1.36.5+skiff1' },
  })
  await says('nodes of the control plane')
  for (const name of ['a', 'b']) {
    await node(name)
    await report(name, 'v1.36.4+skiff1')
  }
  await says('the control plane to become v1.36.5-skiff1: it is v1.36.4+skiff1')
  await api.patch(`${plans}/server-plan/status`, merge, { status: { applying: ['a'] } })
  await says('Plan server-plan to upgrade a')
  await report('a', 'v1.36.5+skiff1')
  await api.patch(`${plans}/server-plan/status`, merge, { status: { applying: null } })
  await says('all nodes of the control plane to report one version: v1.36.4+skiff1, v1.36.5+skiff1')
  expect(child!.exitCode).toBeNull()
  const ended = once(child!, 'exit')
  await report('b', 'v1.36.5+skiff1')
  expect(await ended).toEqual([0, null])
  expect(output()).toMatch(/all nodes of the control plane have version v1\.36\.5-skiff1 or newer\n$/)
})

test('asked to end, it ends and does not let agents follow', async () => {
  const output = prepare('other-plan')
  await eventually(() => expect(output()).toContain('waiting for Plan other-plan to be created'))
  const ended = once(child!, 'exit')
  child!.kill('SIGTERM')
  expect(await ended).toEqual([143, null])
})
