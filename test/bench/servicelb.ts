/** Connections and requests through a load balancer's port, against the same to the pod itself, from the machine outside. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cluster, canRunClusters, nodeAddress, startCluster } from '../testbed/cluster.ts'
import { busyboxImage } from '../testbed/images.ts'
import { report } from './row.ts'

const port = 8080
const connections = 64
const seconds = 4
const rounds = 3

const manifest = `
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec: { containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: LoadBalancer, externalTrafficPolicy: Local, selector: { app: web }, ports: [{ port: ${port} }] }
`
/** Answers every request at once, in the pod's network. */
const server = `
defaults
  mode http
  timeout client 10s
  timeout http-request 10s
frontend web
  bind :${port}
  http-request return status 200 content-type text/plain string ok
`

const tools = ['haproxy', 'wrk'].filter(name => spawnSync(name, ['-v']).error !== undefined)
if (!canRunClusters || tools.length > 0)
  console.error(`bench: servicelb skipped, needs root, containerd, haproxy and wrk`)
else await measure()

async function measure(): Promise<void> {
  const cluster = await startCluster()
  try {
    await cluster.apply(manifest)
    await cluster.waitFor('--for=condition=Ready pod/web')
    const pod = await serve(cluster)
    await cluster.waitFor(`--for=jsonpath={.status.loadBalancer.ingress[0].ip}=${nodeAddress} service/web`)
    await cluster.fromOutside(['ip', 'route', 'add', '10.42.0.0/16', 'via', nodeAddress])
    for (const [figure, headers] of [
      ['load balancer: new connections', ['-H', 'Connection: close']],
      ['load balancer: requests on kept connections', []],
    ] as const) {
      const rates = { balanced: 0, direct: 0 }
      for (let round = 0; round < rounds; round++) {
        rates.direct = Math.max(rates.direct, await load(cluster, pod, headers))
        rates.balanced = Math.max(rates.balanced, await load(cluster, nodeAddress, headers))
      }
      const floor = { value: rates.direct, what: 'the same to the pod’s address' }
      report({ figure, unit: '/s', skiff: rates.balanced, floor })
    }
  } finally {
    await cluster.destroy()
  }
}

/** Starts the server in the pod's network; resolves with the pod's address. */
async function serve(cluster: Cluster): Promise<string> {
  const file = join(cluster.bed.dir, 'haproxy.cfg')
  writeFileSync(file, server)
  const address = await cluster.kubectl('get pod web -o jsonpath={.status.podIP}')
  const id = (await cluster.kubectl('get pod web -o jsonpath={.status.containerStatuses[0].containerID}')).slice(13)
  const tasks = await cluster.exec(['ctr', '-a', '/run/k3s/containerd/containerd.sock', '-n', 'k8s.io', 'tasks', 'ls'])
  const pid = tasks
    .split('\n')
    .find(line => line.startsWith(id))!
    .split(/\s+/)[1]!
  const child = cluster.bed.spawn(['nsenter', `--net=/proc/${pid}/ns/net`, 'haproxy', '-db', '-f', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await Promise.race([
    once(child, 'exit').then(() => Promise.reject(new Error('haproxy ended'))),
    answers(cluster, address),
  ])
  return address
}

function answers(cluster: Cluster, address: string): Promise<string> {
  return cluster.eventually(() => cluster.exec(['curl', '-sf', `http://${address}:${port}/`]))
}

/** Requests per second. */
async function load(cluster: Cluster, address: string, headers: readonly string[]): Promise<number> {
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, ...headers]
  const output = await cluster.fromOutside(['wrk', ...options, `http://${address}:${port}/`])
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1])
  if (!(rate > 0) || /Non-2xx/.test(output)) throw new Error(`wrk: ${output}`)
  return rate
}
