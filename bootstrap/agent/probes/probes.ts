/** Runs containers' startup, liveness and readiness probes, each on its own timer, and remembers what they found. */
import type { Container, Probe } from '../../api/types.gen.ts'
import type { Clock } from '../../client/clock.ts'
import type { Pod } from '../../client/resources.ts'
import { podUid } from '../pods/identity.ts'
import type { Runtime } from '../runtime.ts'
import { execute, grpcCheck, httpGet, httpTarget, type Outcome, tcpConnect } from './actions.ts'
import { initialTally, type ProbeKind, type Tally, tally } from './tally.ts'

export interface ProbeTarget {
  readonly pod: Pod
  readonly container: Container
  readonly containerId: string
  readonly podIp: string
  readonly runtime: Runtime
  /** ms */
  readonly startedAt: number
  /** Readiness to begin with: that of an adopted container is already known. */
  readonly wasReady: boolean
  readonly wasStarted: boolean
}

export interface ProbeDeps {
  readonly clock: Clock
  /** Ends all probes, those on their way too. */
  readonly signal: AbortSignal
  /** A container's readiness or startedness changed. */
  changed(podUid: string): void
  /** A container must be replaced. */
  unhealthy(target: ProbeTarget, kind: ProbeKind, message: string): void
  event(target: ProbeTarget, reason: string, message: string): void
}

interface Probed {
  readonly target: ProbeTarget
  readonly stop: AbortController
  ready: boolean
  started: boolean
}

const names: { readonly [K in ProbeKind]: string } = {
  startup: 'Startup',
  liveness: 'Liveness',
  readiness: 'Readiness',
}

export class Probes {
  readonly #deps: ProbeDeps
  readonly #probed = new Map<string, Probed>()

  constructor(deps: ProbeDeps) {
    this.#deps = deps
  }

  /** Begins probing a running container; does nothing when it is already probed. */
  start(target: ProbeTarget): void {
    if (this.#probed.has(target.containerId)) return
    const { startupProbe, readinessProbe } = target.container
    const started = !startupProbe || target.wasStarted
    const probed: Probed = { target, stop: new AbortController(), ready: !readinessProbe || target.wasReady, started }
    this.#probed.set(target.containerId, probed)
    if (started) this.#startLate(probed)
    else void this.#run(probed, 'startup', startupProbe)
  }

  stop(containerId: string): void {
    this.#probed.get(containerId)?.stop.abort()
    this.#probed.delete(containerId)
  }

  /** Readiness goes on being probed while a pod terminates; liveness and startup do not. */
  stopPod(uid: string): void {
    for (const [id, { target }] of this.#probed) if (podUid(target.pod) === uid) this.stop(id)
  }

  isReady(containerId: string): boolean {
    return this.#probed.get(containerId)?.ready ?? false
  }

  isStarted(containerId: string): boolean {
    return this.#probed.get(containerId)?.started ?? false
  }

  /** Liveness and readiness wait for the startup probe. */
  #startLate(probed: Probed): void {
    const { livenessProbe, readinessProbe } = probed.target.container
    if (livenessProbe) void this.#run(probed, 'liveness', livenessProbe)
    if (readinessProbe) void this.#run(probed, 'readiness', readinessProbe)
  }

  async #run(probed: Probed, kind: ProbeKind, probe: Probe): Promise<void> {
    const { clock } = this.#deps
    const signal = AbortSignal.any([probed.stop.signal, this.#deps.signal])
    const first = probed.target.startedAt + (probe.initialDelaySeconds ?? 0) * 1000
    let state = initialTally
    try {
      await clock.sleep(Math.max(0, first - clock.now()), signal)
      while (!signal.aborted) {
        const outcome = await perform(probe, probed.target, signal)
        if (signal.aborted) return
        state = this.#note(probed, kind, probe, state, outcome)
        if (kind === 'startup' && probed.started) return
        await clock.sleep((probe.periodSeconds ?? 10) * 1000, signal)
      }
    } catch {
      // Stopped.
    }
  }

  #note(probed: Probed, kind: ProbeKind, probe: Probe, before: Tally, outcome: Outcome): Tally {
    const { target } = probed
    if (!outcome.ok) this.#deps.event(target, 'Unhealthy', `${names[kind]} probe failed: ${outcome.message}`)
    const after = tally(before, outcome.ok, probe)
    if (after.verdict === undefined) return after
    const passed = after.verdict === 'success'
    switch (kind) {
      case 'readiness':
        if (probed.ready !== passed) {
          probed.ready = passed
          this.#deps.changed(podUid(target.pod))
        }
        break
      case 'startup':
        if (passed && !probed.started) {
          probed.started = true
          this.#startLate(probed)
          this.#deps.changed(podUid(target.pod))
        }
        if (!passed) this.#fail(probed, kind)
        break
      case 'liveness':
        if (!passed) this.#fail(probed, kind)
        break
    }
    return after
  }

  #fail(probed: Probed, kind: ProbeKind): void {
    probed.stop.abort()
    this.#deps.unhealthy(
      probed.target,
      kind,
      `Container ${probed.target.container.name} failed ${kind} probe, will be restarted`,
    )
  }
}

function perform(probe: Probe, target: ProbeTarget, signal: AbortSignal): Promise<Outcome> {
  const seconds = probe.timeoutSeconds ?? 1
  const { container, podIp, runtime, containerId } = target
  if (probe.exec) return execute(runtime, containerId, probe.exec, seconds)
  if (probe.tcpSocket) return tcpConnect(probe.tcpSocket, container, podIp, seconds * 1000, signal)
  if (probe.grpc) return grpcCheck(probe.grpc, podIp, seconds * 1000)
  const http = probe.httpGet && httpTarget(probe.httpGet, container, podIp)
  if (!http) return Promise.resolve({ ok: false, message: 'missing probe handler' })
  return httpGet(http, seconds * 1000, signal)
}
