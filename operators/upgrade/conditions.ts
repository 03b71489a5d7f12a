/** A plan's conditions as upstream keeps them: a time per condition that moves when its status or message does. */
import { timestamp } from '../runtime/time.ts'
import type { PlanCondition, PlanConditionType, PlanStatus } from './plan.ts'

type Conditions = Pick<PlanStatus, 'conditions'>

export type NextCondition = Pick<PlanCondition, 'status' | 'reason' | 'message'>

export function conditionOf({ conditions }: Conditions, type: PlanConditionType): PlanCondition | undefined {
  return conditions?.find(condition => condition.type === type)
}

export const isTrue = (status: Conditions, type: PlanConditionType): boolean =>
  conditionOf(status, type)?.status === 'True'

/** The status with the condition in it; the same status when that changes nothing. */
export function withCondition<S extends Conditions>(
  status: S,
  type: PlanConditionType,
  next: NextCondition,
  now: number,
): S {
  const old = conditionOf(status, type)
  const { reason = '', message = '' } = next
  const moved = old?.status !== next.status || (old.message ?? '') !== message
  if (!moved && (old.reason ?? '') === reason) return status
  const lastUpdateTime = moved ? timestamp(now) : old.lastUpdateTime
  const made: PlanCondition = {
    type,
    status: next.status,
    ...(lastUpdateTime === undefined ? {} : { lastUpdateTime }),
    ...(reason === '' ? {} : { reason }),
    ...(message === '' ? {} : { message }),
  }
  const conditions = status.conditions ?? []
  return {
    ...status,
    conditions: old ? conditions.map(other => (other === old ? made : other)) : [...conditions, made],
  }
}

/** The status with the condition's time set to now: it was looked at again. */
export function touched<S extends Conditions>(status: S, type: PlanConditionType, now: number): S {
  const conditions = (status.conditions ?? []).map(condition =>
    condition.type === type ? { ...condition, lastUpdateTime: timestamp(now) } : condition,
  )
  return { ...status, conditions }
}

/** The status with every condition there, unknown where nothing is known yet. */
export function withAllConditions<S extends Conditions>(status: S, now: number): S {
  return (['Complete', 'Validated', 'LatestResolved'] as const).reduce(
    (current, type) =>
      conditionOf(current, type) ? current : withCondition(current, type, { status: 'Unknown' }, now),
    status,
  )
}
