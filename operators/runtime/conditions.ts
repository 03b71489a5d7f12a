/** Lists of status conditions. */
import { timestamp } from './time.ts'

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string | undefined
  readonly message?: string | undefined
  readonly lastTransitionTime?: string | undefined
}

export function findCondition<C extends Condition>(list: readonly C[] | undefined, type: string): C | undefined {
  return list?.find(condition => condition.type === type)
}

export function isTrue(list: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(list, type)?.status === 'True'
}

/**
 * The list with the condition in it. Its lastTransitionTime is `now` (milliseconds) when the status changed and the old
 * one otherwise; an unchanged condition gives back the same list.
 */
export function setCondition<C extends Condition>(list: readonly C[] | undefined, next: C, now: number): readonly C[] {
  const conditions = list ?? []
  const old = findCondition(conditions, next.type)
  if (old && old.status === next.status && old.reason === next.reason && old.message === next.message) return conditions
  const lastTransitionTime = old?.status === next.status ? old.lastTransitionTime : timestamp(now)
  const stamped = { ...next, lastTransitionTime }
  return old ? conditions.map(other => (other === old ? stamped : other)) : [...conditions, stamped]
}

export function withoutCondition<C extends Condition>(list: readonly C[] | undefined, type: string): readonly C[] {
  return (list ?? []).filter(condition => condition.type !== type)
}
