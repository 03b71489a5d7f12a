/** An agent with its real containerd, on its own directories, against the in-memory API. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Agent, startAgent } from '../../bootstrap/agent/agent.ts'
import { importArchive } from '../../bootstrap/agent/images/import.ts'
import { ociArchive } from '../../bootstrap/agent/images/oci-archive.ts'
import { unmountBelow } from '../../bootstrap/agent/mounts.ts'
import type { PodSpec } from '../../bootstrap/api/types.gen.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { nodes, type Pod, pods } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'

/** Whether this machine can run containers: root, and containerd installed. */
export const canRunContainers = process.getuid?.() === 0 && spawnSync('containerd', ['--version']).status === 0

const applets = ['sh', 'cat', 'sleep', 'env', 'touch', 'ls', 'id', 'stat', 'httpd', 'mount', 'hostname']
/** Of this process alone, so that suites can run side by side. */
const bridge = `skt${process.pid % 100_000}`
const silent = () => undefined

export class AgentFixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'skiff-agent-'))
  readonly client = new MemoryClient({ now: () => Date.now() })
  agent!: Agent
  #informers = new AbortController()

  /** Starts the agent, again after `stop`, on the same directories. */
  async start(): Promise<void> {
    this.#informers = new AbortController()
    const log = { debug: silent, info: silent, warn: silent, error: silent }
    const deps = { clock: systemClock, log, random: Math.random, client: this.client }
    const at = (name: string) => join(this.directory, name)
    this.agent = await startAgent(
      {
        nodeName: 'node-1',
        hostname: 'host-1',
        nodeIps: ['127.0.0.1'],
        dataDir: at('data'),
        containerdDir: at('run'),
        kubeletDir: at('kubelet'),
        podLogDir: at('logs'),
        containerLogDir: at('container-logs'),
        clusterDns: ['10.43.0.10'],
        clusterDomain: 'cluster.local',
        pauseImage: 'rancher/mirrored-pause:3.10.2',
        snapshotter: 'overlayfs',
        version: 'v1.36.0+skiff1',
      },
      {
        ...deps,
        network: { usePodCidrs: async ([subnet = '']) => this.#writeCni(subnet) },
        informers: createInformers(this.client, { ...deps, signal: this.#informers.signal }),
      },
    )
  }

  /** Gives the node a pod CIDR; pods with a network of their own can be started once it is ready. */
  async useNetwork(podCIDR: string): Promise<void> {
    await this.client.patch(nodes, { name: 'node-1' }, { spec: { podCIDR } }, { type: 'merge' })
  }

  #writeCni(subnet: string): void {
    const ipam = {
      type: 'host-local',
      ranges: [[{ subnet }]],
      routes: [{ dst: '0.0.0.0/0' }],
      dataDir: join(this.directory, 'cni'),
    }
    const plugin = { type: 'bridge', bridge, isGateway: true, ipam }
    const directory = join(this.directory, 'data/agent/etc/cni/net.d')
    mkdirSync(directory, { recursive: true })
    writeFileSync(
      join(directory, '10-test.conflist'),
      JSON.stringify({ cniVersion: '0.4.0', name: bridge, plugins: [plugin] }),
    )
  }

  async importBusybox(): Promise<void> {
    const busybox = readFileSync('/bin/busybox')
    const archive = await ociArchive({
      name: 'docker.io/library/busybox:1',
      files: [
        { path: 'bin', type: 'directory' },
        { path: 'bin/busybox', content: busybox, mode: 0o755 },
        ...applets.map(name => ({ path: `bin/${name}`, type: 'symlink' as const, target: 'busybox' })),
        { path: 'tmp', type: 'directory', mode: 0o1777 },
      ],
    })
    const file = join(this.directory, 'busybox.tar')
    writeFileSync(file, archive)
    await importArchive(join(this.directory, 'run/containerd.sock'), file)
  }

  /** As if the program had ended: containers run on. */
  async stop(): Promise<void> {
    await this.agent.stop()
    this.#informers.abort()
  }

  async destroy(): Promise<void> {
    await this.agent?.killAll()
    this.#informers.abort()
    spawnSync('ip', ['link', 'del', bridge])
    await unmountBelow(this.directory)
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Creates a pod on the host's network, bound to this node. */
  create(name: string, spec: Partial<PodSpec> & Pick<PodSpec, 'containers'>): Promise<Pod> {
    return this.client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', generation: 1 },
      spec: {
        nodeName: 'node-1',
        hostNetwork: true,
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 5,
        ...spec,
      },
    })
  }

  async find(name: string): Promise<Pod | undefined> {
    return this.client.get(pods, { namespace: 'default', name }).catch(() => undefined)
  }

  delete(name: string, gracePeriodSeconds = 5): Promise<void> {
    return this.client.delete(pods, { namespace: 'default', name }, { gracePeriodSeconds })
  }

  /** Resolves with the pod once `holds`; watches, so that no state in between is missed. */
  async until(name: string, holds: (pod: Pod) => boolean): Promise<Pod> {
    const pod = await this.#watch(name, event => event.type !== 'DELETED' && holds(event.object))
    return pod
  }

  async untilGone(name: string): Promise<void> {
    if (await this.find(name)) await this.#watch(name, event => event.type === 'DELETED')
  }

  async #watch(name: string, wanted: (event: { type: string; object: Pod }) => boolean): Promise<Pod> {
    const stop = new AbortController()
    const timeout = setTimeout(() => stop.abort(), 30_000)
    const selector = { namespace: 'default', fieldSelector: `metadata.name=${name}` }
    try {
      const { items, resourceVersion } = await this.client.list(pods, selector)
      for (const object of items) if (wanted({ type: 'ADDED', object })) return object
      for await (const event of this.client.watch(pods, { ...selector, resourceVersion }, stop.signal))
        if (event.type !== 'BOOKMARK' && wanted(event)) return event.object
    } finally {
      clearTimeout(timeout)
      stop.abort()
    }
    throw new Error(`pod ${name} did not get there: ${JSON.stringify((await this.find(name))?.status)}`)
  }
}

export const shell = (script: string): string[] => ['sh', '-c', script]
/** Ends at once when asked to. */
export const forever = 'trap "exit 0" TERM; while true; do sleep 0.05; done'

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

/** The status of a pod's container, init containers included. */
export function statusOf(pod: Pod, name: string) {
  const all = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
  return all.find(status => status.name === name)
}
