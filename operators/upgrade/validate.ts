/** What makes a plan one that can be applied (upstream pkg/upgrade/plan Validate). */

import { labelSelectorOf } from '../../bootstrap/api/selectors.ts'
import { parseDuration } from '../../bootstrap/api/time.ts'
import type { Secret } from '../../bootstrap/client/resources.ts'
import type { Plan } from './plan.ts'
import { parseWindow } from './window.ts'

/** Finds a Secret in the plan's namespace. */
export type FindSecret = (name: string) => Secret | undefined

/** What is wrong with the plan, in upstream's words; undefined when nothing is. */
export function planProblem({ spec }: Plan, findSecret: FindSecret): string | undefined {
  return (
    drainProblem(spec.drain) ??
    windowProblem(spec.window) ??
    delayProblem(spec.postCompleteDelay) ??
    secretsProblem(spec.secrets, findSecret)
  )
}

function drainProblem(drain: Plan['spec']['drain']): string | undefined {
  if (drain === undefined) return undefined
  if (drain.deleteEmptydirData !== undefined && drain.deleteLocalData !== undefined)
    return 'spec.drain cannot specify both deleteEmptydirData and deleteLocalData'
  if (typeof drain.timeout === 'string' && parseDuration(drain.timeout) === undefined)
    return `spec.drain.timeout: ${JSON.stringify(drain.timeout)} is not a duration, want a text such as 90s, 10m or 1h30m`
  if (drain.podSelector === undefined) return undefined
  return problemOf(() => labelSelectorOf(drain.podSelector))
}

function windowProblem(window: Plan['spec']['window']): string | undefined {
  if (window === undefined) return undefined
  const problem = problemOf(() => parseWindow(window))
  return problem === undefined ? undefined : `spec.window is invalid, ${problem}`
}

function delayProblem(delay: string | undefined): string | undefined {
  if (delay === undefined) return undefined
  const ms = parseDuration(delay)
  if (ms === undefined)
    return `spec.postCompleteDelay: ${JSON.stringify(delay)} is not a duration, want a text such as 90s, 10m or 1h30m`
  return ms < 0 ? 'spec.postCompleteDelay is negative' : undefined
}

function secretsProblem(secrets: Plan['spec']['secrets'], find: FindSecret): string | undefined {
  const missing = (secrets ?? []).filter(({ name, ignoreUpdates }) => ignoreUpdates !== true && !find(name))
  return missing.length === 0 ? undefined : missing.map(({ name }) => `secrets "${name}" not found`).join(', ')
}

function problemOf(attempt: () => unknown): string | undefined {
  try {
    attempt()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
