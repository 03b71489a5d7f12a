import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { configMaps, events, leases, nodes, pods, secrets } from '../../bootstrap/client/resources.ts'
import { pathOf } from '../../bootstrap/client/testing/memory-store.ts'
import { AgentFixture, canRunContainers, forever, isReady, shell, statusOf } from './agent-fixture.ts'

jest.setTimeout(60_000)
const image = 'busybox:1'
const describeWithContainers = canRunContainers ? describe : describe.skip

describeWithContainers('an agent with a real containerd', () => {
  const fixture = new AgentFixture()
  const { client } = fixture

  beforeAll(async () => {
    await fixture.start()
    await fixture.importBusybox()
  })
  afterAll(() => fixture.destroy())

  const logOf = async (name: string, container: string, attempt = 0) => {
    const pod = await fixture.find(name)
    const text = readFileSync(
      join(fixture.directory, `logs/default_${name}_${pod?.metadata.uid}/${container}/${attempt}.log`),
      'utf8',
    )
    return text
      .split('\n')
      .filter(Boolean)
      .map(line => line.split(' ').slice(3).join(' '))
  }
  const reasons = async (name: string) =>
    (await client.list(events)).items.filter(event => event.involvedObject.name === name).map(event => event.reason)

  test('the node is registered with its lease', async () => {
    const node = await client.get(nodes, { name: 'node-1' })
    expect(node.status?.addresses).toEqual([
      { type: 'InternalIP', address: '127.0.0.1' },
      { type: 'Hostname', address: 'host-1' },
    ])
    expect(node.metadata.labels).toMatchObject({ 'kubernetes.io/hostname': 'node-1', 'kubernetes.io/os': 'linux' })
    expect(node.status?.conditions?.map(({ type, status }) => [type, status])).toEqual([
      ['MemoryPressure', 'False'],
      ['DiskPressure', 'False'],
      ['PIDPressure', 'False'],
      ['Ready', 'False'],
    ])
    const lease = await client.get(leases, { namespace: 'kube-node-lease', name: 'node-1' })
    expect(lease.spec?.holderIdentity).toBe('node-1')
  })

  test('a pod becomes ready with its environment, volumes and limits, and goes without a trace', async () => {
    await client.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'default', name: 'cm' },
      data: { k: 'v1' },
    })
    await client.create(secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'default', name: 's' },
      data: { p: 'aHVzaA==' },
    })
    await fixture.create('whole', {
      hostname: 'ignored',
      hostAliases: [{ ip: '192.0.2.9', hostnames: ['alias'] }],
      securityContext: { fsGroup: 1234 },
      containers: [
        {
          name: 'c',
          image,
          command: shell(
            `echo $A $(cat /cfg/k) $(cat /sec/p) $(stat -c %g /data) $(cat /sub); cat /etc/hosts; ${forever}`,
          ),
          env: [
            { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'A', value: '<$(POD)>' },
          ],
          resources: { limits: { memory: '64Mi', cpu: '500m' } },
          volumeMounts: [
            { name: 'cfg', mountPath: '/cfg' },
            { name: 'sec', mountPath: '/sec' },
            { name: 'data', mountPath: '/data' },
            { name: 'cfg', mountPath: '/sub', subPath: 'k' },
          ],
          readinessProbe: { exec: { command: ['cat', '/cfg/k'] }, periodSeconds: 1 },
        },
      ],
      volumes: [
        { name: 'cfg', configMap: { name: 'cm' } },
        { name: 'sec', secret: { secretName: 's' } },
        { name: 'data', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
      ],
    })
    const pod = await fixture.until('whole', isReady)
    expect(pod.status).toMatchObject({
      phase: 'Running',
      qosClass: 'Guaranteed',
      hostIP: '127.0.0.1',
      podIP: '127.0.0.1',
      observedGeneration: 1,
    })
    expect(statusOf(pod, 'c')).toMatchObject({
      ready: true,
      started: true,
      restartCount: 0,
      image: 'docker.io/library/busybox:1',
    })
    const log = await logOf('whole', 'c')
    expect(log[0]).toBe('<whole> v1 hush 1234 v1')
    expect(log.join('\n')).toContain('192.0.2.9\talias')

    const uid = pod.metadata.uid
    const live = join(fixture.directory, `kubelet/memory/${uid}/kubernetes.io~configmap/cfg/k`)
    await client.patch(configMaps, { namespace: 'default', name: 'cm' }, { data: { k: 'v2' } }, { type: 'merge' })
    await eventually(() => readFileSync(live, 'utf8') === 'v2')

    await fixture.delete('whole')
    await fixture.untilGone('whole')
    await eventually(() => fixture.agent.manager.pods.length === 0)
    for (const left of [`kubelet/pods/${uid}`, `kubelet/memory/${uid}`, `logs/default_whole_${uid}`])
      expect(existsSync(join(fixture.directory, left))).toBe(false)
    expect(existsSync(`/sys/fs/cgroup/memory/kubepods/pod${uid}`)).toBe(false)
    expect(await reasons('whole')).toEqual(['Pulled', 'Created', 'Started', 'Killing'])
  })

  test('init containers run in order, a sidecar stays, the phase tells the end', async () => {
    await fixture.create('ordered', {
      restartPolicy: 'Never',
      initContainers: [
        {
          name: 'first',
          image,
          command: shell('echo 1 > /data/order'),
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
        {
          name: 'side',
          image,
          restartPolicy: 'Always',
          command: shell(`echo 2 >> /data/order; ${forever}`),
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      containers: [
        {
          name: 'c',
          image,
          command: shell('sleep 0.3; cat /data/order; echo why > /dev/termination-log; exit 3'),
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
    })
    const pod = await fixture.until('ordered', ({ status }) => status?.phase === 'Failed')
    expect(statusOf(pod, 'c')?.state?.terminated).toMatchObject({ exitCode: 3, reason: 'Error', message: 'why\n' })
    expect(statusOf(pod, 'first')?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' })
    expect(statusOf(pod, 'side')?.state?.terminated?.exitCode).toBe(0)
    expect(await logOf('ordered', 'c')).toEqual(['1', '2'])
    await fixture.delete('ordered', 0)
  })

  test('a failing container is restarted once at once and then waits', async () => {
    await fixture.create('crash', { containers: [{ name: 'c', image, command: shell('exit 7') }] })
    const pod = await fixture.until(
      'crash',
      found => statusOf(found, 'c')?.state?.waiting?.reason === 'CrashLoopBackOff',
    )
    expect(statusOf(pod, 'c')).toMatchObject({
      restartCount: 1,
      state: {
        waiting: { message: `back-off 10s restarting failed container=c pod=crash_default(${pod.metadata.uid})` },
      },
      lastState: { terminated: { exitCode: 7, reason: 'Error' } },
    })
    expect(pod.status?.phase).toBe('Running')
    await fixture.delete('crash', 0)
  })

  test('a failing liveness probe replaces the container', async () => {
    await fixture.create('sick', {
      containers: [
        {
          name: 'c',
          image,
          command: shell(`touch /tmp/ok; ${forever}`),
          livenessProbe: {
            exec: { command: ['cat', '/tmp/missing'] },
            periodSeconds: 1,
            failureThreshold: 1,
            terminationGracePeriodSeconds: 1,
          },
        },
      ],
    })
    const pod = await fixture.until('sick', found => (statusOf(found, 'c')?.restartCount ?? 0) > 0)
    expect(statusOf(pod, 'c')?.lastState?.terminated?.reason).toBe('Completed')
    expect(await reasons('sick')).toEqual(expect.arrayContaining(['Unhealthy', 'Killing']))
    await fixture.delete('sick', 0)
  })

  test('the kubelet API serves logs while they grow, stats and metrics, to those who may', async () => {
    const users = [
      { name: 'admin', groups: ['system:masters'] },
      { name: 'nobody', groups: [] },
    ]
    const server = createServer((request, response) => {
      const user = users[request.headers.authorization === 'nobody' ? 1 : 0]!
      void fixture.agent.kubelet.request(request, response, user)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const get = (path: string, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers })
    try {
      await fixture.create('talks', {
        restartPolicy: 'Never',
        containers: [{ name: 'c', image, command: shell('echo one; sleep 0.5; echo two >&2') }],
      })
      await fixture.until('talks', pod => statusOf(pod, 'c')?.state?.running !== undefined)
      const followed = await get('/containerLogs/default/talks/c?follow=true')
      expect(await (await get('/stats/summary')).json()).toMatchObject({ node: { nodeName: 'node-1' } })
      expect(await (await get('/metrics/resource')).text()).toContain('node_memory_working_set_bytes')
      expect(await followed.text()).toBe('one\ntwo\n')
      expect(await (await get('/containerLogs/default/talks/c?tailLines=1')).text()).toBe('two\n')
      expect((await get('/containerLogs/default/talks/c?previous=true')).status).toBe(400)
      expect((await get('/containerLogs/default/none/c')).status).toBe(404)
      expect((await get('/pods', { authorization: 'nobody' })).status).toBe(403)
      expect((await get('/nothing')).status).toBe(404)
    } finally {
      server.close()
      server.closeAllConnections()
    }
    await fixture.delete('talks', 0)
  })

  test('preStop runs before the signal and both before the end', async () => {
    const seen = join(fixture.directory, 'seen')
    await fixture.create('graceful', {
      containers: [
        {
          name: 'c',
          image,
          command: shell(forever.replace('exit 0', 'echo term >> /host/seen; exit 0')),
          lifecycle: { preStop: { exec: { command: shell('echo hook >> /host/seen') } } },
          volumeMounts: [{ name: 'host', mountPath: '/host' }],
        },
      ],
      volumes: [{ name: 'host', hostPath: { path: fixture.directory, type: 'Directory' } }],
    })
    await fixture.until('graceful', isReady)
    await fixture.delete('graceful')
    await fixture.untilGone('graceful')
    expect(readFileSync(seen, 'utf8')).toBe('hook\nterm\n')
  })

  test.each([
    ['a missing image', { image: 'localhost:1/none:1' }, 'ImagePullBackOff'],
    ['a missing image that must be there', { image: 'none:1', imagePullPolicy: 'Never' }, 'ErrImageNeverPull'],
    [
      'a missing secret',
      { image, env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'no', key: 'k' } } }] },
      'CreateContainerConfigError',
    ],
    ['root where it is forbidden', { image, securityContext: { runAsNonRoot: true } }, 'CreateContainerConfigError'],
    ['a missing program', { image, command: ['/none'] }, 'RunContainerError'],
  ])('%s shows as %s', async (_, container, reason) => {
    const name = reason.toLowerCase()
    await fixture.create(name, { containers: [{ name: 'c', ...container }] })
    await fixture.until(name, pod => statusOf(pod, 'c')?.state?.waiting?.reason === reason)
    await fixture.delete(name, 0)
    await fixture.untilGone(name)
  })

  test('a container that takes too much memory says so', async () => {
    await fixture.create('greedy', {
      restartPolicy: 'Never',
      containers: [
        { name: 'c', image, command: ['busybox', 'tail', '/dev/zero'], resources: { limits: { memory: '16Mi' } } },
      ],
    })
    const pod = await fixture.until('greedy', ({ status }) => status?.phase === 'Failed')
    expect(statusOf(pod, 'c')?.state?.terminated).toMatchObject({ exitCode: 137, reason: 'OOMKilled' })
    await fixture.delete('greedy', 0)
  })

  test('limits change in place', async () => {
    const limited = (memory: string) => [
      { name: 'c', image, command: shell(forever), resources: { limits: { memory } } },
    ]
    await fixture.create('resized', { containers: limited('32Mi') })
    const before = await fixture.until('resized', isReady)
    await client.patch(
      pods,
      { namespace: 'default', name: 'resized' },
      { spec: { containers: limited('48Mi') } },
      { type: 'merge' },
    )
    const after = await fixture.until('resized', pod => statusOf(pod, 'c')?.resources?.limits?.memory === '48Mi')
    expect(statusOf(after, 'c')?.containerID).toBe(statusOf(before, 'c')?.containerID)
    const id = statusOf(after, 'c')?.containerID?.replace('containerd://', '')
    const group = `kubepods/burstable/pod${after.metadata.uid}/${id}`
    const files = [`/sys/fs/cgroup/memory/${group}/memory.limit_in_bytes`, `/sys/fs/cgroup/${group}/memory.max`]
    await eventually(() =>
      files.some(file => existsSync(file) && readFileSync(file, 'utf8').trim() === String(48 * 2 ** 20)),
    )
    await fixture.delete('resized', 0)
  })

  test('a pod past its deadline fails', async () => {
    await fixture.create('late', {
      activeDeadlineSeconds: 1,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image, command: shell(forever) }],
    })
    const pod = await fixture.until('late', ({ status }) => status?.phase === 'Failed')
    expect(pod.status?.reason).toBe('DeadlineExceeded')
    await fixture.delete('late', 0)
  })

  test('a static pod runs and shows as its mirror', async () => {
    const file = join(fixture.directory, 'data/agent/pod-manifests/p.yaml')
    const container = { name: 'c', image, command: shell(forever) }
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'fixed' },
        spec: { hostNetwork: true, terminationGracePeriodSeconds: 1, containers: [container] },
      }),
    )
    const pod = await fixture.until('fixed-node-1', isReady)
    expect(pod.metadata.annotations).toHaveProperty(['kubernetes.io/config.mirror'])
  })

  test('containers outlive the agent; what vanished meanwhile is cleaned up', async () => {
    for (const name of ['stays', 'goes'])
      await fixture.create(name, { containers: [{ name: 'c', image, command: shell(forever) }] })
    const before = await fixture.until('stays', isReady)
    await fixture.until('goes', isReady)
    await fixture.stop()
    const { store } = client
    store.remove(pathOf(pods), store.table(pathOf(pods)).get('default/goes')!)
    await fixture.start()
    await eventually(async () =>
      (await fixture.agent.runtime.listPodSandboxes()).every(({ metadata }) => metadata.name !== 'goes'),
    )
    const after = await fixture.until('stays', isReady)
    expect(statusOf(after, 'c')).toEqual(statusOf(before, 'c'))
    const running = await fixture.agent.runtime.listContainers({ labelSelector: { 'io.kubernetes.pod.name': 'stays' } })
    expect(running.map(({ state }) => state)).toEqual(['CONTAINER_RUNNING'])
  })
})

/** Looks again every few milliseconds, for what no event announces. */
async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (await holds()) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error(`did not happen: ${holds}`)
}
