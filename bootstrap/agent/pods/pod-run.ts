/** One pod's run on this node: its object, the runtime's view of it, and what its worker remembers. */
import { familyOf } from '../../api/cidr.ts'
import type { Container } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { Runtime } from '../runtime.ts'
import type { WaitingReason } from './container-status.ts'
import { podUid } from './identity.ts'
import { observeContainer, observePod, withContainer } from './observe.ts'
import type { PodServices } from './services.ts'
import { emptyView, newestSandbox, type PodView, type ViewedContainer } from './view.ts'

export class PodRun {
  readonly uid: string
  readonly services: PodServices
  pod: Pod
  view: PodView = emptyView
  /** Why containers wait, by container name. */
  readonly waiting = new Map<string, WaitingReason>()
  /** When a failed start is tried again (ms), by container name; "" is the sandbox. */
  readonly retryAt = new Map<string, number>()
  /** Running containers to be replaced, and why, by id. */
  readonly unhealthy = new Map<string, string>()
  /** Resources last given to a container, by id. */
  readonly applied = new Map<string, string>()

  constructor(pod: Pod, services: PodServices) {
    this.uid = podUid(pod)
    this.pod = pod
    this.services = services
  }

  get runtime(): Runtime {
    return this.services.runtimeOf(this.pod)
  }

  get directory(): string {
    return this.services.volumes.podDirectory(this.uid)
  }

  /** The pod's addresses, that of the node's primary family first; those of the node on its network. */
  get podIps(): readonly string[] {
    const hostIps = this.services.hostIps()
    if (this.pod.spec.hostNetwork) return this.view.sandboxes.length > 0 ? hostIps : []
    const ips = newestSandbox(this.view)?.ips ?? []
    const isPrimary = (ip: string) => familyOf(ip) === familyOf(hostIps[0] ?? '')
    return [...ips].sort((a, b) => Number(isPrimary(b)) - Number(isPrimary(a)))
  }

  get containers(): readonly Container[] {
    const { initContainers = [], containers, ephemeralContainers = [] } = this.pod.spec
    return [...initContainers, ...containers, ...(ephemeralContainers as readonly Container[])]
  }

  async observe(): Promise<void> {
    this.view = await observePod(this.runtime, this.uid, this.directory, this.view)
    for (const { id } of [...this.view.sandboxes, ...this.view.containers]) this.services.learn(id, this.uid)
  }

  /** Looks again at one container. */
  async observeOne(id: string, sandboxId: string): Promise<ViewedContainer> {
    const seen = await observeContainer(this.runtime, id, sandboxId, this.directory)
    this.view = withContainer(this.view, seen)
    return seen
  }
}
