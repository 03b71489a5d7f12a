/** All nodes with their pods, kept current by informer events; pods just bound are assumed before the watch shows them. */
import type { Node, Pod } from '../../../bootstrap/client/resources.ts'
import { isTerminal } from '../../runtime/pods.ts'
import { NodeInfo } from './node-info.ts'

export class ClusterState {
  readonly nodes = new Map<string, NodeInfo>()
  /** Pods of nodes that are not known (yet). */
  readonly #homeless = new Map<string, Pod>()
  readonly #places = new Map<string, string>()

  setNode(node: Node): void {
    const name = node.metadata.name!
    const known = this.nodes.get(name)
    if (known) known.update(node)
    else this.#adopt(new NodeInfo(node), name)
  }

  #adopt(info: NodeInfo, name: string): void {
    this.nodes.set(name, info)
    for (const [uid, pod] of this.#homeless) {
      if (pod.spec.nodeName !== name) continue
      this.#homeless.delete(uid)
      info.add(pod)
    }
  }

  removeNode(name: string): void {
    for (const [uid, pod] of this.nodes.get(name)?.pods ?? []) this.#homeless.set(uid, pod)
    this.nodes.delete(name)
  }

  /** Counts a pod where it runs; a finished pod counts nowhere. */
  setPod(pod: Pod, nodeName = pod.spec.nodeName): void {
    const uid = pod.metadata.uid!
    this.removePod(uid)
    if (!nodeName || isTerminal(pod)) return
    this.#places.set(uid, nodeName)
    const info = this.nodes.get(nodeName)
    if (info) info.add(pod)
    else this.#homeless.set(uid, pod)
  }

  removePod(uid: string): void {
    const place = this.#places.get(uid)
    if (place !== undefined) this.nodes.get(place)?.remove(uid)
    this.#places.delete(uid)
    this.#homeless.delete(uid)
  }

  /** Every pod that runs somewhere. */
  *pods(): Iterable<Pod> {
    for (const info of this.nodes.values()) yield* info.pods.values()
  }
}
