/** Services, names and addresses as pods, the node and the world outside see them. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Pod, Service } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters, nodeAddress, outsideAddress, startCluster } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('network e2e: skipped, needs root and containerd')

const web = (name: string, subdomain = 'nobody') => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web } }
spec:
  hostname: ${name}
  subdomain: ${subdomain}
  terminationGracePeriodSeconds: 0
  initContainers: [{ name: page, image: '${busyboxImage}', command: [sh, -c, 'echo ${name} > /www/index.html'], volumeMounts: [{ name: www, mountPath: /www }] }]
  containers:
    - name: web
      image: ${webImage}
      ports: [{ name: http, containerPort: 80${name === 'a' ? ', hostPort: 8088' : ''} }]
      readinessProbe: { httpGet: { port: http }, periodSeconds: 1 }
      volumeMounts: [{ name: www, mountPath: /www }]
  volumes: [{ name: www, emptyDir: {} }]
`
const manifests = `${web('a', 'headless')}${web('b', 'headless')}
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  selector: { app: web }
  ports: [{ name: http, port: 8080, targetPort: http, nodePort: 30080 }]
---
apiVersion: v1
kind: Service
metadata: { name: headless }
spec: { clusterIP: None, selector: { app: web }, ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: away }
spec: { type: ExternalName, externalName: far.example.test }
---
apiVersion: v1
kind: Service
metadata: { name: manual }
spec: { ports: [{ port: 80, targetPort: 8000 }] }
---
apiVersion: v1
kind: Endpoints
metadata: { name: manual }
subsets: [{ addresses: [{ ip: ${outsideAddress} }], ports: [{ port: 8000 }] }]
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec:
  terminationGracePeriodSeconds: 0
  hostAliases: [{ ip: 192.0.2.9, hostnames: [alias.test] }]
  containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }]
---
apiVersion: v1
kind: Pod
metadata: { name: custom-dns }
spec:
  terminationGracePeriodSeconds: 0
  dnsPolicy: None
  dnsConfig: { nameservers: [192.0.2.53], searches: [x.test], options: [{ name: ndots, value: '3' }] }
  containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }]
`

/** Answers HTTP on port 8000 with the address it was asked from, and DNS with 203.0.113.7 for every name. */
const outsideServer = `
require('http').createServer((q, r) => r.end(q.socket.remoteAddress + '\\n')).listen(8000, '${outsideAddress}')
const dns = require(${JSON.stringify(join(import.meta.dirname, '../../node_modules/dns-packet'))}), socket = require('dgram').createSocket('udp4')
socket.on('message', (message, from) => {
  const { id, questions } = dns.decode(message)
  const answers = questions.filter(q => q.type === 'A').map(q => ({ type: 'A', name: q.name, ttl: 5, data: '203.0.113.7' }))
  socket.send(dns.encode({ type: 'response', id, questions, answers, flags: dns.RECURSION_AVAILABLE }), from.port, from.address)
})
socket.bind(53, '${outsideAddress}', () => console.log('up'))
`

suite('network', () => {
  let cluster: Cluster
  let outside: ChildProcess
  const ips: { [pod: string]: string } = {}
  const inside = (script: string) => cluster.kubectl(['exec', 'client', '--', 'sh', '-c', script])
  /** Sorted addresses a name has in a pod. */
  const addresses = async (name: string) =>
    [...new Set((await inside(`getent ahostsv4 ${name} | cut -d' ' -f1`)).trim().split('\n'))].sort()
  const httpGet = (host: string, port: number) => [
    'timeout',
    '5',
    'bash',
    '-c',
    `exec 3<>/dev/tcp/${host}/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`,
  ]

  beforeAll(async () => {
    cluster = await startCluster()
    outside = cluster.bed.spawnOutside([process.execPath, '-e', outsideServer])
    await new Promise((resolve, reject) => {
      outside.stdout!.once('data', resolve)
      outside.once('exit', code => reject(new Error(`no server outside: ended with ${code}`)))
    })
    await cluster.apply(manifests)
    for (const name of ['a', 'b', 'client', 'custom-dns']) {
      await cluster.waitFor(`--for=condition=Ready pod/${name}`)
      ips[name] = (await cluster.get<Pod>(`pod ${name}`)).status!.podIP!
    }
    await cluster.waitFor('--for=condition=Available deployment/coredns -n kube-system')
  }, 90_000)
  afterAll(async () => {
    outside?.kill()
    await cluster?.destroy()
  }, 30_000)

  test('a service by name and by address, from a pod, from the node and through a node port', async () => {
    const { spec } = await cluster.get<Service>('service web')
    const asked = new Set<string>()
    for (let n = 0; n < 40 && asked.size < 2; n++) asked.add(await inside('fetch web:8080'))
    expect([...asked].sort()).toEqual(['a\n', 'b\n'])
    expect(await inside(`fetch ${spec?.clusterIP}:8080`)).toMatch(/^[ab]\n$/)
    expect(await inside(`fetch ${nodeAddress}:30080`)).toMatch(/^[ab]\n$/)
    expect(await cluster.exec(httpGet(spec!.clusterIP!, 8080))).toMatch(/\n[ab]\n$/)
    expect(await cluster.exec(httpGet('127.0.0.1', 30080))).toMatch(/\n[ab]\n$/)
    expect(await cluster.fromOutside(httpGet(nodeAddress, 30080))).toMatch(/\n[ab]\n$/)
  }, 60_000)

  test('a host port from outside', async () => {
    expect(await cluster.fromOutside(httpGet(nodeAddress, 8088))).toMatch(/\na\n$/)
  }, 30_000)

  test('a pod reaches itself through its own service', async () => {
    await cluster.kubectl('label pod b app=away --overwrite')
    await cluster.eventually(async () => {
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => cluster.kubectl('exec a -c web -- fetch web:8080')),
      )
      expect(answers).toEqual(Array(4).fill('a\n'))
    })
    await cluster.kubectl('label pod b app=web --overwrite')
    await cluster.eventually(async () => expect(await addresses('headless')).toEqual([ips.a, ips.b].sort()))
  }, 60_000)

  test('without endpoints a connection is refused at once', async () => {
    await cluster.kubectl('create service clusterip empty --tcp=80:80')
    await cluster.eventually(async () => {
      const result = await cluster.tryKubectl('exec client -- fetch empty')
      expect(result.stderr).toContain('Connection refused')
    })
  }, 60_000)

  test('names: services, headless ones and their pods, pods by address, other namespaces', async () => {
    const { spec } = await cluster.get<Service>('service web')
    for (const name of ['web', 'web.default', 'web.default.svc', 'web.default.svc.cluster.local.'])
      expect(await addresses(name)).toEqual([spec?.clusterIP])
    expect(await addresses('kube-dns.kube-system')).toEqual(['10.43.0.10'])
    expect(await addresses('kubernetes.default')).toEqual(['10.43.0.1'])
    expect(await addresses('headless')).toEqual([ips.a, ips.b].sort())
    expect(await addresses('a.headless')).toEqual([ips.a])
    expect(await addresses(`${ips.b!.replaceAll('.', '-')}.default.pod.cluster.local`)).toEqual([ips.b])
    expect((await cluster.tryKubectl('exec client -- getent hosts none.default.svc.cluster.local')).code).toBe(2)
  }, 60_000)

  test('names: service ports, reverse, the node, aliases, and everything else from upstream', async () => {
    const ports = await inside('nslookup -type=srv _http._tcp.headless.default.svc.cluster.local')
    expect(ports).toMatch(/80 [ab]\.headless\.default\.svc\.cluster\.local/)
    const names = await inside(`nslookup ${ips.a}`)
    expect(names).toContain('a.headless.default.svc.cluster.local')
    expect(names).toContain(`${ips.a!.replaceAll('.', '-')}.web.default.svc.cluster.local`)
    const { spec } = await cluster.get<Service>('service web')
    expect(await inside(`getent hosts ${spec?.clusterIP}`)).toContain('web.default.svc.cluster.local')
    expect(await addresses(cluster.nodeName)).toEqual([nodeAddress])
    expect(await addresses('alias.test')).toEqual(['192.0.2.9'])
    expect(await addresses('www.example.test')).toEqual(['203.0.113.7'])
    expect(await addresses('away')).toEqual(['203.0.113.7'])
  }, 60_000)

  test('a pod goes out with the address of its node', async () => {
    expect(await inside(`fetch ${outsideAddress}:8000`)).toBe(`${nodeAddress}\n`)
    expect(await inside('fetch manual')).toBe(`${nodeAddress}\n`)
    expect(await cluster.kubectl(`exec a -c web -- fetch ${ips.b}`)).toBe('b\n')
  }, 30_000)

  test("a pod's own resolver settings", async () => {
    const resolver = await cluster.kubectl('exec custom-dns -- cat /etc/resolv.conf')
    expect(resolver.trim().split('\n').sort()).toEqual(['nameserver 192.0.2.53', 'options ndots:3', 'search x.test'])
  }, 30_000)

  test('a deleted service leaves no name and no way', async () => {
    const { spec } = await cluster.get<Service>('service web')
    await cluster.kubectl('delete service web')
    await cluster.eventually(async () => {
      expect((await cluster.tryKubectl('exec client -- getent hosts web.default.svc.cluster.local')).code).toBe(2)
      expect(await cluster.exec(['nft', 'list', 'ruleset'])).not.toContain(`${spec?.clusterIP} `)
    }, 60)
  }, 90_000)
})
