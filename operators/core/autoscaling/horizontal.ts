/** HorizontalPodAutoscaler (upstream: pkg/controller/podautoscaler/horizontal.go): usage in, replicas out, every 15 seconds. */
import { keyOf } from '../../../bootstrap/api/object.ts'
import { parseQuantity } from '../../../bootstrap/api/quantity.ts'
import { type LabelSelector, parseLabelSelector } from '../../../bootstrap/api/selectors.ts'
import type {
  V2HorizontalPodAutoscalerCondition as Condition,
  V2MetricStatus as MetricStatus,
} from '../../../bootstrap/api/types.gen.ts'
import {
  type HorizontalPodAutoscaler,
  horizontalPodAutoscalers,
  type Pod,
  pods,
} from '../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../bootstrap/client/same.ts'
import { updateStatus } from '../../runtime/apply.ts'
import { setCondition } from '../../runtime/conditions.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { timestamp } from '../../runtime/time.ts'
import { History } from './history.ts'
import {
  type Behavior,
  bounded,
  boundedByRules,
  type Limited,
  longestPeriodMs,
  stabilized,
  stabilizedByRules,
} from './limits.ts'
import { evaluate, MetricError } from './metric.ts'
import type { Tolerances } from './replica-count.ts'
import { readScale, type ScaleTarget, writeScale } from './scale-target.ts'
import { type AutoscalerSettings, defaultSettings } from './settings.ts'

/** What one look comes to, before it is written down. */
interface Outcome {
  conditions: readonly Condition[]
  metrics: readonly MetricStatus[] | undefined
  /** Unset where the target's scale is not known. */
  current?: number
  desired?: number
  rescaled: boolean
}

export function horizontalPodAutoscaler(settings: AutoscalerSettings = defaultSettings): Operator {
  const histories = new Map<string, History>()
  const selectors = new Map<string, LabelSelector>()
  return {
    name: 'horizontal-pod-autoscaler',
    watches: [
      on(horizontalPodAutoscalers, (autoscaler, old, change) =>
        change === 'updated' && old && sameJson(old.spec, autoscaler.spec) ? undefined : keyOf(autoscaler),
      ),
    ],
    concurrency: 5,
    setup({ informers }) {
      informers.get(pods)
    },
    async reconcile(key, cluster): Promise<Result> {
      const autoscaler = cluster.informers.get(horizontalPodAutoscalers).get(key)
      if (!autoscaler) {
        histories.delete(key)
        selectors.delete(key)
        return done
      }
      const history = histories.get(key) ?? new History()
      histories.set(key, history)
      await new Look(autoscaler, cluster, settings, history, selectors).take()
      return { requeueAfterMs: settings.syncPeriodMs }
    },
  }
}

/** One look at one autoscaler. */
class Look {
  readonly #autoscaler: HorizontalPodAutoscaler
  readonly #cluster: Cluster
  readonly #settings: AutoscalerSettings
  readonly #history: History
  /** Of all autoscalers, by key. */
  readonly #selectors: Map<string, LabelSelector>
  readonly #outcome: Outcome

  constructor(
    autoscaler: HorizontalPodAutoscaler,
    cluster: Cluster,
    settings: AutoscalerSettings,
    history: History,
    selectors: Map<string, LabelSelector>,
  ) {
    this.#autoscaler = autoscaler
    this.#cluster = cluster
    this.#settings = settings
    this.#history = history
    this.#selectors = selectors
    const { conditions = [] } = autoscaler.status ?? {}
    this.#outcome = { conditions, metrics: autoscaler.status?.currentMetrics, rescaled: false }
  }

  async take(): Promise<void> {
    const { client } = this.#cluster
    const { metadata, spec } = this.#autoscaler
    let target: ScaleTarget
    try {
      target = await readScale(client, metadata.namespace ?? '', spec.scaleTargetRef)
    } catch (error) {
      const { message } = error as Error
      this.#warn('FailedGetScale', message)
      const text = `the HPA controller was unable to get the target's current scale: ${message}`
      this.#condition('AbleToScale', 'False', 'FailedGetScale', text)
      return this.#publish()
    }
    const got = "the HPA controller was able to get the target's current scale"
    this.#condition('AbleToScale', 'True', 'SucceededGetScale', got)
    const current = target.scale.spec?.replicas ?? 0
    this.#outcome.current = current
    if (this.#history.recommendations.length === 0)
      this.#history.recommendations.push({ replicas: current, at: this.#now })
    const decided = await this.#decide(target, current)
    if (decided && decided.replicas !== current) await this.#rescale(target, current, decided)
    else if (decided) this.#outcome.desired = current
    await this.#publish()
  }

  /** How many there should be, and why; undefined where that cannot be told. */
  async #decide(target: ScaleTarget, current: number): Promise<{ replicas: number; reason: string } | undefined> {
    const { minReplicas: min = 1, maxReplicas: max } = this.#autoscaler.spec
    if (current === 0) {
      const text = 'scaling is disabled since the replica count of the target is zero'
      this.#condition('ScalingActive', 'False', 'ScalingDisabled', text)
      this.#outcome.metrics = undefined
      return { replicas: 0, reason: '' }
    }
    if (current > max) return this.#unmeasured(max, 'Current number of replicas above Spec.MaxReplicas')
    if (current < min) return this.#unmeasured(min, 'Current number of replicas below Spec.MinReplicas')
    const proposed = await this.#measure(target, current)
    if (!proposed) return undefined
    const desired = Math.max(0, proposed.replicas)
    const reason =
      desired > current ? `${proposed.metric} above target` : desired < current ? 'All metrics below target' : ''
    return { replicas: this.#limit(current, desired, min, max), reason }
  }

  /** The bounds of the spec decide, no metric does. */
  #unmeasured(replicas: number, reason: string) {
    this.#outcome.metrics = undefined
    return { replicas, reason }
  }

  /** The highest proposal of the metrics. One that fails only keeps the target from shrinking. */
  async #measure(target: ScaleTarget, current: number): Promise<{ replicas: number; metric: string } | undefined> {
    const { namespace = '' } = this.#autoscaler.metadata
    const specs = this.#autoscaler.spec.metrics ?? []
    const selected = this.#select(target.scale.status?.selector ?? '')
    if (typeof selected === 'string') {
      this.#outcome.metrics = undefined
      this.#warn('FailedComputeMetricsReplicas', selected)
      return undefined
    }
    const context = {
      client: this.#cluster.client,
      namespace,
      selector: target.scale.status?.selector ?? '',
      pods: selected,
      specReplicas: current,
      statusReplicas: target.scale.status?.replicas ?? 0,
      tolerances: this.#tolerances,
      settings: this.#settings,
      now: () => this.#now,
    }
    const statuses: MetricStatus[] = []
    const failures: MetricError[] = []
    let best = { replicas: 0, metric: '' }
    for (const spec of specs) {
      try {
        const { replicas, name, status } = await evaluate(spec, context)
        statuses.push(status)
        if (best.replicas === 0 || replicas > best.replicas) best = { replicas, metric: name }
      } catch (error) {
        if (!(error instanceof MetricError)) throw error
        this.#warn(error.reason, error.cause_)
        failures.push(error)
        statuses.push({ type: '' })
      }
    }
    this.#outcome.metrics = statuses
    const [first] = failures
    if (first && (failures.length >= specs.length || best.replicas < current)) {
      const text = `the HPA was unable to compute the replica count: ${first.cause_}`
      this.#condition('ScalingActive', 'False', first.reason, text)
      const counts = `invalid metrics (${failures.length} invalid out of ${specs.length})`
      this.#warn('FailedComputeMetricsReplicas', `${counts}, first error is: ${first.message}`)
      return undefined
    }
    const found = `the HPA was able to successfully calculate a replica count from ${best.metric}`
    this.#condition('ScalingActive', 'True', 'ValidMetricFound', found)
    return best
  }

  /** The target's pods, or why they cannot be told. */
  #select(text: string): readonly Pod[] | string {
    const { informers } = this.#cluster
    const { namespace = '' } = this.#autoscaler.metadata
    if (text === '') {
      this.#warn('SelectorRequired', 'selector is required')
      this.#condition('ScalingActive', 'False', 'InvalidSelector', "the HPA target's scale is missing a selector")
      return 'selector is required'
    }
    let selector: LabelSelector
    try {
      selector = parseLabelSelector(text)
    } catch (error) {
      const why = `couldn't convert selector into a corresponding internal selector object: ${(error as Error).message}`
      this.#warn('InvalidSelector', why)
      this.#condition('ScalingActive', 'False', 'InvalidSelector', why)
      return why
    }
    this.#selectors.set(keyOf(this.#autoscaler), selector)
    const selected = informers
      .get(pods)
      .list(namespace)
      .filter(pod => selector.matches(pod.metadata.labels ?? {}))
    const rivals = [...this.#selectors]
      .filter(([key]) => key.startsWith(`${namespace}/`))
      .filter(([, other]) => selected.some(pod => other.matches(pod.metadata.labels ?? {})))
    if (rivals.length <= 1) return selected
    const names = rivals.map(([key]) => `{${key.split('/').reverse().join(' ')}}`).join(' ')
    const why = `pods by selector ${text} are controlled by multiple HPAs: [${names}]`
    this.#warn('AmbiguousSelector', why)
    this.#condition('ScalingActive', 'False', 'AmbiguousSelector', why)
    return why
  }

  #limit(current: number, desired: number, min: number, max: number): number {
    const behavior = this.#behavior
    const now = this.#now
    const history = this.#history
    const stable: Limited = behavior
      ? stabilizedByRules(history, { current, desired, min, max }, behavior, now)
      : stabilized(history, desired, this.#settings.downscaleStabilizationMs, now)
    if (stable.replicas === desired)
      this.#condition('AbleToScale', 'True', 'ReadyForNewScale', 'recommended size matches current size')
    else this.#condition('AbleToScale', 'True', stable.reason, stable.message)
    const wanted = { current, desired: stable.replicas, min, max }
    const limited = behavior ? boundedByRules(history, wanted, behavior, now) : bounded(wanted)
    const limits = limited.replicas === stable.replicas ? 'False' : 'True'
    this.#condition('ScalingLimited', limits, limited.reason, limited.message)
    return limited.replicas
  }

  async #rescale(target: ScaleTarget, current: number, decided: { replicas: number; reason: string }): Promise<void> {
    const { client, events } = this.#cluster
    const { replicas, reason } = decided
    try {
      await writeScale(client, target, replicas)
    } catch (error) {
      const { message } = error as Error
      this.#warn('FailedRescale', `New size: ${replicas}; reason: ${reason}; error: ${message}`)
      const text = `the HPA controller was unable to update the target scale: ${message}`
      this.#condition('AbleToScale', 'False', 'FailedUpdateScale', text)
      return
    }
    const text = `the HPA controller was able to update the target scale to ${replicas}`
    this.#condition('AbleToScale', 'True', 'SucceededRescale', text)
    events.event(this.#autoscaler, 'Normal', 'SuccessfulRescale', `New size: ${replicas}; reason: ${reason}`)
    const behavior = this.#behavior
    if (behavior) this.#history.scaled(current, replicas, this.#now, longestPeriodMs(behavior))
    this.#outcome.desired = replicas
    this.#outcome.rescaled = true
  }

  async #publish(): Promise<void> {
    const { status } = this.#autoscaler
    const { conditions, metrics, current, desired, rescaled } = this.#outcome
    const known = current ?? status?.currentReplicas
    const next = {
      ...(known === undefined ? {} : { currentReplicas: known }),
      desiredReplicas: desired ?? status?.desiredReplicas ?? 0,
      currentMetrics: metrics ?? null,
      conditions,
      ...(rescaled || status?.lastScaleTime
        ? { lastScaleTime: rescaled ? timestamp(this.#now) : status?.lastScaleTime }
        : {}),
    }
    await updateStatus(this.#cluster.client, horizontalPodAutoscalers, this.#autoscaler, next as never)
  }

  get #now(): number {
    return this.#cluster.clock.now()
  }

  /** With the controller's own window where the spec names none. */
  get #behavior(): Behavior | undefined {
    const { behavior } = this.#autoscaler.spec
    if (!behavior) return undefined
    const own = Math.trunc(this.#settings.downscaleStabilizationMs / 1000)
    const { scaleUp = {}, scaleDown = {} } = behavior
    return {
      scaleUp,
      scaleDown: { ...scaleDown, stabilizationWindowSeconds: scaleDown.stabilizationWindowSeconds ?? own },
    }
  }

  get #tolerances(): Tolerances {
    const { tolerance } = this.#settings
    const { scaleUp, scaleDown } = this.#autoscaler.spec.behavior ?? {}
    const given = (text: string | undefined) => (text === undefined ? tolerance : parseQuantity(text).toNumber())
    return { up: given(scaleUp?.tolerance), down: given(scaleDown?.tolerance) }
  }

  #condition(type: string, status: 'True' | 'False', reason: string, message: string): void {
    const next = { type, status, reason, message }
    this.#outcome.conditions = setCondition(this.#outcome.conditions, next, this.#now)
  }

  #warn(reason: string, message: string): void {
    this.#cluster.events.event(this.#autoscaler, 'Warning', reason, message)
  }
}
