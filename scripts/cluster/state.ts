/** What is known of clusters that are up: a folder each, with what their keeper wrote there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Summary {
  readonly name: string
  /** The keeper. */
  readonly pid: number
  readonly kubeconfig: string
  /** The folder of the nodes' logs, HOST.log each, and of the keeper's, log. */
  readonly logs: string
  /** For nodes that join, from inside. */
  readonly url: string
  readonly token: string
  readonly machines: readonly {
    readonly node: string
    readonly address: string
    readonly data: string
    /** The command for a shell on it. */
    readonly enter: string
  }[]
  readonly ports: readonly { readonly host: number; readonly cluster: number }[]
}

const root = process.env.SKIFF_CLUSTERS ?? '/run/skiff-clusters'

export const stateDir = (name: string): string => join(root, name)
export const summaryFile = (name: string): string => join(stateDir(name), 'summary.json')

/** One cluster, or all. */
export function known(name: string): Summary | undefined
export function known(): Summary[]
export function known(name?: string): Summary | Summary[] | undefined {
  if (name !== undefined)
    return existsSync(summaryFile(name)) ? (JSON.parse(readFileSync(summaryFile(name), 'utf8')) as Summary) : undefined
  if (!existsSync(root)) return []
  return readdirSync(root).flatMap(entry => known(entry) ?? [])
}

/** Whether its keeper lives; a number may have gone to another program since. */
export function isRunning(name: string): boolean {
  const summary = known(name)
  if (!summary) return false
  try {
    return readFileSync(`/proc/${summary.pid}/cmdline`, 'utf8').includes('cluster/keeper.ts')
  } catch {
    return false
  }
}
