/** The arguments of a Job's container: what klipper-helm hands on to helm. */
import { type HelmChart, isTerminating, specOf } from './helm-chart.ts'

export function jobArgs(chart: HelmChart): string[] {
  if (isTerminating(chart)) return ['delete']
  const { targetNamespace, createNamespace, takeOwnership, version, set = {} } = specOf(chart)
  return [
    'install',
    ...(targetNamespace ? ['--namespace', targetNamespace] : []),
    ...(createNamespace ? ['--create-namespace'] : []),
    ...(takeOwnership ? ['--take-ownership'] : []),
    ...(version ? ['--version', version] : []),
    ...Object.keys(set)
      .sort()
      .flatMap(path => setArgs(path, set[path]!)),
  ]
}

/** Numbers, booleans and null keep their type; anything else is a text, in which a comma is no separator. */
function setArgs(path: string, value: number | string): string[] {
  const typed = typeof value === 'number' || /^(?:true|false|null)$/i.test(value)
  return typed ? ['--set', `${path}=${value}`] : ['--set-string', `${path}=${value.replace(/\\*,/g, escapeComma)}`]
}

/** An even number of backslashes before a comma escapes each other, not the comma. */
function escapeComma(match: string): string {
  return match.length % 2 === 1 ? `\\${match}` : match
}
