/** One container's entry in the pod's status, from what the runtime and the probes say. */
import { rfc3339 } from '../../api/time.ts'
import type { Container, ContainerState, ContainerStatus, VolumeMountStatus } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import { isGuest } from '../embedded/guests.ts'
import type { RuntimeContainerStatus } from '../runtime.ts'
import { containerId, isSidecar } from './identity.ts'
import { containersNamed, hasEnded, type PodView, restartCountOf, shouldRestart, type ViewedContainer } from './view.ts'

export interface WaitingReason {
  readonly reason: string
  readonly message: string
}

export interface ContainerFacts {
  readonly view: PodView
  /** Why a container could not be started, by its name. */
  readonly waiting: ReadonlyMap<string, WaitingReason>
  readonly isReady: (containerId: string) => boolean
  readonly isStarted: (containerId: string) => boolean
}

export type ContainerKind = 'init' | 'app' | 'ephemeral'

/** The runtime's 0, for a container that never started, is shown as the epoch, as the kubelet shows it. */
const time = (nanos: number): string => rfc3339(nanos / 1e6)

function terminated(status: RuntimeContainerStatus): ContainerState {
  const { exitCode, message } = status
  const unknown = status.state === 'CONTAINER_UNKNOWN'
  const reason = unknown ? 'ContainerStatusUnknown' : status.reason || (exitCode === 0 ? 'Completed' : 'Error')
  return {
    terminated: {
      exitCode: unknown ? 137 : exitCode,
      reason,
      ...(message === '' ? {} : { message }),
      startedAt: time(status.startedAt),
      finishedAt: time(status.finishedAt),
      containerID: containerId(status.id),
    },
  }
}

function stateOf(status: RuntimeContainerStatus): ContainerState {
  switch (status.state) {
    case 'CONTAINER_RUNNING':
      return { running: { startedAt: time(status.startedAt) } }
    case 'CONTAINER_EXITED':
    case 'CONTAINER_UNKNOWN':
      return terminated(status)
    case 'CONTAINER_CREATED':
      return { waiting: { reason: 'ContainerCreating' } }
  }
}

/** A container that ran, by the API, and that the runtime no longer knows. */
function lost({ containerID }: ContainerStatus): ContainerState {
  const message = 'The container could not be located when the pod was terminated'
  return {
    terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message, ...(containerID ? { containerID } : {}) },
  }
}

function lastStateOf(
  newest: ViewedContainer | undefined,
  older: ViewedContainer | undefined,
  previous: ContainerStatus | undefined,
): ContainerState {
  if (older) return hasEnded(older) ? terminated(older) : {}
  const ended = previous?.state?.terminated
  const isOfAnother = newest && ended?.containerID && ended.containerID !== containerId(newest.id)
  return isOfAnother ? { terminated: ended } : (previous?.lastState ?? {})
}

/** `previous` is the entry last published: it keeps what the runtime has forgotten. */
export function containerStatus(
  pod: Pod,
  container: Container,
  kind: ContainerKind,
  facts: ContainerFacts,
  previous: ContainerStatus | undefined,
): ContainerStatus {
  const [newest, older] = containersNamed(facts.view, container.name)
  const initial = kind === 'app' && (pod.spec.initContainers?.length ?? 0) > 0 ? 'PodInitializing' : 'ContainerCreating'
  // An end that was told stays told, whatever becomes of the container.
  const kept = newest ? undefined : previous?.state?.terminated
  let state: ContainerState = newest ? stateOf(newest) : kept ? { terminated: kept } : { waiting: { reason: initial } }
  let lastState = lastStateOf(newest, older, previous)
  if (!newest && previous?.state?.running && !isGuest(pod, container)) lastState = lost(previous)
  const waiting = facts.waiting.get(container.name)
  const succeeded = newest?.state === 'CONTAINER_EXITED' ? newest.exitCode === 0 : kept?.exitCode === 0
  const initSucceeded = kind === 'init' && succeeded && !isSidecar(container)
  const restarts = kind !== 'ephemeral' && !initSucceeded && shouldRestart(pod, container, newest)
  if (waiting && (restarts || !newest)) {
    if (state.terminated) lastState = state
    state = { waiting: { reason: waiting.reason, ...(waiting.message === '' ? {} : { message: waiting.message }) } }
  }
  const running = state.running !== undefined && newest !== undefined
  const started = running && facts.isStarted(newest.id)
  const ready =
    kind === 'init' && !isSidecar(container) ? initSucceeded : running && started && facts.isReady(newest.id)
  const containerID = newest ? containerId(newest.id) : kept?.containerID
  const restartCount = newest ? restartCountOf(newest) : (previous?.restartCount ?? 0)
  return {
    name: container.name,
    state,
    lastState,
    ready: kind !== 'ephemeral' && ready,
    restartCount,
    image: newest?.image.image || container.image || '',
    imageID: newest?.imageRef ?? previous?.imageID ?? '',
    ...(containerID ? { containerID } : {}),
    started: kind === 'init' && !isSidecar(container) ? running : started,
    ...resourcesOf(container, running),
    ...((newest || kept) && container.volumeMounts ? { volumeMounts: mountStatuses(container) } : {}),
  }
}

function resourcesOf(container: Container, running: boolean): Partial<ContainerStatus> {
  if (!container.resources || !running) return {}
  const { requests, limits } = container.resources
  return {
    ...(requests ? { allocatedResources: requests } : {}),
    resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) },
  }
}

function mountStatuses(container: Container): VolumeMountStatus[] {
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => ({
    name,
    mountPath,
    ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
  }))
}
