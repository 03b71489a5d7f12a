/** A Helm release as its storage Secret holds it, field for field: the real Helm reads what Skiff wrote and the reverse. */
import type { Chart, ChartMetadata, JsonObject } from '../chart/chart.ts'
import type { HookDeletePolicy, HookEvent } from '../render/rendered.ts'

export type ReleaseStatus =
  | 'unknown'
  | 'deployed'
  | 'uninstalled'
  | 'superseded'
  | 'failed'
  | 'uninstalling'
  | 'pending-install'
  | 'pending-upgrade'
  | 'pending-rollback'

export interface ReleaseHook {
  readonly name: string
  readonly kind: string
  readonly path: string
  readonly manifest: string
  readonly events: readonly HookEvent[]
  readonly last_run: {
    readonly started_at: string
    readonly completed_at: string
    readonly phase: '' | 'Unknown' | 'Running' | 'Succeeded' | 'Failed'
  }
  readonly weight?: number
  readonly delete_policies?: readonly HookDeletePolicy[]
  readonly output_log_policies?: readonly string[]
}

export interface Release {
  readonly name: string
  readonly namespace: string
  /** The revision, from 1. */
  readonly version: number
  readonly info: {
    readonly first_deployed: string
    readonly last_deployed: string
    readonly deleted: string
    readonly description: string
    readonly status: ReleaseStatus
    readonly notes?: string
  }
  readonly chart: {
    readonly metadata: ChartMetadata
    readonly lock: JsonObject | null
    readonly templates: readonly { readonly name: string; readonly data: string }[] | null
    readonly values: JsonObject | null
    readonly schema: string | null
    readonly files: readonly { readonly name: string; readonly data: string }[] | null
  }
  /** The user's values. */
  readonly config?: JsonObject
  readonly manifest: string
  readonly hooks?: readonly ReleaseHook[]
  /** "ssa" or "csa", since Helm 4. */
  readonly apply_method?: string
  /** Labels of the storage Secret beyond Helm's own; not part of the stored JSON. */
  readonly labels?: { readonly [name: string]: string }
}

export type ServerSide = 'true' | 'false' | 'auto'

export interface ActionOptions {
  readonly name: string
  readonly namespace: string
  /** Default 5 minutes. Bounds hooks and waiting. */
  readonly timeoutMs?: number
  /** Wait until what was applied is ready. */
  readonly wait?: boolean
  /** Where waited for at all, wait for Jobs until they have completed. */
  readonly waitForJobs?: boolean
  readonly skipHooks?: boolean
  readonly description?: string
}

export interface DeployOptions extends ActionOptions {
  readonly chart: Chart
  readonly values: JsonObject
  readonly labels?: { readonly [name: string]: string }
  /** On failure: an install is uninstalled, an upgrade rolled back. */
  readonly atomic?: boolean
  readonly takeOwnership?: boolean
  readonly serverSide?: ServerSide
  readonly forceConflicts?: boolean
  readonly skipCrds?: boolean
}

/** What can be done to a release. Every action rejects with an Error whose message is Helm's own. */
export interface ReleaseActions {
  /** Revisions of a release, oldest first. */
  history(name: string, namespace: string): Promise<Release[]>
  /** The last revision of every release of a namespace, or of all when it is empty. */
  list(namespace: string): Promise<Release[]>
  install(options: DeployOptions & { readonly createNamespace?: boolean }): Promise<Release>
  upgrade(options: DeployOptions & { readonly maxHistory?: number; readonly resetValues?: boolean }): Promise<Release>
  /** To `revision`, or to the one before. */
  rollback(options: ActionOptions & { readonly revision?: number; readonly serverSide?: ServerSide }): Promise<Release>
  /** Resolves with nothing when there is no such release. */
  uninstall(options: ActionOptions & { readonly keepHistory?: boolean }): Promise<Release | undefined>
  test(options: ActionOptions): Promise<Release>
  /** Writes the status of the last revision; how an interrupted action is declared failed. */
  setStatus(name: string, namespace: string, status: ReleaseStatus, description?: string): Promise<void>
}
