/** What makes a plan one that can be applied (upstream pkg/upgrade/plan Validate). */

import { labelSelectorOf } from '../../bootstrap/api/selectors.ts'
import { parseDuration } from '../../bootstrap/api/time.ts'
import type { Secret } from '../../bootstrap/client/resources.ts'
import { type Plan, planLabel } from './plan.ts'
import { parseWindow } from './window.ts'

/** Finds a Secret in the plan's namespace. */
export type FindSecret = (name: string) => Secret | undefined

/** Of what follows the slash in a label. */
const longestName = 63

/** What is wrong with the plan, in upstream's words; undefined when nothing is. */
export function planProblem({ metadata, spec }: Plan, findSecret: FindSecret): string | undefined {
  return (
    nameProblem(metadata.name ?? '') ??
    imageProblem(spec) ??
    drainProblem(spec.drain) ??
    windowProblem(spec.window) ??
    delayProblem(spec.postCompleteDelay) ??
    secretsProblem(spec.secrets, findSecret)
  )
}

/** Nodes and Jobs are labelled with it. */
function nameProblem(name: string): string | undefined {
  if (name.length <= longestName) return undefined
  return `metadata.name has ${name.length} characters, want at most ${longestName}: nodes get the label ${planLabel('NAME')}`
}

function imageProblem({ prepare, upgrade }: Plan['spec']): string | undefined {
  if (upgrade.image === '') return 'spec.upgrade.image is empty'
  return prepare?.image === '' ? 'spec.prepare.image is empty' : undefined
}

function drainProblem(drain: Plan['spec']['drain']): string | undefined {
  if (drain === undefined) return undefined
  if (drain.deleteEmptydirData !== undefined && drain.deleteLocalData !== undefined)
    return 'spec.drain cannot specify both deleteEmptydirData and deleteLocalData'
  if (typeof drain.timeout === 'string' && parseDuration(drain.timeout) === undefined)
    return `spec.drain.timeout: ${JSON.stringify(drain.timeout)} is not a duration, want a text such as 90s, 10m or 1h30m`
  if (drain.podSelector === undefined) return undefined
  const problem = problemOf(() => labelSelectorOf(drain.podSelector))
  return problem === undefined ? undefined : `spec.drain.podSelector: ${problem}`
}

function windowProblem(window: Plan['spec']['window']): string | undefined {
  if (window === undefined) return undefined
  // Upstream takes it, and waits for ever.
  const isNever = window.days === undefined || window.days.length === 0
  const problem = isNever ? 'days are missing, so it would never be open' : problemOf(() => parseWindow(window))
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
