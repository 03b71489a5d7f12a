/** A cluster of installed releases with a workload that is asked without pause, for tests of upgrades. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CoreV1Event, Job, Node, Pod } from '../../bootstrap/api/types.gen.ts'
import { upgradeImage } from '../../upgrade/image.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { webImage } from '../testbed/images.ts'
import { installedPath, installRelease, placeImages } from '../testbed/installed.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'
import { releaseFile } from '../testbed/release.ts'
import { type RequestReport, startRequests } from '../testbed/requests.ts'

export interface Plan {
  readonly status?: {
    readonly latestVersion?: string
    readonly latestHash?: string
    readonly applying?: readonly string[]
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[]
  }
}

interface List<T> {
  readonly items: readonly T[]
}

/** A replica on each of three nodes, behind a port of every node. */
export const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 3
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 5
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: DoNotSchedule
          labelSelector: { matchLabels: { app: web } }
      containers:
        - name: web
          image: ${webImage}
          readinessProbe: { httpGet: { port: 80 }, periodSeconds: 2 }
          livenessProbe: { tcpSocket: { port: 80 } }
          lifecycle: { preStop: { exec: { command: [sleep, '2'] } } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: NodePort, selector: { app: web }, ports: [{ port: 80, nodePort: 30080 }] }
`

const dayMs = 86_400_000

export class UpgradeCluster {
  readonly nodes: Nodes
  readonly #dir: string

  private constructor(nodes: Nodes, dir: string) {
    this.nodes = nodes
    this.#dir = dir
  }

  /** Machines that run `version` as a service, and have imported the upgrade image of `next`. */
  static async start(
    shape: { servers: number; agents: number },
    version: string,
    next: string,
  ): Promise<UpgradeCluster> {
    const dir = mkdtempSync(join(tmpdir(), `skiff-bed-${process.pid}-upgrade-`))
    let nodes: Nodes | undefined
    try {
      const release = await releaseFile(version)
      const image = writeImage(dir, next) // while the machines start
      image.catch(() => {})
      nodes = await startNodes({
        ...shape,
        process: { program: installedPath, restartSeconds: 5 },
        prepare: bed => installRelease(bed, release),
      })
      const cluster = new UpgradeCluster(nodes, dir)
      await cluster.offer(next, nodes.all, image)
      return cluster
    } catch (error) {
      await nodes?.destroy()
      rmSync(dir, { recursive: true, force: true })
      throw error
    }
  }

  /** Gives machines the upgrade image of a further version, which they import while they run. */
  async offer(
    version: string,
    machines: readonly Cluster[],
    image: Promise<string> = writeImage(this.#dir, version),
  ): Promise<void> {
    const archive = await image
    for (const { bed } of machines) placeImages(bed, archive)
    const imported = async (machine: Cluster) => {
      if (!(await imagesOf(machine)).includes(version.replace('+', '-'))) throw new Error(`no image of ${version} yet`)
    }
    await Promise.all(machines.map(machine => this.eventually(() => imported(machine), 300)))
  }

  /** kubectl by the first server that answers. Throws what the last one has said. */
  async kubectl(args: string | readonly string[], input?: string): Promise<string> {
    const said: string[] = []
    for (const server of this.nodes.servers) {
      const { code, stdout, stderr } = await server.tryKubectl(args, { ...(input === undefined ? {} : { input }) })
      if (code === 0) return stdout
      said.push(stderr)
    }
    throw new Error(`kubectl ${args}: ${said.join('; ')}`)
  }

  async get<T>(what: string): Promise<T> {
    return JSON.parse(await this.kubectl(`get ${what} -o json`)) as T
  }

  async list<T>(what: string): Promise<readonly T[]> {
    return (await this.get<List<T>>(what)).items
  }

  /** Repeats until it passes. Throws its last error, with the state of plans, jobs and nodes, when that takes too long. */
  async eventually<T>(attempt: () => Promise<T>, seconds: number): Promise<T> {
    try {
      return await this.nodes.first.eventually(attempt, seconds, 1000)
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.state().catch(String)}`)
    }
  }

  async state(): Promise<string> {
    const parts = [
      'get nodes -o wide',
      'get plans,jobs,pods -n system-upgrade -o wide',
      'describe plans -n system-upgrade',
      'get events -n system-upgrade --sort-by=.lastTimestamp',
    ]
    const texts = await Promise.all(parts.map(part => this.kubectl(part).catch(String)))
    return [...texts.map(text => text.slice(-5000)), ...this.nodes.all.map(tail)].join('\n')
  }

  /** Versions by node. */
  async versions(): Promise<{ readonly [node: string]: string }> {
    const nodes = await this.list<Node>('nodes')
    return Object.fromEntries(nodes.map(node => [node.metadata!.name!, node.status!.nodeInfo!.kubeletVersion]))
  }

  async cordoned(): Promise<string[]> {
    const nodes = await this.list<Node>('nodes')
    return nodes.filter(node => node.spec?.unschedulable || node.spec?.taints?.length).map(node => node.metadata!.name!)
  }

  /** What must not change about the workload's containers. */
  async containers(): Promise<object[]> {
    const pods = await this.list<Pod>('pods -l app=web')
    return pods
      .flatMap(({ spec, status }) =>
        (status?.containerStatuses ?? []).map(({ containerID, restartCount }) => ({
          node: spec!.nodeName,
          containerID,
          restartCount,
        })),
      )
      .sort((a, b) => (a.node! < b.node! ? -1 : 1))
  }

  /** The Jobs of a plan in the order in which they began. */
  async jobs(plan: string): Promise<readonly FinishedJob[]> {
    const jobs = await this.list<Job>(`jobs -n system-upgrade -l upgrade.cattle.io/plan=${plan}`)
    return jobs.map(job => finished(job)).sort((a, b) => a.began - b.began)
  }

  events(): Promise<readonly CoreV1Event[]> {
    return this.list<CoreV1Event>('events -n system-upgrade')
  }

  startRequests(): () => Promise<RequestReport> {
    return startRequests(
      this.nodes.network,
      this.nodes.all.map(({ bed }) => `http://${bed.address}:30080/`),
    )
  }

  async destroy(): Promise<void> {
    await this.nodes.destroy()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

export interface FinishedJob {
  readonly node: string
  /** Milliseconds since 1970, in whole seconds, as the API has them. */
  readonly began: number
  readonly ended: number
}

function finished({ metadata, status }: Job): FinishedJob {
  return {
    node: metadata?.labels?.['upgrade.cattle.io/node'] ?? '',
    began: Date.parse(String(metadata?.creationTimestamp)),
    ended: status?.completionTime ? Date.parse(String(status.completionTime)) : Date.now() + dayMs,
  }
}

async function writeImage(dir: string, version: string): Promise<string> {
  const file = join(dir, `k3s-upgrade-${version}.tar`)
  writeFileSync(file, await upgradeImage({ release: await releaseFile(version), version }))
  return file
}

const imagesOf = (machine: Cluster) => {
  const names = ['--address', '/run/k3s/containerd/containerd.sock', '--namespace', 'k8s.io']
  return machine.exec(['ctr', ...names, 'images', 'ls', '-q'])
}

const tail = (cluster: Cluster) => `--- ${cluster.nodeName}\n${cluster.logs().slice(-2000)}`
