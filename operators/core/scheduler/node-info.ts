/** One node and what runs there, as the scheduler counts it. */
import type { Node, Pod } from '../../../bootstrap/client/resources.ts'
import { type Amounts, add, amountsOf, podRequests } from '../common/pod-requests.ts'

/** Containers without requests count as this much when nodes are ranked. */
const ranked = { cpu: 100, memory: 200 * 1024 * 1024 }

export class NodeInfo {
  node: Node
  readonly pods = new Map<string, Pod>()
  readonly requested: Amounts = {}
  /** Like requested, with a share for pods that ask for nothing. */
  readonly nonzero: { cpu: number; memory: number } = { cpu: 0, memory: 0 }
  #allocatable: Readonly<Amounts>

  constructor(node: Node) {
    this.node = node
    this.#allocatable = amountsOf(node.status?.allocatable)
  }

  get name(): string {
    return this.node.metadata.name!
  }

  get allocatable(): Readonly<Amounts> {
    return this.#allocatable
  }

  update(node: Node): void {
    this.node = node
    this.#allocatable = amountsOf(node.status?.allocatable)
  }

  add(pod: Pod): void {
    this.remove(pod.metadata.uid!)
    this.pods.set(pod.metadata.uid!, pod)
    this.#count(pod, 1)
  }

  remove(uid: string): void {
    const pod = this.pods.get(uid)
    if (!pod) return
    this.pods.delete(uid)
    this.#count(pod, -1)
  }

  /** The node without some of its pods, to try out a preemption. */
  without(uids: ReadonlySet<string>): NodeInfo {
    const copy = new NodeInfo(this.node)
    for (const [uid, pod] of this.pods) if (!uids.has(uid)) copy.add(pod)
    return copy
  }

  #count(pod: Pod, sign: 1 | -1): void {
    const requests = podRequests(pod)
    add(this.requested, requests, sign)
    this.nonzero.cpu += sign * (requests.cpu ?? ranked.cpu)
    this.nonzero.memory += sign * (requests.memory ?? ranked.memory)
  }
}
