/** The arguments of kubectl's drain, cordon and uncordon that make sense for one node. */
import { type LabelSelector, parseLabelSelector } from '../../../bootstrap/api/selectors.ts'
import { parseDuration } from '../../../bootstrap/api/time.ts'

export interface DrainOptions {
  readonly podSelector: string
  readonly ignoreDaemonSets: boolean
  readonly deleteEmptyDirData: boolean
  readonly force: boolean
  readonly disableEviction: boolean
  /** 0: for ever. */
  readonly timeoutMs: number
  /** Negative: each pod's own. */
  readonly gracePeriodSeconds: number
  /** 0: wait for every pod. */
  readonly skipWaitForDeleteTimeoutSeconds: number
}

export type Command =
  | { readonly kind: 'drain'; readonly node: string; readonly options: DrainOptions }
  | { readonly kind: 'cordon' | 'uncordon'; readonly node: string }

const flags = new Map<string, 'boolean' | 'text'>([
  ['pod-selector', 'text'],
  ['ignore-daemonsets', 'boolean'],
  ['delete-emptydir-data', 'boolean'],
  ['delete-local-data', 'boolean'],
  ['force', 'boolean'],
  ['disable-eviction', 'boolean'],
  ['timeout', 'text'],
  ['grace-period', 'text'],
  ['skip-wait-for-delete-timeout', 'text'],
])

/** Throws Error with one line for anything else. */
export function parseCommand(args: readonly string[]): Command {
  const [kind = '', ...rest] = args
  if (kind !== 'drain' && kind !== 'cordon' && kind !== 'uncordon')
    throw new Error(`unknown command "${kind}", want drain, cordon or uncordon`)
  const { values, names } = split(rest)
  const [node, ...more] = names
  if (node === undefined || more.length > 0) throw new Error(`USAGE: ${kind} NODE [flags]`)
  if (kind === 'drain') return { kind, node, options: optionsOf(values) }
  const [flag] = values.keys()
  if (flag !== undefined) throw new Error(`unknown flag: --${flag}`)
  return { kind, node }
}

function split(args: readonly string[]): { values: Map<string, string>; names: string[] } {
  const values = new Map<string, string>()
  const names: string[] = []
  const left = [...args]
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    const [, name, value] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === undefined) {
      names.push(arg)
      continue
    }
    const kind = flags.get(name)
    if (kind === undefined) throw new Error(`unknown flag: --${name}`)
    const given = value ?? (kind === 'boolean' ? 'true' : left.shift())
    if (given === undefined) throw new Error(`flag needs an argument: --${name}`)
    values.set(name, given)
  }
  return { values, names }
}

function optionsOf(values: ReadonlyMap<string, string>): DrainOptions {
  const flag = (name: string): boolean => {
    const text = values.get(name) ?? 'false'
    if (/^(1|t|true)$/i.test(text)) return true
    if (/^(0|f|false)$/i.test(text)) return false
    throw invalid(name, text, 'true or false')
  }
  const number = (name: string, otherwise: number): number => {
    const text = values.get(name)
    if (text === undefined) return otherwise
    if (!/^[+-]?\d+$/.test(text)) throw invalid(name, text, 'a number')
    return Number(text)
  }
  const timeout = values.get('timeout') ?? '0s'
  const timeoutMs = parseDuration(timeout)
  if (timeoutMs === undefined) throw invalid('timeout', timeout, 'a duration such as 90s or 10m')
  const podSelector = values.get('pod-selector') ?? ''
  selectorOf(podSelector)
  return {
    podSelector,
    ignoreDaemonSets: flag('ignore-daemonsets'),
    deleteEmptyDirData: flag('delete-emptydir-data') || flag('delete-local-data'),
    force: flag('force'),
    disableEviction: flag('disable-eviction'),
    timeoutMs,
    gracePeriodSeconds: number('grace-period', -1),
    skipWaitForDeleteTimeoutSeconds: number('skip-wait-for-delete-timeout', 0),
  }
}

const invalid = (name: string, text: string, want: string): Error =>
  new Error(`invalid argument ${JSON.stringify(text)} for "--${name}" flag: want ${want}`)

function selectorOf(text: string): LabelSelector {
  try {
    return parseLabelSelector(text)
  } catch {
    throw new Error('--pod-selector=<pod_selector> must be a valid label selector')
  }
}
