/** How fast and how far: stabilization, the bounds of the spec, and the policies of its behavior. */
import type { V2HPAScalingRules as ScalingRules } from '../../../bootstrap/api/types.gen.ts'
import type { History, ScaleEvent } from './history.ts'
import { maxInt32 } from './replica-count.ts'

export interface Wanted {
  readonly current: number
  readonly desired: number
  readonly min: number
  readonly max: number
}

/** A condition's reason and message beside the number they explain. */
export interface Limited {
  readonly replicas: number
  readonly reason: string
  readonly message: string
}

export interface Behavior {
  readonly scaleUp: ScalingRules
  readonly scaleDown: ScalingRules
}

const inRange = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' }
const tooMany = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
}
const tooFew = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' }
const tooFastUp = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
}
const tooFastDown = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
}

const downStabilized = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
}
const upStabilized = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
}

/** Without a behavior: the highest recommendation of the window. */
export function stabilized(history: History, desired: number, windowMs: number, now: number): Limited {
  const recent = history.recommendations.filter(({ at }) => at >= now - windowMs)
  const replicas = Math.max(desired, ...recent.map(recommendation => recommendation.replicas))
  history.recommend(desired, now, windowMs)
  return { replicas, ...downStabilized }
}

/** With a behavior: neither above the lowest of the window for growing nor below the highest of that for shrinking. */
export function stabilizedByRules(
  history: History,
  { current, desired }: Wanted,
  { scaleUp, scaleDown }: Behavior,
  now: number,
): Limited {
  const [upMs, downMs] = [scaleUp, scaleDown].map(rules => (rules.stabilizationWindowSeconds ?? 0) * 1000) as [
    number,
    number,
  ]
  const since = (ms: number) =>
    history.recommendations.filter(({ at }) => at > now - ms).map(recommendation => recommendation.replicas)
  const lowest = Math.min(desired, ...since(upMs))
  const highest = Math.max(desired, ...since(downMs))
  const replicas = Math.min(Math.max(current, lowest), highest)
  history.recommend(desired, now, Math.max(upMs, downMs))
  return { replicas, ...(desired >= current ? upStabilized : downStabilized) }
}

/** Within min and max, and at most doubling (or four). */
export function bounded({ current, desired, min, max }: Wanted): Limited {
  const fastest = Math.max(2 * current, 4)
  if (desired < min) return { replicas: min, ...tooFew }
  if (max > fastest && desired > fastest) return { replicas: fastest, ...tooFastUp }
  if (desired > max) return { replicas: max, ...tooMany }
  return { replicas: desired, ...inRange }
}

/** Within min and max, and what the policies allow in their periods. */
export function boundedByRules(history: History, wanted: Wanted, behavior: Behavior, now: number): Limited {
  const { current, desired, min, max } = wanted
  if (desired > current) {
    const limit = Math.max(current, upLimit(history, current, behavior.scaleUp, now))
    const [most, why] = max > limit ? [limit, tooFastUp] : [max, tooMany]
    if (desired > most) return { replicas: most, ...why }
  } else if (desired < current) {
    const limit = Math.min(current, downLimit(history, current, behavior.scaleDown, now))
    const [least, why] = min < limit ? [limit, tooFastDown] : [min, tooFew]
    if (desired < least) return { replicas: least, ...why }
  }
  return { replicas: desired, ...inRange }
}

function upLimit(history: History, current: number, rules: ScalingRules, now: number): number {
  if (rules.selectPolicy === 'Disabled') return current
  const proposals = proposalsOf(history, current, rules, now, (start, { type, value }) =>
    type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100)),
  )
  return rules.selectPolicy === 'Min' ? Math.min(maxInt32, ...proposals) : Math.max(-maxInt32, ...proposals)
}

function downLimit(history: History, current: number, rules: ScalingRules, now: number): number {
  if (rules.selectPolicy === 'Disabled') return current
  const proposals = proposalsOf(history, current, rules, now, (start, { type, value }) =>
    type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100)),
  )
  return rules.selectPolicy === 'Min' ? Math.max(-maxInt32, ...proposals) : Math.min(maxInt32, ...proposals)
}

/** How far each policy would go, from where its period began. */
function proposalsOf(
  history: History,
  current: number,
  { policies = [] }: ScalingRules,
  now: number,
  far: (start: number, policy: NonNullable<ScalingRules['policies']>[number]) => number,
): number[] {
  return policies.map(policy => far(atPeriodStart(history, current, policy.periodSeconds, now), policy))
}

function atPeriodStart({ ups, downs }: History, current: number, periodSeconds: number, now: number): number {
  const changed = (events: readonly ScaleEvent[]) =>
    events.filter(({ at }) => at > now - periodSeconds * 1000).reduce((sum, { change }) => sum + change, 0)
  return current - changed(ups) + changed(downs)
}

/** How long what was done may matter, in ms. */
export function longestPeriodMs({ scaleUp, scaleDown }: Behavior): number {
  const periods = [scaleUp, scaleDown].flatMap(rules => rules.policies ?? []).map(policy => policy.periodSeconds)
  return Math.max(0, ...periods) * 1000
}
