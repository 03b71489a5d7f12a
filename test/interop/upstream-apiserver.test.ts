/** Our operators, each alone, against upstream's own API server: nothing in them depends on ours. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { missing, startUpstream, type UpstreamServer } from './upstream.ts'

jest.setTimeout(120_000)

const program = join(import.meta.dirname, '../../skiff.ts')

if (missing !== undefined) test.skip(`no upstream API server (scripts/oracles.sh builds one): ${missing}`, () => {})
else {
  let upstream: UpstreamServer
  const operators: { name: string; child: ChildProcess; output: string }[] = []
  beforeAll(async () => {
    upstream = await startUpstream()
  })
  afterAll(async () => {
    await Promise.all(
      operators.map(({ child }) => {
        const ended = once(child, 'exit')
        return child.exitCode === null && child.kill('SIGKILL') ? ended : undefined
      }),
    )
    await upstream.remove()
  })

  /** Starts an operator and waits until it works. */
  function alone(name: string, ...flags: readonly string[]): void {
    const words = ['operator', name, '--kubeconfig', upstream.kubeconfig, ...flags]
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...words])
    const running = { name, child, output: '' }
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (running.output += chunk))
    operators.push(running)
  }
  const errors = () =>
    operators.flatMap(({ name, output }) =>
      output
        .split('\n')
        .filter(line => line.includes('"level":50'))
        .map(line => `${name}: ${line}`),
    )

  test('core and scheduler make a Deployment into bound pods', async () => {
    const { api } = upstream
    alone('core')
    alone('scheduler')
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'box' }, spec: { taints: [] } }
    expect((await api.post('/api/v1/nodes', node)).status).toBe(201)
    const status = {
      allocatable: { cpu: '4', memory: '4Gi', pods: '10' },
      conditions: [{ type: 'Ready', status: 'True' }],
    }
    await api.patch('/api/v1/nodes/box/status', 'application/merge-patch+json', { status })
    const template = {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image: 'i:1' }], tolerations: [{ operator: 'Exists' }] },
    }
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template },
    }
    expect((await api.post('/apis/apps/v1/namespaces/default/deployments', deployment)).status).toBe(201)
    const bound =
      (image: string) =>
      (answer: { body: { items: { spec: { nodeName?: string; containers: { image: string }[] } }[] } }) =>
        answer.body.items.filter(({ spec }) => spec.nodeName === 'box' && spec.containers[0]!.image === image).length >=
        2
    await api.until('/api/v1/namespaces/default/pods', bound('i:1'))
    const { body } = await api.until(
      '/apis/apps/v1/namespaces/default/deployments/web',
      answer => answer.body.status?.replicas === 2,
    )
    expect(body.status.conditions.map(({ type }: { type: string }) => type).sort()).toEqual([
      'Available',
      'Progressing',
    ])
    expect(errors()).toEqual([])
  })

  test('deploy applies files, records them and prunes', async () => {
    const { api, folder } = upstream
    const data = join(folder, 'data')
    const manifests = join(data, 'server/manifests')
    mkdirSync(manifests, { recursive: true })
    const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`
    writeFileSync(join(manifests, 'app.yaml'), `${configMap('one')}---\n${configMap('two')}`)
    alone('deploy', '--data-dir', data)
    await api.until('/api/v1/namespaces/default/configmaps/two', ({ status }) => status === 200)
    await api.until(
      '/apis/k3s.cattle.io/v1/namespaces/kube-system/addons/app',
      ({ body }) => body.status?.conditions?.[0]?.status === 'True',
    )
    writeFileSync(join(manifests, 'app.yaml'), configMap('one'))
    await api.until('/api/v1/namespaces/default/configmaps/two', ({ status }) => status === 404)
    expect((await api.get('/api/v1/namespaces/default/configmaps/one')).status).toBe(200)
  })

  test('servicelb and the cloud controller balance a Service on a node', async () => {
    const { api } = upstream
    alone('servicelb')
    alone('cloud-controller')
    const taint = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' }
    const annotations = { 'k3s.io/internal-ip': '192.0.2.10', 'k3s.io/hostname': 'edge' }
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'edge', annotations }, spec: { taints: [taint] } }
    expect((await api.post('/api/v1/nodes', node)).status).toBe(201)
    const status = {
      allocatable: { cpu: '4', memory: '4Gi', pods: '10' },
      conditions: [{ type: 'Ready', status: 'True' }],
    }
    await api.patch('/api/v1/nodes/edge/status', 'application/merge-patch+json', { status })
    const initialised = await api.until('/api/v1/nodes/edge', ({ body }) => body.spec.providerID === 'k3s://edge')
    expect(initialised.body.spec.taints ?? []).not.toContainEqual(taint)
    expect(initialised.body.status.addresses).toEqual([
      { type: 'InternalIP', address: '192.0.2.10' },
      { type: 'Hostname', address: 'edge' },
    ])
    const spec = { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80 }] }
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec }
    expect((await api.post('/api/v1/namespaces/default/services', service)).status).toBe(201)
    const balancers = '/api/v1/namespaces/kube-system/pods?labelSelector=svccontroller.k3s.cattle.io%2Fsvcname%3Dweb'
    const onEdge = (items: { spec: { nodeName?: string } }[]) => items.find(pod => pod.spec.nodeName === 'edge')
    const { body } = await api.until(balancers, answer => onEdge(answer.body.items) !== undefined)
    const pod = onEdge(body.items) as unknown as { metadata: { name: string } }
    const ready = { phase: 'Running', podIP: '192.0.2.10', conditions: [{ type: 'Ready', status: 'True' }] }
    const path = `/api/v1/namespaces/kube-system/pods/${pod.metadata.name}/status`
    await api.patch(path, 'application/strategic-merge-patch+json', { status: ready })
    const published = await api.until(
      '/api/v1/namespaces/default/services/web',
      answer => answer.body.status.loadBalancer.ingress !== undefined,
    )
    expect(published.body.status.loadBalancer.ingress).toEqual([{ ip: '192.0.2.10', ipMode: 'VIP' }])
    await api.delete('/api/v1/namespaces/default/services/web')
    await api.until('/api/v1/namespaces/default/services/web', answer => answer.status === 404)
    const sets = '/apis/apps/v1/namespaces/kube-system/daemonsets'
    await api.until(sets, answer => answer.body.items.length === 0)
    // core also tries what deploy has packaged, for which this server lacks the RuntimeClass.
    expect(errors().filter(line => !line.startsWith('core: '))).toEqual([])
  })

  test('upgrade applies a plan to a node, draining with the image upstream uses', async () => {
    const { api } = upstream
    alone('upgrade')
    const inside = '/apis/upgrade.cattle.io/v1/namespaces/system-upgrade/plans'
    await api.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'system-upgrade' } })
    // This API server was not told to allow privileged containers.
    const data = { SYSTEM_UPGRADE_JOB_PRIVILEGED: 'false' }
    const settings = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'default-controller-env' }, data }
    await api.post('/api/v1/namespaces/system-upgrade/configmaps', settings)
    const labels = { 'kubernetes.io/hostname': 'old', upgrade: 'yes' }
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'old', labels }, spec: { taints: [] } }
    expect((await api.post('/api/v1/nodes', node)).status).toBe(201)
    const merge = 'application/merge-patch+json'
    const allocatable = { cpu: '4', memory: '4Gi', pods: '10' }
    const status = { allocatable, conditions: [{ type: 'Ready', status: 'True' }] }
    await api.patch('/api/v1/nodes/old/status', merge, { status })
    const plan = {
      apiVersion: 'upgrade.cattle.io/v1',
      kind: 'Plan',
      metadata: { name: 'nodes', namespace: 'system-upgrade' },
      spec: {
        concurrency: 1,
        nodeSelector: { matchLabels: { upgrade: 'yes' } },
        version: 'v1.36.2+k3s1',
        drain: { timeout: '1m' },
        window: { days: ['0', '1', '2', '3', '4', '5', '6'], startTime: '00:00', endTime: '23:59:59' },
        upgrade: {
          image: 'rancher/k3s-upgrade',
          envs: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
        },
      },
    }
    await api.until(inside, ({ status }) => status === 200)
    expect((await api.post(inside, plan)).status).toBe(201)
    const jobs = '/apis/batch/v1/namespaces/system-upgrade/jobs'
    const { body } = await api.until(jobs, answer => answer.body.items?.[0]?.spec.parallelism === 1)
    const [job] = body.items
    const [drain] = job.spec.template.spec.initContainers
    expect(drain).toMatchObject({ name: 'drain', image: 'rancher/kubectl:v1.30.3' })
    expect(drain.args).toEqual(expect.arrayContaining(['drain', 'old', '--timeout', '1m']))
    await api.patch('/api/v1/nodes/old', merge, { spec: { unschedulable: true } })
    const pods = '/api/v1/namespaces/system-upgrade/pods'
    const scheduled = await api.until(pods, answer => answer.body.items?.[0]?.spec.nodeName === 'old')
    const pod = scheduled.body.items[0].metadata.name
    await api.patch(`${pods}/${pod}/status`, merge, { status: { phase: 'Succeeded' } })
    const isComplete = (answer: { body: { status?: { conditions?: { type: string; status: string }[] } } }) =>
      answer.body.status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True') === true
    const done = await api.until(`${inside}/nodes`, isComplete)
    const updated = (await api.get('/api/v1/nodes/old')).body
    expect(updated.metadata.labels['plan.upgrade.cattle.io/nodes']).toBe(done.body.status.latestHash)
    expect(updated.spec.unschedulable).toBeUndefined()
    expect(errors().filter(line => line.startsWith('upgrade: '))).toEqual([])
  })
}
