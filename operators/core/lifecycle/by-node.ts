/** Pods by the node they are on. */
import type { Informers } from '../../../bootstrap/client/informer.ts'
import { type Pod, pods } from '../../../bootstrap/client/resources.ts'

const index = 'node'

export function indexByNode(informers: Informers): void {
  informers.get(pods).addIndex(index, pod => (pod.spec.nodeName ? [pod.spec.nodeName] : []))
}

export function byNode(informers: Informers, node: string): readonly Pod[] {
  return informers.get(pods).byIndex(index, node)
}
