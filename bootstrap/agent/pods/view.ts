/** What the runtime says about one pod, newest first, and the questions asked about it. */
import type { Container } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { PodSandboxStatus, RuntimeContainerStatus } from '../runtime.ts'
import { containerAnnotation, isSidecar } from './identity.ts'

export interface ViewedContainer extends RuntimeContainerStatus {
  readonly sandboxId: string
}

export interface PodView {
  readonly sandboxes: readonly PodSandboxStatus[]
  readonly containers: readonly ViewedContainer[]
}

export const emptyView: PodView = { sandboxes: [], containers: [] }

export function newestSandbox(view: PodView): PodSandboxStatus | undefined {
  return view.sandboxes[0]
}

/** The sandbox containers can be started in: the newest, if it is ready and has an address when it needs one. */
export function readySandbox(pod: Pod, view: PodView): PodSandboxStatus | undefined {
  const newest = view.sandboxes[0]
  if (newest?.state !== 'SANDBOX_READY') return undefined
  return pod.spec.hostNetwork || newest.ips.length > 0 ? newest : undefined
}

export function containersNamed(view: PodView, name: string): readonly ViewedContainer[] {
  return view.containers.filter(container => container.metadata.name === name)
}

export function newestContainer(view: PodView, name: string): ViewedContainer | undefined {
  return view.containers.find(container => container.metadata.name === name)
}

export const isRunning = (status: RuntimeContainerStatus | undefined): boolean => status?.state === 'CONTAINER_RUNNING'

/** A container that has ended: exited, or unknown to the runtime. */
export const hasEnded = (status: RuntimeContainerStatus): boolean =>
  status.state === 'CONTAINER_EXITED' || status.state === 'CONTAINER_UNKNOWN'

export function restartCountOf(status: RuntimeContainerStatus): number {
  return Number(status.annotations[containerAnnotation.restartCount] ?? status.metadata.attempt)
}

/** Whether an ended (or never started) app container is to be started by the pod's restart policy. */
export function shouldRestart(pod: Pod, container: Container, status: RuntimeContainerStatus | undefined): boolean {
  if (pod.metadata.deletionTimestamp) return false
  if (!status || status.state === 'CONTAINER_CREATED' || status.state === 'CONTAINER_UNKNOWN') return true
  if (status.state === 'CONTAINER_RUNNING') return false
  const policy = isSidecar(container) ? 'Always' : (container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always')
  if (policy === 'Never') return false
  return policy === 'Always' || status.exitCode !== 0
}

/** True once any app container has ever been created: initialisation lies behind the pod. */
export function appContainersHaveStarted(pod: Pod, view: PodView): boolean {
  return pod.spec.containers.some(({ name }) => {
    const status = newestContainer(view, name)
    return status !== undefined && status.state !== 'CONTAINER_CREATED'
  })
}
