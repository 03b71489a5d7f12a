/**
 * One pod's worker: a state machine woken by changes of the pod and of its containers. Each turn looks, publishes what it
 * sees and takes the one step that comes next.
 */
import { assertNever } from '../../api/object.ts'
import type { Pod } from '../../client/resources.ts'
import type { RuntimeEvent } from '../runtime.ts'
import { confirmDeletion, forgetPod, releaseResources } from './cleanup.ts'
import { forgetFailures, noteCrashLoop, restartKey } from './crash-loop.ts'
import { activeDeadline, deletionGrace, probeGrace, terminationGrace } from './deadlines.ts'
import { mirrorAnnotation, sourceAnnotation } from './identity.ts'
import { settleExit } from './observe.ts'
import { nextStep, type Plan } from './plan.ts'
import { PodRun } from './pod-run.ts'
import { type Failure, probeRunning, publish } from './publishing.ts'
import { containerResources } from './qos.ts'
import type { PodServices } from './services.ts'
import { StartError } from './start-error.ts'
import { createSandbox, resizeContainers, startContainer } from './starting.ts'
import { stopContainer, stopPod } from './stopping.ts'
import { isRunning, newestContainer } from './view.ts'
import { Waker } from './waker.ts'

type State =
  | { readonly type: 'running' }
  /** Containers are being stopped: the pod is deleted, has finished, or has failed as a whole. */
  | { readonly type: 'terminating'; readonly graceSeconds: number }
  /** Nothing runs any more; the object is still there. */
  | { readonly type: 'terminated'; readonly cleaned: boolean }
  | { readonly type: 'gone' }

const retryMs = 10_000

export class PodWorker {
  readonly #run: PodRun
  readonly #services: PodServices
  readonly #mirrorOf: (pod: Pod) => Pod | undefined
  #state: State = { type: 'running' }
  #failure: Failure | undefined
  #step = new AbortController()
  #dirty = true
  readonly #waker: Waker
  #removedFromApi = false
  readonly done: Promise<void>

  /** Starts at once. `mirrorOf` turns a static pod into the API's mirror of it, under whose identity status is published. */
  constructor(pod: Pod, services: PodServices, mirrorOf: (pod: Pod) => Pod | undefined) {
    this.#services = services
    this.#run = new PodRun(pod, services)
    this.#mirrorOf = mirrorOf
    this.#waker = new Waker(services.clock, services.signal)
    const phase = pod.status?.phase
    if (phase === 'Succeeded' || phase === 'Failed') this.#terminate(1)
    if (pod.metadata.deletionTimestamp) this.#terminate(deletionGrace(pod))
    this.done = this.#loop()
  }

  get pod(): Pod {
    return this.#run.pod
  }

  get view() {
    return this.#run.view
  }

  get podIps(): readonly string[] {
    return this.#run.podIps
  }

  /** The pod's object changed. */
  update(pod: Pod): void {
    const before = this.#run.pod
    this.#run.pod = pod
    if (pod.metadata.deletionTimestamp) this.#terminate(deletionGrace(pod))
    else if (before.metadata.labels !== pod.metadata.labels || before.metadata.annotations !== pod.metadata.annotations)
      void this.#services.volumes.podChanged(pod)
    this.wake()
  }

  /** The pod's object is gone: stop without asking the API for anything more. */
  removed(): void {
    this.#removedFromApi = true
    this.#terminate(deletionGrace(this.#run.pod))
    this.wake()
  }

  /** Ends the pod for a reason of the node's own, e.g. eviction. */
  fail(failure: Failure, graceSeconds: number): void {
    this.#failure ??= failure
    this.#terminate(graceSeconds)
    this.wake()
  }

  async runtimeEvent(event: RuntimeEvent): Promise<void> {
    if (event.type === 'exited') {
      this.#services.probes.stop(event.containerId)
      await settleExit(this.#run.runtime, event.containerId).catch(() => undefined)
    }
    this.#dirty = true
    this.wake()
    if (this.#state.type === 'terminating') await this.#look().catch(() => undefined)
  }

  /** What kept the sandbox from being made may be over. */
  retrySandbox(): void {
    this.#retryNow('')
  }

  /** A probe says that a container must be replaced. */
  unhealthy(containerId: string, message: string): void {
    this.#run.unhealthy.set(containerId, message)
    this.wake()
  }

  wake(): void {
    this.#waker.wake()
  }

  #terminate(graceSeconds: number): void {
    switch (this.#state.type) {
      case 'running':
        this.#state = { type: 'terminating', graceSeconds }
        this.#step.abort()
        return
      case 'terminating':
        if (graceSeconds < this.#state.graceSeconds) this.#shorten(graceSeconds)
        return
      case 'terminated':
      case 'gone':
        return
      default:
        assertNever(this.#state)
    }
  }

  /** A later, more impatient deletion: the runtime keeps the earlier of the deadlines. */
  #shorten(graceSeconds: number): void {
    this.#state = { type: 'terminating', graceSeconds }
    for (const { id } of this.#run.view.containers.filter(isRunning))
      this.#run.runtime.stopContainer(id, graceSeconds).catch(() => undefined)
  }

  async #loop(): Promise<void> {
    const { signal, clock, log } = this.#services
    while (this.#state.type !== 'gone' && !signal.aborted) {
      this.#waker.reset()
      let until: number | undefined
      try {
        until = await this.#turn()
      } catch (error) {
        const { name, namespace } = this.#run.pod.metadata
        if (!this.#step.signal.aborted)
          log.warn({ pod: name, namespace, error: (error as Error).message }, 'pod not synced')
        until = clock.now() + (this.#step.signal.aborted ? 50 : 1000)
        this.#dirty = true
      }
      await this.#waker.sleep(until)
    }
  }

  /** One turn; resolves with when to look again without being woken. */
  async #turn(): Promise<number | undefined> {
    const state = this.#state
    switch (state.type) {
      case 'running':
        return this.#sync()
      case 'terminating':
        await this.#stopAll(state.graceSeconds)
        this.#state = { type: 'terminated', cleaned: false }
        return this.#services.clock.now()
      case 'terminated':
        return this.#cleanUp(state)
      case 'gone':
        return undefined
      default:
        return assertNever(state)
    }
  }

  async #look(): Promise<void> {
    this.#dirty = false
    await this.#run.observe()
    if (this.#state.type === 'running') probeRunning(this.#run)
    this.publish()
  }

  async #sync(): Promise<number | undefined> {
    this.#step = new AbortController()
    if (this.#dirty) await this.#look()
    const deadline = activeDeadline(this.#run)
    const now = this.#services.clock.now()
    if (deadline !== undefined && now >= deadline) {
      const message = 'Pod was active on the node longer than the specified deadline'
      this.#services.events.pod(this.#run.pod, 'Normal', 'DeadlineExceeded', message)
      this.fail({ reason: 'DeadlineExceeded', message }, terminationGrace(this.#run.pod))
      return now
    }
    await resizeContainers(this.#run, container =>
      containerResources(this.#run.pod, container, this.#services.nodeLimits),
    )
    const plan = nextStep({
      pod: this.#run.pod,
      view: this.#run.view,
      restartWait: (container, ended) =>
        this.#services.restarts.waitUntil(restartKey(this.#run, container), ended.finishedAt / 1e6, now),
      retryAt: this.#run.retryAt,
      unhealthy: this.#run.unhealthy,
      isStarted: id => this.#services.probes.isStarted(id),
      now,
    })
    for (const loop of plan.crashLoops) noteCrashLoop(this.#run, loop)
    this.publish()
    const until = await this.#perform(plan)
    return deadline === undefined ? until : Math.min(deadline, until ?? deadline)
  }

  async #perform({ step }: Plan): Promise<number | undefined> {
    const { clock } = this.#services
    switch (step.type) {
      case 'wait':
        return step.until
      case 'finish':
        this.#terminate(terminationGrace(this.#run.pod))
        return clock.now()
      case 'kill': {
        const { target, container, message } = step
        this.#run.unhealthy.delete(target.id)
        this.#services.probes.stop(target.id)
        await stopContainer(
          this.#run,
          target,
          container,
          message,
          probeGrace(this.#run, container.name, message),
          this.#step.signal,
        )
        this.publish()
        return clock.now()
      }
      case 'createSandbox':
        try {
          await createSandbox(this.#run, step.attempt, this.#step.signal, () => this.#retryNow(''))
          forgetFailures(this.#run)
          this.publish()
        } catch (error) {
          if (!this.#step.signal.aborted) this.#run.retryAt.set('', clock.now() + retryMs)
          this.#logFailure(error)
        }
        return clock.now()
      case 'start':
        await this.#start(step)
        return clock.now()
      default:
        return assertNever(step)
    }
  }

  async #start(step: Extract<Plan['step'], { type: 'start' }>): Promise<void> {
    const { clock, restarts } = this.#services
    const { container } = step
    const last = newestContainer(this.#run.view, container.name)
    try {
      await startContainer(this.#run, step, this.#step.signal, () => this.#retryNow(container.name))
      this.#run.waiting.delete(container.name)
      this.#run.retryAt.delete(container.name)
    } catch (error) {
      if (this.#step.signal.aborted) return
      const { message } = error as Error
      const known = error instanceof StartError
      this.#run.waiting.set(container.name, { reason: known ? error.reason : 'CreateContainerError', message })
      this.#run.retryAt.set(container.name, (known ? error.retryAt : undefined) ?? clock.now() + retryMs)
      this.#logFailure(error)
    }
    const replaced = newestContainer(this.#run.view, container.name)?.id !== last?.id
    if (last && replaced) restarts.next(restartKey(this.#run, container), last.finishedAt / 1e6, clock.now())
    if (this.#state.type === 'running') probeRunning(this.#run)
    this.publish()
  }

  #logFailure(error: unknown): void {
    const { name, namespace } = this.#run.pod.metadata
    this.#services.log.debug({ pod: name, namespace, error: (error as Error).message }, 'pod step failed')
  }

  #retryNow(name: string): void {
    if (this.#run.retryAt.delete(name)) this.wake()
  }

  /** Publishes the pod's status if it differs from what was published last. */
  publish(): void {
    const target = this.#removedFromApi ? undefined : this.#mirrorOf(this.#run.pod)
    if (target) publish(this.#run, target, this.#state.type !== 'running', this.#failure)
  }

  async #stopAll(graceSeconds: number): Promise<void> {
    await this.#run.observe()
    this.publish()
    await stopPod(this.#run, graceSeconds, this.#services.signal, () => this.publish())
    this.#services.probes.stopPod(this.#run.uid)
    this.publish()
  }

  /** After the last container: volumes and cgroup go, then the object if it is being deleted, then everything else. */
  async #cleanUp(state: Extract<State, { type: 'terminated' }>): Promise<number | undefined> {
    if (!state.cleaned) {
      await releaseResources(this.#run)
      this.#state = { type: 'terminated', cleaned: true }
    }
    if (!this.#removedFromApi) {
      const target = this.#mirrorOf(this.#run.pod)
      if (!target?.metadata.deletionTimestamp && !isStatic(this.#run.pod)) return undefined
      if (target) await confirmDeletion(this.#run, target)
    }
    await forgetPod(this.#run)
    this.#state = { type: 'gone' }
    // The API's notice of its deletion ends a pod's worker; for a static pod there is none.
    return isStatic(this.#run.pod) ? this.#services.clock.now() : undefined
  }
}

const isStatic = (pod: Pod): boolean =>
  pod.metadata.annotations?.[sourceAnnotation] === 'file' && !pod.metadata.annotations[mirrorAnnotation]
