/** What goes into rendering a chart and what comes out. Plain data but for `lookup`, so that it can cross to a worker. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Chart, JsonObject } from '../chart/chart.ts'

/** `.Capabilities`. */
export interface Capabilities {
  /** As /version says: "v1.36.3+skiff1". */
  readonly kubeVersion: string
  /** "v1", "apps/v1", "apps/v1/Deployment", ... */
  readonly apiVersions: readonly string[]
}

/** `.Release`. */
export interface ReleaseFacts {
  readonly name: string
  readonly namespace: string
  readonly revision: number
  readonly isInstall: boolean
  readonly isUpgrade: boolean
}

/** Arguments of the template function `lookup`; an empty name asks for a list, an empty namespace for all of them. */
export interface LookupQuery {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** Answers of `lookup` known so far; undefined means "not asked yet", null "there is no such object". */
export type Lookup = (query: LookupQuery) => JsonObject | null | undefined

export interface RenderRequest {
  readonly chart: Chart
  /** The user's values, merged already; the chart's own defaults are coalesced below them here. */
  readonly values: JsonObject
  readonly release: ReleaseFacts
  readonly capabilities: Capabilities
  readonly skipSchemaValidation?: boolean
}

/** One document of the release's manifest. */
export interface Manifest {
  /** "chart/templates/x.yaml", as in its "# Source:" line. */
  readonly source: string
  /** The document's text as rendered, without separator. */
  readonly text: string
  readonly object: KubeObject
}

export type HookEvent =
  | 'pre-install'
  | 'post-install'
  | 'pre-delete'
  | 'post-delete'
  | 'pre-upgrade'
  | 'post-upgrade'
  | 'pre-rollback'
  | 'post-rollback'
  | 'test'
export type HookDeletePolicy = 'before-hook-creation' | 'hook-succeeded' | 'hook-failed'

export interface HookManifest extends Manifest {
  readonly events: readonly HookEvent[]
  readonly weight: number
  readonly deletePolicies: readonly HookDeletePolicy[]
  readonly outputLogPolicies: readonly ('hook-succeeded' | 'hook-failed')[]
}

export interface Rendered {
  /** In install order; documents of comments only are in `manifest` alone. */
  readonly manifests: readonly Manifest[]
  /** In install order of kinds, as a release stores them. They are executed by weight, then name. */
  readonly hooks: readonly HookManifest[]
  /** Objects of crds/ of the chart and its enabled subcharts, in order. */
  readonly crds: readonly Manifest[]
  /** NOTES.txt of the chart, rendered; empty when there is none. */
  readonly notes: string
  /** The release's manifest as Helm stores it: every document behind "---" and "# Source:". */
  readonly manifest: string
}

/** Rendering either ends, or needs answers of `lookup` it has not got; the caller fetches these and renders again. */
export type RenderOutcome =
  | { readonly kind: 'rendered'; readonly rendered: Rendered }
  | { readonly kind: 'lookups'; readonly queries: readonly LookupQuery[] }
