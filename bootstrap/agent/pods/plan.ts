/** What a pod's worker does next. A pure function of the pod, the runtime's view of it and what failed lately. */
import type { Container } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { ContainerKind } from './container-status.ts'
import { containerAnnotation, containerHash, isSidecar } from './identity.ts'
import {
  hasEnded,
  isRunning,
  newestSandbox,
  type PodView,
  readySandbox,
  restartCountOf,
  shouldRestart,
  type ViewedContainer,
} from './view.ts'

export type Step =
  | { readonly type: 'createSandbox'; readonly attempt: number }
  | {
      readonly type: 'start'
      readonly container: Container
      readonly kind: ContainerKind
      readonly restartCount: number
    }
  | { readonly type: 'kill'; readonly target: ViewedContainer; readonly container: Container; readonly message: string }
  /** Nothing to do before an event, or before `until` (ms). */
  | { readonly type: 'wait'; readonly until: number | undefined }
  /** Every container has ended for good. */
  | { readonly type: 'finish' }

export interface CrashLoop {
  readonly container: Container
  readonly delayMs: number
}

export interface Plan {
  readonly step: Step
  /** Containers that wait for their restart back-off. */
  readonly crashLoops: readonly CrashLoop[]
}

export interface PlanInput {
  readonly pod: Pod
  readonly view: PodView
  /** Back-off of a container that ended; undefined when it may start now. */
  readonly restartWait: (container: Container, ended: ViewedContainer) => { until: number; delayMs: number } | undefined
  /** When a container whose start failed is tried again (ms), by name. */
  readonly retryAt: ReadonlyMap<string, number>
  /** Why a running container must be replaced, by container id. */
  readonly unhealthy: ReadonlyMap<string, string>
  readonly isStarted: (containerId: string) => boolean
  readonly now: number
}

/** Collects what blocks, so that the first actionable step wins and otherwise the earliest wake-up is known. */
class Planner {
  readonly input: PlanInput
  readonly crashLoops: CrashLoop[] = []
  readonly current: readonly ViewedContainer[]
  wakeAt: number | undefined

  constructor(input: PlanInput) {
    this.input = input
    const sandbox = readySandbox(input.pod, input.view)
    this.current = input.view.containers.filter(({ sandboxId }) => sandboxId === sandbox?.id)
  }

  /** The newest container of that name in the current sandbox. */
  now(container: Container): ViewedContainer | undefined {
    return this.current.find(({ metadata }) => metadata.name === container.name)
  }

  wakeBefore(time: number): void {
    this.wakeAt = Math.min(this.wakeAt ?? Number.POSITIVE_INFINITY, time)
  }

  /** Starts the container unless a failure or a crash loop holds it back. */
  start(container: Container, kind: ContainerKind): Step | undefined {
    const { view, retryAt, restartWait, now } = this.input
    const retry = retryAt.get(container.name)
    if (retry !== undefined && retry > now) {
      this.wakeBefore(retry)
      return undefined
    }
    const last = view.containers.find(({ metadata }) => metadata.name === container.name)
    const wait = last && hasEnded(last) ? restartWait(container, last) : undefined
    if (wait) {
      this.crashLoops.push({ container, delayMs: wait.delayMs })
      this.wakeBefore(wait.until)
      return undefined
    }
    return { type: 'start', container, kind, restartCount: this.#restartCount(container, last) }
  }

  /** A runtime that has forgotten the container is outvoted by the API: numbers, and with them log files, go on. */
  #restartCount(container: Container, last: ViewedContainer | undefined): number {
    if (last) return restartCountOf(last) + 1
    const { initContainerStatuses = [], containerStatuses = [] } = this.input.pod.status ?? {}
    const known = [...initContainerStatuses, ...containerStatuses].find(({ name }) => name === container.name)
    return known?.containerID || known?.lastState?.terminated ? known.restartCount + 1 : 0
  }

  /** Kills a running container that failed a probe or whose definition changed. */
  replace(container: Container, status: ViewedContainer): Step | undefined {
    const reason = this.input.unhealthy.get(status.id)
    if (reason !== undefined) return { type: 'kill', target: status, container, message: reason }
    const hash = status.annotations[containerAnnotation.hash]
    if (hash === undefined || hash === containerHash(container)) return undefined
    return {
      type: 'kill',
      target: status,
      container,
      message: `Container ${container.name} definition changed, will be restarted`,
    }
  }

  plan(step: Step): Plan {
    return { step, crashLoops: this.crashLoops }
  }

  wait(): Plan {
    return this.plan({ type: 'wait', until: this.wakeAt })
  }
}

/** The next step for a pod that is to run. */
export function nextStep(input: PlanInput): Plan {
  const planner = new Planner(input)
  const { pod, view } = input
  if (!readySandbox(pod, view)) return planSandbox(planner)
  const appStarted = pod.spec.containers.some(container => planner.now(container) !== undefined)
  const init = planInit(planner, appStarted)
  if (init) return init
  for (const container of (pod.spec.ephemeralContainers ?? []) as readonly Container[]) {
    const step = view.containers.some(({ metadata }) => metadata.name === container.name)
      ? undefined
      : planner.start(container, 'ephemeral')
    if (step) return planner.plan(step)
  }
  return planApp(planner)
}

function planSandbox(planner: Planner): Plan {
  const { pod, view, retryAt, now } = planner.input
  const newest = newestSandbox(view)
  if (newest) {
    const policy = pod.spec.restartPolicy ?? 'Always'
    const last = (container: Container) => view.containers.find(({ metadata }) => metadata.name === container.name)
    const wanted = pod.spec.containers.filter(container => shouldRestart(pod, container, last(container)))
    const ranBefore = view.containers.length > 0
    const initFailed =
      policy === 'Never' &&
      (pod.spec.initContainers ?? []).some(container => (last(container)?.exitCode ?? 0) !== 0 && !isSidecar(container))
    if (wanted.length === 0 || (policy === 'Never' && ranBefore && pod.spec.containers.some(last)) || initFailed)
      return planner.plan({ type: 'finish' })
  }
  const retry = retryAt.get('')
  if (retry !== undefined && retry > now) {
    planner.wakeBefore(retry)
    return planner.wait()
  }
  return planner.plan({ type: 'createSandbox', attempt: newest ? newest.metadata.attempt + 1 : 0 })
}

/** Undefined once initialisation is done and no sidecar needs anything. */
function planInit(planner: Planner, appStarted: boolean): Plan | undefined {
  const { pod, isStarted } = planner.input
  for (const container of pod.spec.initContainers ?? []) {
    const status = planner.now(container)
    const sidecar = isSidecar(container)
    if (appStarted && !sidecar) continue
    if (isRunning(status)) {
      const replacement = sidecar ? planner.replace(container, status!) : undefined
      if (replacement) return planner.plan(replacement)
      if (!appStarted && !(sidecar && isStarted(status!.id))) return planner.wait()
      continue
    }
    if (!sidecar && status?.state === 'CONTAINER_EXITED') {
      if (status.exitCode === 0) continue
      if (pod.spec.restartPolicy === 'Never') return planner.plan({ type: 'finish' })
    }
    const step = planner.start(container, 'init')
    if (step) return planner.plan(step)
    if (!appStarted) return planner.wait()
  }
  return undefined
}

function planApp(planner: Planner): Plan {
  const { pod, view } = planner.input
  let alive = false
  for (const container of pod.spec.containers) {
    const status = planner.now(container)
    if (isRunning(status)) {
      alive = true
      const replacement = planner.replace(container, status!)
      if (replacement) return planner.plan(replacement)
      continue
    }
    const last = status ?? view.containers.find(({ metadata }) => metadata.name === container.name)
    if (!shouldRestart(pod, container, last)) continue
    alive = true
    const step = planner.start(container, 'app')
    if (step) return planner.plan(step)
  }
  return alive ? planner.wait() : planner.plan({ type: 'finish' })
}
