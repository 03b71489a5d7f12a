/** A pod's status as kubelet computes it (pkg/kubelet/kubelet_pods.go, status/generate.go). Pure. */
import type { Container, ContainerStatus, PodCondition, PodStatus } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import { type ContainerFacts, type ContainerKind, containerStatus } from './container-status.ts'
import { isSidecar } from './identity.ts'
import { qosClassOf } from './qos.ts'
import { readySandbox } from './view.ts'

export interface StatusFacts extends ContainerFacts {
  readonly hostIps: readonly string[]
  readonly podIps: readonly string[]
  /** True once nothing of the pod runs or will run again. */
  readonly terminal: boolean
  /** Why the node ended the pod (DeadlineExceeded, Evicted, ...). */
  readonly failure: { readonly reason: string; readonly message: string } | undefined
  /** The status published before. */
  readonly previous: PodStatus | undefined
  /** RFC 3339 */
  readonly now: string
}

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

export function podStatus(pod: Pod, facts: StatusFacts): PodStatus {
  const { previous, hostIps, podIps } = facts
  const of = (
    containers: readonly Container[] | undefined,
    kind: ContainerKind,
    known: readonly ContainerStatus[] | undefined,
  ) =>
    (containers ?? []).map(container =>
      containerStatus(
        pod,
        container,
        kind,
        facts,
        known?.find(({ name }) => name === container.name),
      ),
    )
  const init = of(pod.spec.initContainers, 'init', previous?.initContainerStatuses)
  const app = of(pod.spec.containers, 'app', previous?.containerStatuses)
  const ephemeral = of(
    pod.spec.ephemeralContainers as readonly Container[] | undefined,
    'ephemeral',
    previous?.ephemeralContainerStatuses,
  )
  const failed = facts.failure !== undefined && facts.terminal
  const phase = failed ? 'Failed' : podPhase(pod, init, app, facts.terminal)
  return {
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    ...(failed ? facts.failure : {}),
    conditions: conditions(pod, facts, phase, init, app),
    ...(hostIps[0] ? { hostIP: hostIps[0], hostIPs: hostIps.map(ip => ({ ip })) } : {}),
    ...(podIps[0] ? { podIP: podIps[0], podIPs: podIps.map(ip => ({ ip })) } : {}),
    startTime: previous?.startTime ?? facts.now,
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: app,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    qosClass: previous?.qosClass ?? qosClassOf(pod.spec),
  }
}

type Progress = 'waiting' | 'running' | 'succeeded' | 'failed'

function progressOf(status: ContainerStatus | undefined): Progress {
  const { state, lastState } = status ?? {}
  if (state?.running) return 'running'
  const ended = state?.terminated ?? lastState?.terminated
  if (!ended) return 'waiting'
  return ended.exitCode === 0 ? 'succeeded' : 'failed'
}

/** The phase by the containers' progress and the restart policy. */
export function podPhase(
  pod: Pod,
  init: readonly ContainerStatus[],
  app: readonly ContainerStatus[],
  terminal: boolean,
): Phase {
  const policy = pod.spec.restartPolicy ?? 'Always'
  const named = (name: string) => init.find(status => status.name === name)
  const plain = (pod.spec.initContainers ?? [])
    .filter(container => !isSidecar(container))
    .map(({ name }) => progressOf(named(name)))
  const sidecars = (pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => named(name))
  const pendingInit =
    plain.some(progress => progress === 'waiting' || progress === 'running') ||
    (plain.includes('failed') && policy !== 'Never') ||
    sidecars.some(status => progressOf(status) === 'waiting')
  if (plain.includes('failed') && policy === 'Never') return 'Failed'
  const progress = app.map(progressOf)
  const anyStarted = progress.some(each => each !== 'waiting')
  if (terminal && progress.every(each => each !== 'running'))
    return anyStarted && progress.every(each => each === 'succeeded') ? 'Succeeded' : 'Failed'
  if (pendingInit && !anyStarted) return 'Pending'
  if (progress.includes('waiting')) return 'Pending'
  if (progress.includes('running') || sidecars.some(status => status?.state?.running)) return 'Running'
  if (policy === 'Always') return 'Running'
  if (progress.every(each => each === 'succeeded')) return 'Succeeded'
  return policy === 'Never' ? 'Failed' : 'Running'
}

type Draft = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>

const list = (names: readonly string[]): string => `[${names.join(' ')}]`

function conditions(
  pod: Pod,
  facts: StatusFacts,
  phase: Phase,
  init: readonly ContainerStatus[],
  app: readonly ContainerStatus[],
): PodCondition[] {
  const previous = facts.previous?.conditions ?? []
  const containersReady = containersReadyCondition(pod, phase, init, app)
  const drafts: Draft[] = [
    { type: 'PodReadyToStartContainers', status: readySandbox(pod, facts.view) ? 'True' : 'False' },
    initializedCondition(pod, phase, init, app),
    readyCondition(pod, previous, containersReady),
    containersReady,
    { type: 'PodScheduled', status: 'True' },
  ]
  const generation = pod.metadata.generation
  const own = drafts.map(draft => {
    const before = previous.find(({ type }) => type === draft.type)
    return {
      type: draft.type,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      status: draft.status,
      ...(draft.reason ? { reason: draft.reason } : {}),
      ...(draft.message ? { message: draft.message } : {}),
      lastTransitionTime: before?.status === draft.status ? (before.lastTransitionTime ?? facts.now) : facts.now,
    }
  })
  return [...own, ...previous.filter(({ type }) => !drafts.some(draft => draft.type === type))]
}

function initializedCondition(
  pod: Pod,
  phase: Phase,
  init: readonly ContainerStatus[],
  app: readonly ContainerStatus[],
): Draft {
  const type = 'Initialized'
  if (phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' }
  if (app.some(({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated))
    return { type, status: 'True' }
  const incomplete = (pod.spec.initContainers ?? []).filter(container => {
    const status = init.find(({ name }) => name === container.name)
    return isSidecar(container) ? status?.started !== true : status?.ready !== true
  })
  if (incomplete.length === 0) return { type, status: 'True' }
  const message = `containers with incomplete status: ${list(incomplete.map(({ name }) => name))}`
  return { type, status: 'False', reason: 'ContainersNotInitialized', message }
}

function containersReadyCondition(
  pod: Pod,
  phase: Phase,
  init: readonly ContainerStatus[],
  app: readonly ContainerStatus[],
): Draft {
  const type = 'ContainersReady'
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' }
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' }
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name))
  const unready = [...init.filter(({ name }) => sidecars.has(name)), ...app].filter(({ ready }) => !ready)
  if (unready.length === 0) return { type, status: 'True' }
  const message = `containers with unready status: ${list(unready.map(({ name }) => name))}`
  return { type, status: 'False', reason: 'ContainersNotReady', message }
}

function readyCondition(pod: Pod, present: readonly PodCondition[], containersReady: Draft): Draft {
  if (containersReady.status !== 'True') return { ...containersReady, type: 'Ready' }
  const unmet = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = present.find(({ type }) => type === conditionType)
    if (!condition) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`]
    if (condition.status === 'True') return []
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`]
  })
  if (unmet.length === 0) return { type: 'Ready', status: 'True' }
  return { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message: unmet.join(', ') }
}
