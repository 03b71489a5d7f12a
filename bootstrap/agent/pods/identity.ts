/** How a pod is written into the runtime's labels and annotations, so that it can be found again after a restart. */
import { createHash } from 'node:crypto'
import type { Container } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'

export const podLabel = {
  name: 'io.kubernetes.pod.name',
  namespace: 'io.kubernetes.pod.namespace',
  uid: 'io.kubernetes.pod.uid',
  container: 'io.kubernetes.container.name',
} as const

export const containerAnnotation = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  podGracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
} as const

export function podUid(pod: Pod): string {
  return pod.metadata.uid ?? ''
}

/** "name_namespace(uid)", the way kubelet's messages name a pod. */
export function podText(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${podUid(pod)})`
}

export function podLabels(pod: Pod): { [key: string]: string } {
  return {
    ...pod.metadata.labels,
    [podLabel.name]: pod.metadata.name ?? '',
    [podLabel.namespace]: pod.metadata.namespace ?? '',
    [podLabel.uid]: podUid(pod),
  }
}

/** Changes when the container must be replaced: its name or image. */
export function containerHash(container: Container): string {
  return createHash('sha256')
    .update(JSON.stringify([container.name, container.image]))
    .digest('hex')
    .slice(0, 8)
}

/** <logs>/<namespace>_<name>_<uid> */
export function podLogDirectory(root: string, pod: Pod): string {
  return `${root}/${pod.metadata.namespace}_${pod.metadata.name}_${podUid(pod)}`
}

/** Below the pod's log directory. */
export function containerLogPath(name: string, restartCount: number): string {
  return `${name}/${restartCount}.log`
}

/** As the API has a container's id of the runtime's. */
export const containerId = (id: string): string => `containerd://${id}`

export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always'

/** Mirrors of static pods carry this annotation, static pods themselves the source. */
export const mirrorAnnotation = 'kubernetes.io/config.mirror'
export const sourceAnnotation = 'kubernetes.io/config.source'
export const hashAnnotation = 'kubernetes.io/config.hash'
