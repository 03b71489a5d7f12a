/**
 * Nodes without machines, in one process: each joins with the code of a real agent, registers a Node, follows its pods and
 * the services as a real one does, and renews its Lease until it is killed. Prints "start", and a name for each registered.
 * Usage: node simulated-agents.ts URL TOKEN COUNT DIRECTORY
 */
import { join } from 'node:path'
import { rfc3339, rfc3339Micro } from '../../bootstrap/api/time.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { remoteClient } from '../../bootstrap/client/remote.ts'
import { endpointSlices, leases, nodes, pods, services } from '../../bootstrap/client/resources.ts'
import { joinCluster } from '../../bootstrap/join/join.ts'
import { NodeFiles } from '../../bootstrap/join/node-files.ts'
import { gitVersion } from '../../bootstrap/version.ts'

const [url = '', token = '', count = '0', directory = ''] = process.argv.slice(2)
const { signal } = new AbortController()
const quiet = { info: () => {}, warn: () => {}, error: (_: object, line: string) => console.error(line) }
const effects = { clock: systemClock, random: Math.random, log: quiet, signal }

async function agent(number: number): Promise<void> {
  const name = `simulated-${number}`
  const address = `192.0.2.${number}`
  const files = new NodeFiles(join(directory, name))
  await files.prepare()
  const { credentials } = await joinCluster(
    {
      serverUrl: url,
      url: () => url,
      token,
      node: { name, addresses: [address], password: name, passwordFile: '-' },
      files,
    },
    effects,
  )
  const { serverCa: ca, kubelet, proxy } = credentials
  const client = remoteClient({ server: url, ca, ...kubelet })
  const proxyClient = remoteClient({ server: url, ca, ...proxy })
  const now = rfc3339(Date.now())
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'simulated' }
  const capacity = { cpu: '2', memory: '4Gi', pods: '110', 'ephemeral-storage': '10Gi' }
  await client.create(nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    spec: {},
    status: {
      addresses: [{ type: 'InternalIP', address }],
      capacity,
      allocatable: capacity,
      conditions: [{ ...ready, lastHeartbeatTime: now, lastTransitionTime: now }],
      nodeInfo: nodeInfo(name),
    },
  })
  await client.create(leases, lease(name))
  const informers = createInformers(client, effects)
  informers.get(pods, { fieldSelector: `spec.nodeName=${name}` })
  informers.get(nodes, { fieldSelector: `metadata.name=${name}` })
  const ofProxy = createInformers(proxyClient, effects)
  ofProxy.get(services)
  ofProxy.get(endpointSlices)
  console.log(name)
  for (;;) {
    await systemClock.sleep(10_000, signal)
    await client.patch(leases, { namespace: 'kube-node-lease', name }, { spec: lease(name).spec }, { type: 'merge' })
  }
}

const lease = (name: string) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { namespace: 'kube-node-lease', name },
  spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: rfc3339Micro(Date.now()) },
})

const nodeInfo = (name: string) => ({
  architecture: 'amd64',
  bootID: name,
  containerRuntimeVersion: 'simulated://1',
  kernelVersion: '6',
  kubeProxyVersion: gitVersion,
  kubeletVersion: gitVersion,
  machineID: name,
  operatingSystem: 'linux',
  osImage: 'simulated',
  systemUUID: name,
})

console.log('start')
const keep = setInterval(() => {}, 2 ** 30)
await Promise.all(Array.from({ length: Number(count) }, (_, number) => agent(number + 1)))
clearInterval(keep)
