/** From the POST of a pod whose image is present to its container running, against what the runtime alone takes. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CriClient } from '../../bootstrap/agent/cri/client.ts'
import type { ContainerConfig, PodSandboxConfig } from '../../bootstrap/agent/runtime.ts'
import type { Pod } from '../../bootstrap/client/resources.ts'
import { busyboxImage } from '../testbed/images.ts'
import { type Http, withClients } from './http.ts'
import { insideBed } from './inside.ts'
import { percentile, repeat, timed } from './measure.ts'
import { untilNodeReady } from './node.ts'
import { podsPath } from './objects.ts'
import { startNode } from './programs.ts'
import { report } from './row.ts'
import { untilAccount, untilEvent } from './until.ts'

const rounds = 20
/** Ends at once when asked to, so that a pod is gone before the next one is made. */
const command = ['sh', '-c', 'trap "exit 0" TERM; sleep 3600 & wait']
const settleMs = 200
const socket = '/run/k3s/containerd/containerd.sock'

async function throughSkiff(http: Http, i: number): Promise<number> {
  const name = `bench-${i}`
  const only = `${podsPath}?fieldSelector=metadata.name%3D${name}`
  const container = { name: 'main', image: busyboxImage, imagePullPolicy: 'IfNotPresent', command }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { containers: [container], terminationGracePeriodSeconds: 5 },
  }
  const runs = (seen: Pod) => seen.status?.containerStatuses?.[0]?.state?.running !== undefined
  const running = untilEvent<Pod>(http, only, runs)
  const ms = await timed(async () => {
    await http.create(podsPath, JSON.stringify(pod))
    await running
  })
  const gone = untilEvent<Pod>(http, only, (_, type) => type === 'DELETED')
  await http.request('DELETE', `${podsPath}/${name}`)
  await gone
  await delay(settleMs)
  return ms
}

async function throughRuntime(runtime: CriClient, logs: string, i: number): Promise<number> {
  const logDirectory = join(logs, String(i))
  mkdirSync(logDirectory, { recursive: true })
  const namespaces = { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } as const
  const nothing = { labels: {}, annotations: {} }
  const sandbox: PodSandboxConfig = {
    ...nothing,
    metadata: { name: `raw-${i}`, namespace: 'default', uid: `raw-${i}`, attempt: 0 },
    hostname: `raw-${i}`,
    logDirectory,
    dnsConfig: { servers: ['10.43.0.10'], searches: [], options: [] },
    portMappings: [],
    linux: {
      cgroupParent: `/kubepods/besteffort/podraw-${i}`,
      securityContext: { namespaceOptions: namespaces },
      sysctls: {},
    },
  }
  const container: ContainerConfig = {
    ...nothing,
    metadata: { name: 'main', attempt: 0 },
    image: { image: busyboxImage },
    command,
    args: [],
    envs: [],
    mounts: [],
    logPath: 'main.log',
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: { resources: {}, securityContext: { namespaceOptions: namespaces } as never },
  }
  let id = ''
  const ms = await timed(async () => {
    id = await runtime.runPodSandbox(sandbox, '')
    await runtime.startContainer(await runtime.createContainer(id, container, sandbox))
  })
  await runtime.stopPodSandbox(id)
  await runtime.removePodSandbox(id)
  await delay(settleMs)
  return ms
}

await insideBed(import.meta.filename, async directory => {
  const server = await startNode(directory)
  const times = await withClients(server.target, 1, async ([http]) => {
    await untilNodeReady(http!)
    await untilAccount(http!)
    return await repeat(rounds, i => throughSkiff(http!, i))
  })
  await server.stop()
  const runtime = new CriClient(socket)
  const raw = await repeat(rounds, i => throughRuntime(runtime, join(directory, 'raw-logs'), i))
  runtime.close()
  for (const [name, share] of [
    ['median', 0.5],
    ['p90', 0.9],
  ] as const)
    report({
      figure: `pod created to container running, ${name} of ${rounds}`,
      unit: 'ms',
      skiff: percentile(times, share),
      floor: { value: percentile(raw, share), what: 'RunPodSandbox, CreateContainer, StartContainer of the same pod' },
      budget: { value: 100, over: 'floor' },
    })
})
