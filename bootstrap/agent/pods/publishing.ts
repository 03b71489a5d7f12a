/** From what a worker knows to the status in the API. */

import { rfc3339 } from '../../api/time.ts'
import type { PodStatus } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import { containerId } from './identity.ts'
import type { PodRun } from './pod-run.ts'
import { podStatus } from './status.ts'
import { isRunning, type ViewedContainer } from './view.ts'

export interface Failure {
  readonly reason: string
  readonly message: string
}

const ownConditions = new Set(['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'])

/** Publishes the status under `target`: the pod itself or its mirror. `ending` says that nothing will be started again. */
export function publish(run: PodRun, target: Pod, ending: boolean, failure: Failure | undefined): void {
  const { pod, view, uid } = run
  const { status, probes, hostIps, clock } = run.services
  const previous = status.last(uid) ?? target.status
  const isDown = !view.containers.some(isRunning) && view.sandboxes.every(({ state }) => state !== 'SANDBOX_READY')
  const knownIps = (previous?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []))
  const facts = {
    view,
    waiting: run.waiting,
    isReady: (id: string) => probes.isReady(id),
    isStarted: (id: string) => probes.isStarted(id),
    hostIps: hostIps(),
    podIps: run.podIps.length > 0 ? run.podIps : knownIps,
    terminal: ending && isDown,
    failure,
    previous: withForeignConditions(previous, target),
    now: rfc3339(clock.now()),
  }
  status.put(uid, target, podStatus(pod, facts))
}

/** Our own last status, with the conditions others have put on the object since. */
function withForeignConditions(previous: PodStatus | undefined, target: Pod): PodStatus | undefined {
  if (!previous) return undefined
  const own = (previous.conditions ?? []).filter(({ type }) => ownConditions.has(type))
  const foreign = (target.status?.conditions ?? []).filter(({ type }) => !ownConditions.has(type))
  return { ...previous, conditions: [...own, ...foreign] }
}

/** Begins to probe what runs; a container the API already knows keeps its readiness. */
export function probeRunning(run: PodRun): void {
  const { pod, view, containers, podIps, runtime } = run
  for (const running of view.containers.filter(isRunning)) {
    const container = containers.find(({ name }) => name === running.metadata.name)
    if (!container) continue
    const known = knownStatus(pod, running)
    run.services.probes.start({
      pod,
      container,
      containerId: running.id,
      podIp: podIps[0] ?? '',
      runtime,
      startedAt: running.startedAt / 1e6,
      wasReady: known?.ready === true,
      wasStarted: known?.started === true,
    })
  }
}

/** What the API already said about this very container. */
function knownStatus(pod: Pod, container: ViewedContainer) {
  const all = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
  return all.find(({ containerID }) => containerID === containerId(container.id))
}
