/** A server's end, asked for or not, and its next start on the same data-dir: nothing acknowledged is lost, pods run on. */
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ConfigMap, CoreV1Event, Pod, Secret, Service } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'

interface List<T> {
  readonly items: readonly T[]
}

const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          image: ${webImage}
          readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }
          livenessProbe: { tcpSocket: { port: 80 } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: init }
spec:
  initContainers: [{ name: first, image: '${busyboxImage}', command: ['true'] }]
  containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }]
---
apiVersion: v1
kind: Secret
metadata: { name: kept }
stringData: { key: value }
`

/** What must not change about containers while the server is away. */
async function containers(cluster: Cluster): Promise<object[]> {
  const { items } = await cluster.get<List<Pod>>('pods')
  return items
    .flatMap(pod =>
      [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].map(
        ({ name, containerID, restartCount, state }) => ({
          pod: pod.metadata?.uid,
          ip: pod.status?.podIP,
          name,
          containerID,
          restartCount,
          state,
        }),
      ),
    )
    .sort((a, b) => (a.containerID! < b.containerID! ? -1 : 1))
}

/** Names and identities of what a user has made, and of what the cluster made itself. */
async function identities(cluster: Cluster): Promise<(string | undefined)[]> {
  const { items } = await cluster.get<List<Secret | Service>>(
    'namespaces,nodes,services,secrets,deployments,replicasets,serviceaccounts,clusterroles -A',
  )
  return items.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name} ${metadata?.uid}`).sort()
}

/** Events about pods that tell of a container's end: what happened, to whom, how often. */
async function disturbances(cluster: Cluster): Promise<string[]> {
  const { items } = await cluster.get<List<CoreV1Event>>('events -n default')
  return items
    .filter(({ reason = '' }) => /Kill|SandboxChanged|BackOff|Unhealthy/.test(reason))
    .map(({ reason, count, involvedObject, message }) => `${reason} ${involvedObject.name} ${count}: ${message}`)
    .sort()
}

/** The web pods answer by name and by address, asked from the node. */
async function webAnswers(cluster: Cluster): Promise<void> {
  const service = await cluster.get<Service>('service web')
  await cluster.eventually(async () => {
    const name = 'web.default.svc.cluster.local'
    expect(await cluster.exec(['busybox', 'nslookup', name, '10.43.0.10'])).toContain(service.spec?.clusterIP)
    const script = `exec 3<>/dev/tcp/${service.spec?.clusterIP}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`
    expect(await cluster.exec(['bash', '-c', script])).toContain('200 OK')
  })
}

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('restart e2e: skipped, needs root and containerd')

suite('a second start on the same data-dir', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
    await cluster.apply(workload)
    await cluster.waitFor('--for=condition=Available deployment/web')
    await cluster.waitFor('--for=jsonpath={.status.readyReplicas}=2 deployment/web')
    await cluster.waitFor('--for=condition=Ready pod/init')
  }, 90_000)
  afterAll(() => cluster?.destroy(), 30_000)

  test('after SIGTERM: within 5 s, and everything is as it was', async () => {
    const [config, objects, running] = [cluster.kubeconfig(), await identities(cluster), await containers(cluster)]
    // A first probe may have come before the web server listened.
    const before = await disturbances(cluster)
    const said = cluster.logs().length
    await cluster.stopServer()
    const complaints = cluster.logs().slice(said).split('\n')
    expect(complaints.filter(line => /"level":50|still holds|cannot stop/.test(line))).toEqual([])
    expect(await cluster.bed.run(['pgrep', '-c', '-f', 'httpd -f -p 80'])).toMatchObject({ stdout: '2\n' })
    await cluster.restart()
    expect(cluster.kubeconfig()).toBe(config)
    expect(await identities(cluster)).toEqual(objects)
    expect(await containers(cluster)).toEqual(running)
    expect(await disturbances(cluster)).toEqual(before)
    await webAnswers(cluster)
    expect(await containers(cluster)).toEqual(running)
  }, 60_000)

  test('after SIGTERM with open watches, streams and silent connections: within 5 s', async () => {
    const name = (await cluster.get<List<Pod>>('pods -l app=web')).items[0]?.metadata?.name
    const clients = [
      'get pods --watch',
      `logs -f ${name}`,
      `exec -i ${name} -- cat`,
      `port-forward ${name} 18080:80`,
    ].map(args => cluster.spawnKubectl(args, {}, { stdio: ['pipe', 'pipe', 'ignore'] }))
    const connections = [6443, 10250, 18080].map(port => `exec {fd}<>/dev/tcp/127.0.0.1/${port}`).join('; ')
    const [watch, , exec, forward] = clients
    exec!.stdin!.write('hello\n')
    await Promise.all([watch, exec, forward].map(client => once(client!.stdout!, 'data')))
    const silent = cluster.bed.spawn(['bash', '-c', `${connections}; echo open; sleep infinity`])
    await once(silent.stdout!, 'data')
    const ends = clients.map(client => once(client, 'close'))
    await cluster.stopServer()
    forward!.kill() // it waits for its next connection
    await Promise.all(ends)
    silent.kill()
    await cluster.restart()
  }, 60_000)

  test("the server's node keeps its name by its password, and waits when that is another one", async () => {
    const file = '/etc/rancher/node/password'
    const secret = `secret ${cluster.nodeName}.node-password.k3s -n kube-system`
    const { type, metadata } = await cluster.get<Secret>(secret)
    expect([type, metadata?.ownerReferences?.[0]]).toMatchObject([
      'k3s.cattle.io/node-password',
      { apiVersion: 'v1', kind: 'Node', name: cluster.nodeName },
    ])
    await cluster.stopServer()
    await cluster.exec(['sh', '-c', `cp ${file} ${file}.kept; echo other >${file}`])
    const said = cluster.logs().length
    const { up } = cluster.launch()
    await cluster.eventually(async () =>
      expect(cluster.logs().slice(said)).toContain('server is not ready: Node password rejected, duplicate hostname'),
    )
    await cluster.kubectl(`delete ${secret}`)
    await up
    const { data } = await cluster.get<Secret>(secret)
    expect(data?.hash).toBeDefined()
  }, 60_000)

  test('what changed meanwhile is noticed: a container that ended is started again', async () => {
    await cluster.stopServer()
    const inPods = 'grep -lE "kubepods" $(pgrep -f "^sleep infinity$" | sed "s|.*|/proc/&/cgroup|") | cut -d/ -f3'
    await cluster.exec(['sh', '-c', `kill -9 $(${inPods})`])
    await cluster.restart()
    await cluster.waitFor('--for=jsonpath={.status.containerStatuses[0].restartCount}=1 pod/init')
    await cluster.waitFor('--for=condition=Ready pod/init')
  }, 60_000)

  test('a killed containerd is started again; its containers do not notice', async () => {
    const running = await containers(cluster)
    await cluster.exec(['sh', '-c', 'kill -9 $(pgrep -o -x containerd)'])
    await cluster.kubectl(`run later --image=${busyboxImage} --restart=Never --command -- true`)
    await cluster.waitFor('--for=jsonpath={.status.phase}=Succeeded pod/later')
    await cluster.kubectl('delete pod later')
    expect(await containers(cluster)).toEqual(running)
  }, 60_000)

  test('after kill -9 under load: every acknowledged write is there, pods run on', async () => {
    const [running, before] = [await containers(cluster), await disturbances(cluster)]
    const writer = cluster.bed.spawn([process.execPath, join(import.meta.dirname, '../testbed/writer.ts')])
    let output = ''
    const ended = new Promise(resolve => writer.once('close', resolve))
    const enough = new Promise<void>(resolve =>
      writer.stdout!.on('data', data => {
        output += data
        if (output.length > 20_000) resolve()
      }),
    )
    writer.stdin!.end(cluster.kubeconfig())
    await Promise.race([enough, ended])
    await cluster.kill9()
    await ended
    const acknowledged = output.split('\n').slice(0, -1)
    expect(acknowledged.length).toBeGreaterThan(1000)

    await cluster.restart()
    const { items } = await cluster.get<List<ConfigMap>>('configmaps')
    const found = new Map(items.map(({ metadata, data }) => [metadata?.name, data?.name]))
    expect(acknowledged.filter(name => found.get(name) !== name)).toEqual([])
    expect(await containers(cluster)).toEqual(running)
    await webAnswers(cluster)
    expect(await disturbances(cluster)).toEqual(before)
  }, 120_000)

  test('after a power cut: every pod is there again, started once more', async () => {
    const before = await cluster.get<List<Pod>>('pods')
    await cluster.reboot()
    for (const { metadata, status } of before.items) {
      const count = (status?.containerStatuses?.[0]?.restartCount ?? 0) + 1
      await cluster.waitFor(`--for=jsonpath={.status.containerStatuses[0].restartCount}=${count} pod/${metadata?.name}`)
      await cluster.waitFor(`--for=condition=Ready pod/${metadata?.name}`)
    }
    await webAnswers(cluster)
  }, 120_000)
})
