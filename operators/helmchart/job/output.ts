/** What helm says when it is done, for the Job's log. */
import type { Release } from '../release/release.ts'

/** The summary after an install or upgrade. */
export function summary({ name, namespace, version, info, hooks = [] }: Release): string {
  const lines = [
    `NAME: ${name}`,
    `LAST DEPLOYED: ${ansiTime(info.last_deployed)}`,
    `NAMESPACE: ${namespace}`,
    `STATUS: ${info.status}`,
    `REVISION: ${version}`,
    `DESCRIPTION: ${info.description}`,
    ...(hooks.some(({ events }) => events.includes('test')) ? [] : ['TEST SUITE: None']),
  ]
  const notes = (info.notes ?? '').trim()
  return `${lines.join('\n')}\n${notes === '' ? '' : `NOTES:\n${notes}\n`}`
}

/** Go's ANSIC: "Fri Nov 20 14:10:57 2026". */
function ansiTime(time: string): string {
  const date = new Date(time)
  if (Number.isNaN(date.getTime())) return time
  const [, day, number, month, year, clock] = /^(\w+), (\d+) (\w+) (\d+) (\S+)/.exec(date.toUTCString()) ?? []
  return `${day} ${month} ${String(Number(number)).padStart(2)} ${clock} ${year}`
}
