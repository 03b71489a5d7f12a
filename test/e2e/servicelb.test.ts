/** Load balancers on a real node, reached from the machine outside. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { DaemonSet, Pod, Service } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters, nodeAddress, outsideAddress, startCluster } from '../testbed/cluster.ts'
import { webImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('servicelb e2e: skipped, needs root and containerd')

/** Answers HTTP with its name and the client's address. */
const server = (name: string) => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web } }
spec:
  hostname: ${name}
  terminationGracePeriodSeconds: 0
  containers:
    - name: web
      image: ${webImage}
      readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }
      volumeMounts: [{ name: cgi, mountPath: /www/cgi-bin }]
  volumes: [{ name: cgi, configMap: { name: cgi, defaultMode: 0755 } }]
`
const pods = `
apiVersion: v1
kind: ConfigMap
metadata: { name: cgi }
data:
  who: |
    #!/bin/sh
    printf 'Content-type: text/plain\\r\\n\\r\\n%s %s' "$(hostname)" "$(echo $REMOTE_ADDR | tr -d '[]' | sed 's/^::ffff://')"
${server('a')}${server('b')}`

const balancer = (name: string, spec: string) => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  type: LoadBalancer
  selector: { app: web }
  ${spec}
`
suite('ServiceLB', () => {
  let cluster: Cluster
  const get = (port: number) => ['curl', '-sS', '-m', '2', `http://${nodeAddress}:${port}/cgi-bin/who`]
  const ask = (port: number) => cluster.fromOutside(get(port))
  const published = (name: string, address = nodeAddress) =>
    cluster.waitFor(`--for=jsonpath={.status.loadBalancer.ingress[0].ip}=${address} service/${name}`)
  const unpublished = async () =>
    expect(await cluster.kubectl('get service web -o jsonpath={.status.loadBalancer.ingress}')).toBe('')
  const until = (attempt: () => Promise<void>) => cluster.eventually(attempt)
  const balancersLeft = () => cluster.kubectl('get daemonsets,pods -A -l svccontroller.k3s.cattle.io/svcname -o name')
  const eventsOf = async (service: string) =>
    (
      await cluster.kubectl(
        `get events --field-selector involvedObject.name=${service} -o custom-columns=R:.reason,M:.message`,
      )
    )
      .split('\n')
      .map(line => line.replace(/ {2,}/, ': ').trim())

  beforeAll(async () => {
    cluster = await startCluster()
    await cluster.apply(pods)
    for (const pod of ['a', 'b']) await cluster.waitFor(`--for=condition=Ready pod/${pod}`)
  }, 90_000)
  afterAll(async () => {
    await cluster?.destroy()
  })

  test('a service is reached at the node’s address: every port, from outside and on the node', async () => {
    // 8080 is also a port of the embedded CoreDNS, at an address of its own.
    const ports = `ports: [{ name: http, port: 8080, targetPort: 80 }, { name: alt, port: 81, targetPort: 80 }]`
    await cluster.apply(balancer('web', ports))
    await published('web')
    for (const port of [8080, 81]) expect(await ask(port)).toMatch(/^[ab] 10\.42\.0\.1$/)
    expect(await cluster.exec(['curl', '-sS', '-m', '2', 'http://127.0.0.1:8080/cgi-bin/who'])).toMatch(/^[ab] /)
    const answers = new Set<string>()
    await until(async () => expect([...answers.add((await ask(81)).slice(0, 1))].sort()).toEqual(['a', 'b']))
    const healthz = ['curl', '-sS', '-m', '2', 'http://127.0.0.1:10256/healthz']
    expect(JSON.parse(await cluster.exec(healthz))).toMatchObject({ nodeEligible: true })
    const dns = await cluster.get<{ items: Pod[] }>('pods -n kube-system -l k8s-app=kube-dns')
    expect(await cluster.exec(['curl', '-sS', '-m', '2', `http://${dns.items[0]!.status!.podIP}:8080/health`])).toBe(
      'OK',
    )
  }, 60_000)

  test('looks as K3s’ does: DaemonSet, pods, status, events, logs; without port mappings of CNI', async () => {
    const { metadata, status } = await cluster.get<Service>('service web')
    expect(metadata.finalizers).toEqual(['service.kubernetes.io/load-balancer-cleanup'])
    expect(status!.loadBalancer).toEqual({ ingress: [{ ip: nodeAddress, ipMode: 'VIP' }] })
    const name = `svclb-web-${metadata.uid!.slice(0, 8)}`
    const set = await cluster.get<DaemonSet>(`daemonset ${name} -n kube-system`)
    expect(set.status).toMatchObject({ desiredNumberScheduled: 1, numberReady: 1 })
    const { items } = await cluster.get<{ items: Pod[] }>(`pods -n kube-system -l app=${name}`)
    expect(items[0]!.spec).toMatchObject({ priorityClassName: 'system-node-critical', priority: 2000001000 })
    expect(items[0]!.status!.containerStatuses!.map(container => [container.name, container.restartCount])).toEqual([
      ['lb-tcp-8080', 0],
      ['lb-tcp-81', 0],
    ])
    await cluster.kubectl(`logs -n kube-system daemonset/${name} --all-containers`)
    expect(await eventsOf('web')).toEqual(
      expect.arrayContaining([
        `AppliedDaemonSet: Applied LoadBalancer DaemonSet kube-system/${name}`,
        `UpdatedLoadBalancer: Updated LoadBalancer with new IPs: [] -> [${nodeAddress}]`,
      ]),
    )
    expect(await cluster.exec(['nft', 'list', 'ruleset'])).not.toContain('CNI-')
  }, 60_000)

  test('UDP and TCP on one port', async () => {
    await cluster.apply(`
apiVersion: v1
kind: Service
metadata: { name: dns, namespace: kube-system }
spec:
  type: LoadBalancer
  selector: { k8s-app: kube-dns }
  ports: [{ name: udp, port: 53, protocol: UDP }, { name: tcp, port: 53, protocol: TCP }]
`)
    await published('dns -n kube-system')
    for (const transport of ['+notcp', '+tcp']) {
      const query = ['dig', `@${nodeAddress}`, transport, '+short', '+tries=1', 'kubernetes.default.svc.cluster.local']
      await until(async () => expect(await cluster.fromOutside(query)).toBe('10.43.0.1\n'))
    }
    await cluster.kubectl('logs -n kube-system daemonset/svclb-dns')
    await cluster.kubectl('delete service dns -n kube-system')
  }, 60_000)

  test('policy Local keeps the client’s address, and the health check port answers', async () => {
    await cluster.kubectl(['patch', 'service', 'web', '-p', '{"spec":{"externalTrafficPolicy":"Local"}}'])
    await until(async () => expect(await ask(8080)).toMatch(new RegExp(`^[ab] ${outsideAddress}$`)))
    await published('web')
    const { spec } = await cluster.get<Service>('service web')
    const check = [
      'curl',
      '-sS',
      '-m',
      '2',
      '-w',
      '%{http_code}',
      `http://${nodeAddress}:${spec!.healthCheckNodePort}/`,
    ]
    await until(async () => expect(await cluster.fromOutside(check)).toMatch(/"localEndpoints": 2,[\s\S]*}200$/))
    await cluster.kubectl(['patch', 'service', 'web', '-p', '{"spec":{"selector":{"app":"nobody"}}}'])
    await until(async () => expect(await cluster.fromOutside(check)).toMatch(/"localEndpoints": 0,[\s\S]*}503$/))
    await until(unpublished)
    await cluster.kubectl(['patch', 'service', 'web', '-p', '{"spec":{"selector":{"app":"web"}}}'])
    await published('web')
  }, 60_000)

  test('a further port comes without a break for the others', async () => {
    const uid = await cluster.kubectl('get service web -o jsonpath={.metadata.uid}')
    const events = (await eventsOf('web')).filter(event => event.startsWith('U'))
    const patch = { spec: { ports: [{ name: 'more', port: 82, targetPort: 80 }] } }
    await cluster.kubectl(['patch', 'service', 'web', '-p', JSON.stringify(patch)])
    for (let open = false; !open; open = (await cluster.bed.runOutside(get(82))).code === 0)
      expect(await ask(8080)).toMatch(/^[ab] /)
    await cluster.kubectl(`rollout status daemonset/svclb-web-${uid.slice(0, 8)} -n kube-system --timeout=30s`)
    expect((await eventsOf('web')).filter(event => event.startsWith('U'))).toEqual(events)
  }, 60_000)

  test('source ranges are enforced, overlapping ones too', async () => {
    const ranges = (...list: string[]) =>
      cluster.kubectl(['patch', 'service', 'web', '-p', JSON.stringify({ spec: { loadBalancerSourceRanges: list } })])
    await ranges(`${nodeAddress}/32`)
    await until(async () => expect((await cluster.bed.runOutside(get(8080))).stderr).toContain('timed out'))
    expect(await cluster.exec(get(8080))).toMatch(/^[ab] /)
    await ranges('198.51.0.0/16', `${outsideAddress}/32`)
    await until(async () => expect(await ask(8080)).toMatch(/^[ab] /))
    expect(await eventsOf('web')).not.toEqual(expect.arrayContaining([expect.stringContaining('Failed')]))
  }, 60_000)

  test('a port two services want: the younger one is told, and gets it when the older one goes', async () => {
    await cluster.apply(balancer('late', 'ports: [{ port: 81, targetPort: 80 }]\n  sessionAffinity: ClientIP'))
    await cluster.waitFor('--for=condition=LoadBalancerPortsError service/late')
    expect((await eventsOf('late')).join('\n')).toMatch(
      /PortConflict: port 81\/TCP belongs to the older service default\/web on every node/,
    )
    expect(await cluster.kubectl('get service late -o jsonpath={.status.loadBalancer.ingress}')).toBe('')
    await cluster.kubectl('delete service web')
    await published('late')
    const first = await ask(81)
    for (let round = 0; round < 5; round++) expect(await ask(81)).toBe(first)
    expect(await cluster.kubectl('get service late -o jsonpath={.status.conditions}')).toBe('')
  }, 60_000)

  test('a pod whose host port is in the way is named; the port is balanced once it is gone', async () => {
    await cluster.apply(`
apiVersion: v1
kind: Pod
metadata: { name: holder }
spec: { terminationGracePeriodSeconds: 0, containers: [{ name: web, image: '${webImage}', ports: [{ containerPort: 80, hostPort: 83 }] }] }
`)
    await cluster.waitFor('--for=condition=Ready pod/holder')
    // With a priority of their own the balancers would drive the pod away.
    const annotations = `{ svccontroller.k3s.cattle.io/priorityclassname: '' }`
    await cluster.apply(
      balancer('blocked', 'ports: [{ port: 83, targetPort: 80 }]').replace(
        'name: blocked',
        `name: blocked, annotations: ${annotations}`,
      ),
    )
    await cluster.waitFor('--for=condition=LoadBalancerPortsError service/blocked')
    expect((await eventsOf('blocked')).join('\n')).toMatch(
      /PortInUse: port 83\/TCP of node \S+ is taken by the host port of pod default\/holder/,
    )
    await cluster.kubectl('delete pod holder')
    await published('blocked')
    await until(async () => expect(await ask(83)).toMatch(/^[ab] /))
    await cluster.kubectl('delete service blocked')
  }, 60_000)

  test('a process of the node whose port is taken over is named', async () => {
    const process_ = cluster.bed.spawn([
      process.execPath,
      '-e',
      `require('http').createServer((_, r) => r.end('mine')).listen(8099, () => console.log('up'))`,
    ])
    await new Promise(resolve => process_.stdout!.once('data', resolve))
    expect(await ask(8099)).toBe('mine')
    await cluster.apply(balancer('shadow', 'ports: [{ port: 8099, targetPort: 80 }]'))
    await published('shadow')
    await until(async () => expect(await ask(8099)).toMatch(/^[ab] /))
    await until(async () =>
      expect((await eventsOf('shadow')).join('\n')).toMatch(
        /PortShadowed: node \(pid \d+\) listens on port 8099\/TCP of node \S+, too/,
      ),
    )
    process_.kill()
  }, 60_000)

  test('a deleted service leaves nothing behind', async () => {
    await cluster.kubectl('delete service late shadow')
    await until(async () => expect(await balancersLeft()).toBe(''))
    expect((await cluster.bed.runOutside(get(81))).stderr).toContain('connect')
    expect(await cluster.exec(['nft', 'list', 'map', 'ip', 'skiff-services', 'service-hostports'])).not.toContain(
      'elements',
    )
  }, 60_000)

  test('a server that stops and starts again leaves balancers as they are', async () => {
    await cluster.apply(balancer('web', 'ports: [{ port: 80 }]'))
    await published('web')
    const state = () =>
      cluster.kubectl(
        'get daemonsets,pods -A -l svccontroller.k3s.cattle.io/svcname=web -o jsonpath={.items[*].metadata.uid}{.items[*].metadata.generation}',
      )
    const before = await state()
    await cluster.stopServer()
    expect(await ask(80)).toMatch(/^[ab] /)
    await cluster.restart()
    expect(await ask(80)).toMatch(/^[ab] /)
    // A further service shows that the operator has been at work.
    await cluster.apply(balancer('next', 'ports: [{ port: 84 }]'))
    await published('next')
    expect(await state()).toBe(before)
  }, 60_000)

  test('--disable servicelb lets go of what earlier runs balanced', async () => {
    const folder = join(cluster.bed.dir, 'rancher/k3s')
    mkdirSync(folder, { recursive: true })
    await cluster.stopServer()
    writeFileSync(join(folder, 'config.yaml'), 'disable: [servicelb]\n')
    await cluster.restart()
    await until(async () => expect(await balancersLeft()).toBe(''))
    await until(unpublished)
    await cluster.kubectl('delete service web --timeout=10s')
    expect(await cluster.kubectl('get clusterrole k3s-cloud-controller-manager -o name')).not.toBe('')
    await cluster.stopServer()
    writeFileSync(join(folder, 'config.yaml'), 'disable: [servicelb]\ndisable-cloud-controller: true\n')
    await cluster.restart()
    await cluster.waitFor('--for=delete clusterrole/k3s-cloud-controller-manager')
  }, 60_000)
})
