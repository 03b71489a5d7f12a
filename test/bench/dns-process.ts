/**
 * The DNS module in a process of its own, for measuring and for comparing: `node dns-process.ts FOLDER [KUBECONFIG]` serves
 * FOLDER/Corefile on 127.0.0.1, the names of a made-up cluster or of the one behind the kubeconfig.
 */
import { join } from 'node:path'
import type { Client } from '../../bootstrap/client/client.ts'
import { loadKubeconfig } from '../../bootstrap/client/kubeconfig.ts'
import { remoteClient } from '../../bootstrap/client/remote.ts'
import { endpointSlices, namespaces, services } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { corednsModule } from '../../operators/coredns/module.ts'

const [folder = '.', kubeconfig] = process.argv.slice(2)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

/** 1000 services, each with an address; every tenth headless with four endpoints. */
async function madeUp(): Promise<Client> {
  const client = new MemoryClient()
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' }, spec: {} })
  for (let at = 0; at < 1000; at++) {
    const name = `web-${at}`
    const clusterIP = at % 10 === 0 ? 'None' : `10.43.${Math.floor(at / 250)}.${at % 250}`
    const spec = { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }
    await client.create(services, { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec })
    if (clusterIP !== 'None') continue
    await client.create(endpointSlices, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [1, 2, 3, 4].map(host => ({ addresses: [`10.42.${at % 250}.${host}`], conditions: { ready: true } })),
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    })
  }
  return client
}

process.exitCode = await corednsModule.run({
  args: [],
  env: {},
  pod: { name: 'coredns', namespace: 'kube-system', uid: 'u', nodeName: 'n', ips: ['127.0.0.1'] },
  client: kubeconfig === undefined ? await madeUp() : remoteClient((await loadKubeconfig(kubeconfig)).remote),
  certificate: () => ({ cert: '', key: '' }),
  hostPath: path => path.replace(/^\/etc\/coredns/, folder).replace(/^\.\//, join(folder, '/')),
  stdout: text => process.stdout.write(text),
  stderr: text => process.stderr.write(text),
  signal: stop.signal,
})
