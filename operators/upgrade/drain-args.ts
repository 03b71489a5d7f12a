/** A plan's drain as arguments of kubectl (upstream pkg/upgrade/job). */
import { labelSelectorFrom, labelSelectorOf, parseLabelSelector } from '../../bootstrap/api/selectors.ts'
import { formatDuration } from '../../bootstrap/api/time.ts'
import { type DrainSpec, label } from './plan.ts'

export function drainArgs(drain: DrainSpec, node: string): readonly string[] {
  const { ignoreDaemonSets = true, deleteLocalData = true, deleteEmptydirData = true } = drain
  const { timeout, gracePeriod, skipWaitForDeleteTimeout = 0 } = drain
  return [
    'drain',
    node,
    '--pod-selector',
    podSelector(drain),
    ...(ignoreDaemonSets ? ['--ignore-daemonsets'] : []),
    ...(deleteLocalData && deleteEmptydirData ? ['--delete-emptydir-data'] : []),
    ...(drain.force ? ['--force'] : []),
    ...(timeout === undefined ? [] : ['--timeout', timeoutText(timeout)]),
    ...(gracePeriod === undefined ? [] : ['--grace-period', String(gracePeriod)]),
    ...(drain.disableEviction ? ['--disable-eviction=true'] : []),
    ...(skipWaitForDeleteTimeout > 0 ? ['--skip-wait-for-delete-timeout', String(skipWaitForDeleteTimeout)] : []),
  ]
}

/** Pods that upgrade are never drained. */
function podSelector({ podSelector }: DrainSpec): string {
  const notOurs = parseLabelSelector(`!${label.controller}`).requirements
  const wanted = podSelector === undefined ? [] : labelSelectorOf(podSelector).requirements
  return labelSelectorFrom([...notOurs, ...wanted]).text
}

/** A number is nanoseconds. */
const timeoutText = (timeout: number | string): string =>
  typeof timeout === 'string' ? timeout : formatDuration(timeout / 1e6)
