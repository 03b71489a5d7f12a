/** Registers this machine as a Node and keeps the object and its Lease alive. */
import { statfs } from 'node:fs/promises'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/errors.ts'
import { rfc3339, rfc3339Micro } from '../../api/time.ts'
import type { NodeStatus } from '../../api/types.gen.ts'
import type { Client } from '../../client/client.ts'
import { backoffMs, type Clock } from '../../client/clock.ts'
import { type Lease, leases, type Node, nodes } from '../../client/resources.ts'
import type { EventRecorder } from '../pods/events.ts'
import type { AgentLog } from '../pods/services.ts'
import { isLater } from '../pods/status-writer.ts'
import type { Runtime, RuntimeCondition } from '../runtime.ts'
import type { Machine } from './machine.ts'
import { type NodeSettings, newNode, nodeAnnotations, nodeLabels, nodeStatus, readiness } from './node-object.ts'

export interface RegistrarDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: () => number
  readonly log: AgentLog
  readonly signal: AbortSignal
  readonly runtime: Runtime
  readonly events: EventRecorder
  readonly machine: Machine
  readonly settings: NodeSettings
  /** Its free space decides about DiskPressure. */
  readonly dataDir: string
  /** The pods' network can be used from now on. */
  readonly networkReady: () => void
}

const leaseNamespace = 'kube-node-lease'
const leaseSeconds = 40
const renewMs = 10_000
const reportMs = 300_000
const leastFreeDisk = 0.05

export class NodeRegistrar {
  readonly #deps: RegistrarDeps
  #status: NodeStatus | undefined
  #reportedAt = 0
  #wasReady = false
  /** resourceVersion of the last report. */
  #version: string | undefined
  #uid = ''

  constructor(deps: RegistrarDeps) {
    this.#deps = deps
  }

  /** Resolves once the Node object exists and carries this machine's labels and status. Retries until aborted. */
  async register(): Promise<Node> {
    const { client, clock, random, signal, log, settings, machine } = this.#deps
    for (let failures = 0; ; failures++) {
      try {
        // With its status from the start: a node without capacity would be found full.
        const conditions = await this.#conditions()
        const status = await this.#currentStatus(conditions)
        const node = await client.create(nodes, { ...newNode(settings, machine), status }).catch(error => {
          if (isAlreadyExists(error)) return this.#adopt()
          throw error
        })
        this.#uid = node.metadata.uid ?? ''
        this.#status = node.status
        await this.#report(conditions)
        return node
      } catch (error) {
        log.warn({ node: settings.name, error: (error as Error).message }, 'node not registered yet')
        await clock.sleep(backoffMs(failures, 100, 7000, random), signal)
      }
    }
  }

  /** Renews the Lease, watches over readiness and reports; ends when aborted. */
  run(): void {
    void this.#repeat('node lease not renewed', () => this.#renew())
    void this.#repeat('node status not reported', () => this.#watch())
  }

  async #repeat(complaint: string, turn: () => Promise<number>): Promise<void> {
    const { clock, signal, log } = this.#deps
    while (!signal.aborted) {
      const wait = await turn().catch(error => {
        if (!signal.aborted) log.warn({ error: (error as Error).message }, complaint)
        return 1000
      })
      await clock.sleep(wait, signal).catch(() => undefined)
    }
  }

  async #adopt(): Promise<Node> {
    const { client, settings, machine } = this.#deps
    const metadata = { labels: nodeLabels(settings, machine), annotations: nodeAnnotations(settings) }
    return client.patch(nodes, { name: settings.name }, { metadata }, { type: 'merge' })
  }

  /** Readiness cannot be waited for: it is looked at often until it is there, then with each renewal. */
  async #watch(): Promise<number> {
    const { clock } = this.#deps
    const conditions = await this.#conditions()
    const ready = readiness(conditions).status === 'True'
    const networkReady = conditions.some(({ type, status }) => type === 'NetworkReady' && status)
    if (networkReady) this.#deps.networkReady()
    const changed = ready !== this.#wasReady
    if (changed || clock.now() - this.#reportedAt >= reportMs) await this.#report(conditions)
    return ready ? renewMs : 50
  }

  /** The settings' addresses are others than before. Retries until the API knows them, or aborted. */
  async addressesChanged(): Promise<void> {
    const { client, clock, random, signal, log, settings } = this.#deps
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const annotations = nodeAnnotations(settings)
        await client.patch(nodes, { name: settings.name }, { metadata: { annotations } }, { type: 'merge' })
        return await this.report()
      } catch (error) {
        log.warn({ node: settings.name, error: (error as Error).message }, 'new addresses not reported yet')
        await clock.sleep(backoffMs(failures, 500, 30_000, random), signal).catch(() => undefined)
      }
    }
  }

  /**
   * The Node as the API has it: a node that was silent for long has been given up there, and is back only once it reports,
   * which it would not do for minutes.
   */
  seen({ metadata, status }: Node): void {
    const told = status?.conditions?.find(({ type }) => type === 'Ready')?.status
    if (told === (this.#wasReady ? 'True' : 'False') || !isLater(metadata.resourceVersion, this.#version)) return
    const { log } = this.#deps
    this.report().catch(error => log.warn({ error: (error as Error).message }, 'node status not reported'))
  }

  /** Reports now, e.g. because images changed. */
  async report(): Promise<void> {
    await this.#report(await this.#conditions())
  }

  #conditions(): Promise<readonly RuntimeCondition[]> {
    return this.#deps.runtime
      .status()
      .catch(error => [
        { type: 'RuntimeReady', status: false, reason: 'RuntimeNotReady', message: (error as Error).message },
      ])
  }

  async #currentStatus(conditions: readonly RuntimeCondition[]): Promise<NodeStatus> {
    const { clock, settings, runtime, machine } = this.#deps
    const [{ name, version }, images, disk] = await Promise.all([
      runtime.version().catch(() => ({ name: 'containerd', version: '' })),
      runtime.listImages().catch(() => []),
      this.#diskPressure(),
    ])
    const pressure = { memory: false, disk, pid: false }
    const facts = { machine, runtimeVersion: `${name}://${version}`, conditions, images, pressure }
    return nodeStatus(settings, facts, this.#status, rfc3339(clock.now()))
  }

  async #report(conditions: readonly RuntimeCondition[]): Promise<void> {
    const { client, clock, settings, machine, events } = this.#deps
    const status = await this.#currentStatus(conditions)
    const node = await client
      .patch(nodes, { name: settings.name }, { status }, { type: 'merge', subresource: 'status' })
      .catch(async error => {
        if (!isNotFound(error)) throw error
        // Somebody deleted the Node: a live agent puts it back.
        await client.create(nodes, newNode(settings, machine))
        return client.patch(nodes, { name: settings.name }, { status }, { type: 'merge', subresource: 'status' })
      })
    this.#uid = node.metadata.uid ?? this.#uid
    this.#status = node.status ?? status
    this.#version = node.metadata.resourceVersion
    this.#reportedAt = clock.now()
    const ready = readiness(conditions).status === 'True'
    if (ready !== this.#wasReady)
      events.node(
        'Normal',
        ready ? 'NodeReady' : 'NodeNotReady',
        `Node ${settings.name} status is now: ${ready ? 'NodeReady' : 'NodeNotReady'}`,
      )
    this.#wasReady = ready
  }

  async #diskPressure(): Promise<boolean> {
    const { bavail, blocks } = await statfs(this.#deps.dataDir)
    return blocks > 0 && bavail / blocks < leastFreeDisk
  }

  async #renew(): Promise<number> {
    const { client, clock, settings } = this.#deps
    const renewTime = rfc3339Micro(clock.now())
    const name = { namespace: leaseNamespace, name: settings.name }
    const spec = { holderIdentity: settings.name, leaseDurationSeconds: leaseSeconds, renewTime }
    try {
      await client.patch(leases, name, { spec }, { type: 'merge' })
    } catch (error) {
      if (!isNotFound(error)) throw error
      const owner = { apiVersion: 'v1', kind: 'Node', name: settings.name, uid: this.#uid }
      const lease: Lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { ...name, ...(this.#uid ? { ownerReferences: [owner] } : {}) },
        spec,
      }
      await client.create(leases, lease).catch(problem => {
        if (!isAlreadyExists(problem) && !isConflict(problem)) throw problem
      })
    }
    return renewMs
  }
}
