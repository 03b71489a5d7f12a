/** What the cloud controller's function and the node's container runtimes come to on a real node. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { DaemonSet, Node, Service } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters, nodeAddress, startCluster } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('cloud e2e: skipped, needs root and containerd')
const hasCrun = existsSync('/usr/bin/crun')
if (!hasCrun) console.log('cloud e2e: crun is not installed, nothing runs in it')

const external = '203.0.113.10'
const flags = {
  'node-external-ip': external,
  'node-internal-dns': 'node.lan',
  'node-external-dns': 'node.example.com,edge.example.com',
  'servicelb-namespace': 'balancers',
  'egress-selector-mode': 'cluster',
}

suite('cloud controller', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ flags: Object.entries(flags).map(([name, value]) => `--${name}=${value}`) })
  }, 90_000)
  afterAll(async () => {
    await cluster?.destroy()
  })

  test('the node is what its flags say, and takes pods', async () => {
    await cluster.waitFor('--for=condition=Available deployment/coredns -n kube-system')
    const node = await cluster.get<Node>(`node ${cluster.nodeName}`)
    expect(node.spec!.providerID).toBe(`k3s://${cluster.nodeName}`)
    expect(node.spec!.taints).toBeUndefined()
    expect(node.metadata.labels).toMatchObject({
      'node.kubernetes.io/instance-type': 'k3s',
      'beta.kubernetes.io/instance-type': 'k3s',
      'egress.k3s.io/cluster': 'true',
      'node-role.kubernetes.io/control-plane': 'true',
    })
    expect(node.status!.addresses!.map(({ type, address }) => `${type} ${address}`)).toEqual([
      `InternalIP ${nodeAddress}`,
      `ExternalIP ${external}`,
      'InternalDNS node.lan',
      'ExternalDNS node.example.com',
      'ExternalDNS edge.example.com',
      `Hostname ${cluster.nodeName}`,
    ])
    expect(await cluster.kubectl('get clusterrole k3s-cloud-controller-manager -o name')).toContain('k3s-cloud')
  }, 60_000)

  test('a load balancer is published at the external address, and answers at every address of the node', async () => {
    await cluster.apply(`
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec: { terminationGracePeriodSeconds: 0, containers: [{ name: web, image: '${webImage}' }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: LoadBalancer, selector: { app: web }, ports: [{ port: 80 }] }
`)
    await cluster.waitFor(`--for=jsonpath={.status.loadBalancer.ingress[0].ip}=${external} service/web`)
    const { status } = await cluster.get<Service>('service web')
    expect(status!.loadBalancer!.ingress).toHaveLength(1)
    const { items } = await cluster.get<{ items: DaemonSet[] }>('daemonsets -n balancers')
    expect(items.map(({ metadata }) => metadata.name)).toEqual([expect.stringMatching(/^svclb-web-/)])
    await cluster.waitFor('--for=condition=Ready pod/web')
    // The way a cloud brings packets to the external address: translated to the node's own.
    const get = (address: string) => ['curl', '-sS', '-m', '2', `http://${address}`]
    await cluster.eventually(async () => expect(await cluster.fromOutside(get(nodeAddress))).toBe('web\n'))
    expect(await cluster.exec(get(external))).toBe('web\n')
  }, 60_000)

  const crunTest = hasCrun ? test : test.skip
  crunTest(
    'a pod of RuntimeClass crun runs in crun, others in runc',
    async () => {
      const pod = (name: string, spec: string) => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  ${spec}
  terminationGracePeriodSeconds: 0
  containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }]
`
      // crun refuses cgroup v1 with controllers of v2 beside it, which is this machine's affair.
      await cluster.bed.run(['umount', '--lazy', '/sys/fs/cgroup/unified'])
      await cluster.apply(pod('in-crun', 'runtimeClassName: crun') + pod('in-runc', 'hostNetwork: false'))
      for (const name of ['in-crun', 'in-runc']) await cluster.waitFor(`--for=condition=Ready pod/${name}`)
      const binaryOf = async (name: string) => {
        const id = await cluster.kubectl(`get pod ${name} -o jsonpath={.status.containerStatuses[0].containerID}`)
        const folder = `/run/k3s/containerd/state/io.containerd.runtime.v2.task/k8s.io/${id.replace('containerd://', '')}`
        return cluster.exec(['cat', `${folder}/options.json`])
      }
      expect(await binaryOf('in-crun')).toContain('"/usr/bin/crun"')
      expect(await binaryOf('in-runc')).not.toContain('crun')
      expect(await cluster.kubectl('exec in-crun -- echo hello')).toBe('hello\n')
    },
    60_000,
  )
})
