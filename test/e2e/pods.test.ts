/** What a pod's containers get and how they live and end, seen by kubectl. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { CoreV1Event, Pod } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters, nodeAddress, startCluster } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('pods e2e: skipped, needs root and containerd')

/** A pod of one container that runs a shell script; `more` is further fields of the container, `spec` of the pod. */
function pod(name: string, script: string, more: object = {}, spec: object = {}): string {
  const container = { name: 'main', image: busyboxImage, command: ['sh', '-c', script], ...more }
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container], ...spec },
  })
}

const phase = (name: string, wanted: string) => `--for=jsonpath={.status.phase}=${wanted} pod/${name}`
const restarts = (name: string, count: number) =>
  `--for=jsonpath={.status.containerStatuses[0].restartCount}=${count} pod/${name}`
const always = { restartPolicy: 'Always' }

suite('pods', () => {
  let cluster: Cluster
  beforeAll(async () => void (cluster = await startCluster()), 60_000)
  afterAll(() => cluster?.destroy(), 30_000)

  const statusOf = async (name: string) => (await cluster.get<Pod>(`pod ${name}`)).status!.containerStatuses![0]!
  const eventsOf = async (name: string) =>
    (await cluster.get<{ items: CoreV1Event[] }>(`events --field-selector involvedObject.name=${name}`)).items

  test('environment from every source', async () => {
    await cluster.apply(`
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { color: blue, SIZE: large }
---
apiVersion: v1
kind: Secret
metadata: { name: hidden }
stringData: { password: s3cret }
`)
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } })
    const resource = (name: string, of: string, divisor: string) => ({
      name,
      valueFrom: { resourceFieldRef: { resource: of, divisor } },
    })
    const env = [
      { name: 'LITERAL', value: 'a' },
      { name: 'EXPANDED', value: '$(LITERAL)-$(MISSING)-$$(LITERAL)' },
      { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
      { name: 'NOTHING', valueFrom: { configMapKeyRef: { name: 'none', key: 'none', optional: true } } },
      { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'hidden', key: 'password' } } },
      field('POD', 'metadata.name'),
      field('LABEL', "metadata.labels['app']"),
      field('NODE', 'spec.nodeName'),
      field('ACCOUNT', 'spec.serviceAccountName'),
      field('HOST_IP', 'status.hostIP'),
      field('POD_IP', 'status.podIP'),
      resource('CPU', 'limits.cpu', '1m'),
      resource('MEMORY', 'requests.memory', '1Mi'),
    ]
    const envFrom = [{ prefix: 'MY_', configMapRef: { name: 'settings' } }, { secretRef: { name: 'hidden' } }]
    const resources = { limits: { cpu: '250m' }, requests: { memory: '32Mi', cpu: '10m' } }
    await cluster.apply(pod('environment', 'env', { env, envFrom, resources }))
    await cluster.waitFor(phase('environment', 'Succeeded'))
    const lines = (await cluster.kubectl('logs environment')).trim().split('\n')
    const found = Object.fromEntries(lines.map(line => [line.split('=')[0]!, line.split('=').slice(1).join('=')]))
    expect(found).toMatchObject({
      LITERAL: 'a',
      EXPANDED: 'a-$(MISSING)-$(LITERAL)',
      COLOR: 'blue',
      PASSWORD: 's3cret',
      password: 's3cret',
      MY_color: 'blue',
      MY_SIZE: 'large',
      POD: 'environment',
      LABEL: 'environment',
      NODE: cluster.nodeName,
      ACCOUNT: 'default',
      HOST_IP: nodeAddress,
      POD_IP: (await cluster.get<Pod>('pod environment')).status?.podIP,
      CPU: '250',
      MEMORY: '32',
      KUBERNETES_SERVICE_HOST: '10.43.0.1',
      HOSTNAME: 'environment',
    })
    expect(found).not.toHaveProperty('NOTHING')
  }, 60_000)

  test('init containers run one after the other, a sidecar beside the rest; a failing one ends the pod', async () => {
    const volumeMounts = [{ name: 'shared', mountPath: '/shared' }]
    const step = (name: string, script: string, more = {}) => ({
      name,
      image: busyboxImage,
      command: ['sh', '-c', script],
      volumeMounts,
      ...more,
    })
    const initContainers = [
      step('one', 'echo one >> /shared/steps'),
      step('sidecar', 'echo sidecar >> /shared/steps; trap "exit 0" TERM; while true; do sleep 0.1; done', always),
      step('two', 'until grep -q sidecar /shared/steps; do sleep 0.1; done; echo two >> /shared/steps'),
    ]
    const volumes = [{ name: 'shared', emptyDir: {} }]
    await cluster.apply(pod('steps', 'cat /shared/steps', { volumeMounts }, { initContainers, volumes }))
    await cluster.apply(pod('stuck', 'true', { volumeMounts }, { initContainers: [step('bad', 'exit 7')], volumes }))
    await cluster.waitFor(phase('steps', 'Succeeded'))
    expect(await cluster.kubectl('logs steps -c main')).toBe('one\nsidecar\ntwo\n')
    await cluster.waitFor(phase('stuck', 'Failed'))
    expect(await cluster.kubectl('get pod stuck --no-headers')).toMatch(/0\/1\s+Init:Error\s+0/)
  }, 60_000)

  test('readiness follows its probe, and the endpoints follow readiness', async () => {
    const readinessProbe = { exec: { command: ['cat', '/tmp/ready'] }, periodSeconds: 1, failureThreshold: 1 }
    await cluster.apply(pod('ready', 'sleep infinity', { readinessProbe }))
    await cluster.kubectl('expose pod ready --port=80')
    await cluster.waitFor(phase('ready', 'Running'))
    expect(await cluster.kubectl('get pod ready --no-headers')).toMatch(/0\/1\s+Running/)
    await cluster.kubectl('exec ready -- touch /tmp/ready')
    await cluster.waitFor('--for=condition=Ready pod/ready')
    await cluster.waitFor('--for=jsonpath={.subsets[0].addresses[0].targetRef.name}=ready endpoints/ready')
    await cluster.kubectl('exec ready -- rm /tmp/ready')
    await cluster.waitFor('--for=condition=Ready=False pod/ready')
    await cluster.waitFor('--for=jsonpath={.subsets[0].notReadyAddresses[0].targetRef.name}=ready endpoints/ready')
    expect((await eventsOf('ready')).find(({ reason }) => reason === 'Unhealthy')?.message).toMatch(
      /^Readiness probe failed: cat: can't open '\/tmp\/ready'/,
    )
  }, 60_000)

  test.each([
    ['exec', { exec: { command: ['test', '-e', '/tmp/alive'] } }, 'touch /tmp/alive; sleep 2; rm /tmp/alive'],
    [
      'http',
      { httpGet: { path: '/alive', port: 80 } },
      'touch /www/alive; httpd -p 80 -h /www; sleep 2; rm /www/alive',
    ],
    ['tcp', { tcpSocket: { port: 80 } }, 'httpd -p 80 -h /www; sleep 2; killall httpd'],
  ])(
    'a liveness probe by %s restarts the container',
    async (name, probe, script) => {
      const livenessProbe = { ...probe, periodSeconds: 1, failureThreshold: 2, terminationGracePeriodSeconds: 1 }
      await cluster.apply(pod(`live-${name}`, `${script}; sleep infinity`, { livenessProbe }, always))
      await cluster.waitFor(restarts(`live-${name}`, 1))
      expect((await statusOf(`live-${name}`)).lastState?.terminated).toMatchObject({ exitCode: 137, reason: 'Error' })
      const messages = (await eventsOf(`live-${name}`)).map(({ message }) => message)
      expect(messages).toContain('Container main failed liveness probe, will be restarted')
      await cluster.kubectl(`delete pod live-${name} --wait=false`)
    },
    60_000,
  )

  test('a failing container is restarted, ever slower', async () => {
    await cluster.apply(pod('crash', 'echo started; exit 3', {}, always))
    await cluster.waitFor(
      '--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff pod/crash',
    )
    const { state, lastState, restartCount } = await statusOf('crash')
    expect(restartCount).toBeGreaterThanOrEqual(1)
    expect(state?.waiting?.message).toMatch(/^back-off 10s restarting failed container=main pod=crash_default\(/)
    expect(lastState?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' })
    await cluster.eventually(async () =>
      expect((await eventsOf('crash')).find(({ reason }) => reason === 'BackOff')?.message).toMatch(
        /^Back-off restarting failed container main in pod crash_default\(/,
      ),
    )
    expect(await cluster.kubectl('get pod crash --no-headers')).toMatch(/0\/1\s+CrashLoopBackOff/)
    await cluster.kubectl('delete pod crash')
  }, 60_000)

  test('a pod that fails once and may try again succeeds', async () => {
    const volumeMounts = [{ name: 'state', mountPath: '/state' }]
    const spec = { restartPolicy: 'OnFailure', volumes: [{ name: 'state', emptyDir: {} }] }
    await cluster.apply(pod('again', 'test -e /state/once || { touch /state/once; exit 1; }', { volumeMounts }, spec))
    await cluster.waitFor(phase('again', 'Succeeded'))
    expect((await statusOf('again')).restartCount).toBe(1)
  }, 60_000)

  test('deletion runs preStop, then asks, then kills after the grace period', async () => {
    const folder = join(cluster.bed.dir, 'shared')
    mkdirSync(folder)
    const volumes = [{ name: 'shared', hostPath: { path: folder } }]
    const volumeMounts = [{ name: 'shared', mountPath: '/shared' }]
    const lifecycle = { preStop: { exec: { command: ['sh', '-c', 'sleep 0.3; echo preStop >> /shared/order'] } } }
    const polite = 'trap "echo term >> /shared/order; exit 0" TERM; echo up; while true; do sleep 0.05; done'
    const deaf = 'trap "" TERM; echo up; while true; do sleep 0.05; done'
    const spec = { volumes, terminationGracePeriodSeconds: 30 }
    await cluster.apply(pod('polite', polite, { volumeMounts, lifecycle }, spec))
    await cluster.apply(pod('deaf', deaf))
    await cluster.waitFor('--for=condition=Ready pod/polite')
    await cluster.waitFor('--for=condition=Ready pod/deaf')
    const began = performance.now()
    await cluster.kubectl('delete pod polite')
    expect(performance.now() - began).toBeLessThan(15_000)
    expect(readFileSync(join(folder, 'order'), 'utf8')).toBe('preStop\nterm\n')
    await cluster.kubectl('delete pod deaf --grace-period=1')
    expect((await eventsOf('deaf')).map(({ message }) => message)).toContain('Stopping container main')
  }, 60_000)

  test('host network and host processes', async () => {
    const spec = { hostNetwork: true, hostPID: true, dnsPolicy: 'ClusterFirstWithHostNet' }
    const script =
      'hostname; ip -4 addr show eth0 | grep inet; ps -o args | grep -c "[c]ontainerd --config"; sleep infinity'
    await cluster.apply(pod('host', script, {}, spec))
    await cluster.waitFor('--for=condition=Ready pod/host')
    expect((await cluster.get<Pod>('pod host')).status?.podIP).toBe(nodeAddress)
    await cluster.eventually(async () => expect(await cluster.kubectl('logs host')).toMatch(/1\n$/))
    const [name, address, containerds] = (await cluster.kubectl('logs host')).split('\n')
    expect([name, address?.trim().split(' ')[1], containerds]).toEqual([cluster.nodeName, `${nodeAddress}/24`, '1'])
    expect(await cluster.kubectl('exec host -- cat /etc/resolv.conf')).toContain('nameserver 10.43.0.10')
  }, 60_000)

  test('static pods have mirrors that follow their file', async () => {
    const file = cluster.file('agent/pod-manifests/static.yaml')
    const name = `static-${cluster.nodeName}`
    const manifest = (text: string) => pod('static', `echo ${text}; sleep infinity`, {}, always)
    writeFileSync(file, manifest('one'))
    await cluster.waitFor(`--for=condition=Ready pod/${name}`)
    const first = await cluster.get<Pod>(`pod ${name}`)
    expect(first.metadata?.annotations).toMatchObject({ 'kubernetes.io/config.source': 'file' })
    expect(first.metadata?.annotations).toHaveProperty(['kubernetes.io/config.mirror'])
    await cluster.kubectl(`delete pod ${name} --wait=false`)
    await cluster.eventually(async () => {
      const again = await cluster.get<Pod>(`pod ${name}`)
      expect(again.metadata?.uid).not.toBe(first.metadata?.uid)
      expect(again.status?.containerStatuses?.[0]?.containerID).toBe(first.status?.containerStatuses?.[0]?.containerID)
    })
    writeFileSync(file, manifest('two'))
    await cluster.eventually(async () => expect(await cluster.kubectl(`logs ${name}`)).toBe('two\n'))
    rmSync(file)
    await cluster.waitFor(`--for=delete pod/${name}`)
  }, 60_000)

  test('requests and limits reach the cgroups; memory over the limit kills', async () => {
    const resources = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '200m', memory: '64Mi' } }
    await cluster.apply(pod('limited', 'sleep infinity', { resources }))
    await cluster.apply(pod('greedy', 'tail /dev/zero', { resources: { limits: { memory: '16Mi' } } }))
    await cluster.waitFor('--for=condition=Ready pod/limited')
    const { metadata, status } = await cluster.get<Pod>('pod limited')
    expect(status?.qosClass).toBe('Burstable')
    const container = status!.containerStatuses![0]!.containerID!.split('//')[1]!
    const read = async (v1: string, v2: string) => {
      const group = `kubepods/burstable/pod${metadata?.uid}`
      const text = `cd /sys/fs/cgroup; [ -f cgroup.controllers ] && f=$0/$2 || f=\${1%%/*}/$0/\${1#*/}; cat $f`
      const files = [group, `${group}/${container}`]
      return Promise.all(files.map(async at => (await cluster.exec(['sh', '-c', text, at, v1, v2])).trim()))
    }
    expect(await read('memory/memory.limit_in_bytes', 'memory.max')).toEqual(['67108864', '67108864'])
    expect((await read('cpu/cpu.cfs_quota_us', 'cpu.max')).map(text => text.split(' ')[0])).toEqual(['20000', '20000'])
    await cluster.waitFor(phase('greedy', 'Failed'))
    expect((await statusOf('greedy')).state?.terminated).toMatchObject({ exitCode: 137, reason: 'OOMKilled' })
  }, 60_000)

  test('what cannot start says why', async () => {
    await cluster.apply(pod('no-image', 'true', { image: 'docker.io/library/none:1', imagePullPolicy: 'Never' }))
    await cluster.apply(pod('no-config', 'true', { envFrom: [{ configMapRef: { name: 'absent' } }] }))
    await cluster.apply(pod('no-program', '', { command: ['/no/such/program'] }))
    const waiting = (name: string, reason: string) =>
      `--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=${reason} pod/${name}`
    await cluster.waitFor(waiting('no-image', 'ErrImageNeverPull'))
    await cluster.waitFor(waiting('no-config', 'CreateContainerConfigError'))
    expect((await statusOf('no-config')).state?.waiting?.message).toBe('configmap "absent" not found')
    await cluster.waitFor(phase('no-program', 'Failed'))
    expect((await statusOf('no-program')).state?.terminated).toMatchObject({ exitCode: 128, reason: 'StartError' })
    await cluster.kubectl('create configmap absent --from-literal=A=b')
    await cluster.waitFor(phase('no-config', 'Succeeded'))
  }, 60_000)

  test('a pod whose runtime class is gone can still be deleted', async () => {
    await cluster.apply(`
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: passing }
handler: no-such-handler
---
apiVersion: v1
kind: Pod
metadata: { name: classy }
spec:
  runtimeClassName: passing
  containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }]
`)
    await cluster.eventually(async () =>
      expect(await cluster.kubectl('get events --field-selector involvedObject.name=classy')).toContain(
        'no-such-handler',
      ),
    )
    await cluster.kubectl('delete runtimeclass passing')
    await cluster.kubectl('delete pod classy --timeout=20s')
  }, 60_000)

  test('a log file that is gone is an error in words', async () => {
    await cluster.apply(pod('quiet', 'sleep infinity'))
    await cluster.waitFor('--for=condition=Ready pod/quiet')
    await cluster.exec(['sh', '-c', 'rm /var/log/pods/default_quiet_*/main/0.log'])
    const { code, stderr } = await cluster.tryKubectl('logs quiet')
    expect(code).toBe(1)
    expect(stderr).toContain('failed to try resolving symlinks in path "/var/log/pods/default_quiet_')
  }, 60_000)

  test('a web server is reached through its pod', async () => {
    await cluster.apply(pod('web', '', { image: webImage, command: undefined }))
    await cluster.waitFor('--for=condition=Ready pod/web')
    const { status } = await cluster.get<Pod>('pod web')
    expect(await cluster.kubectl(`exec web -- fetch ${status?.podIP}`)).toBe('web\n')
  }, 60_000)
})
