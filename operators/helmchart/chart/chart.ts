/** A Helm chart in memory: what a chart archive holds once it is read. Plain data, so that it can cross to a worker. */

/**
 * A number is a float64, as in values files; a bigint an int64, which only `--set` makes: `--set port=80` prints differently
 * from a values file. `stringifyValues` of values.ts writes both as JSON.
 */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** A file of a chart; its name is relative to the chart's own root, with forward slashes. */
export interface ChartFile {
  readonly name: string
  readonly data: Uint8Array
}

/** `dependencies` of Chart.yaml. */
export interface ChartDependency {
  readonly name: string
  readonly version?: string
  readonly repository?: string
  readonly condition?: string
  readonly tags?: readonly string[]
  readonly enabled?: boolean
  readonly 'import-values'?: readonly (string | { readonly child: string; readonly parent: string })[]
  readonly alias?: string
}

/** Chart.yaml. */
export interface ChartMetadata {
  readonly name: string
  readonly version: string
  readonly apiVersion: string
  readonly appVersion?: string
  readonly description?: string
  readonly type?: string
  readonly kubeVersion?: string
  readonly deprecated?: boolean
  readonly condition?: string
  readonly tags?: string
  readonly home?: string
  readonly icon?: string
  readonly sources?: readonly string[]
  readonly keywords?: readonly string[]
  readonly maintainers?: readonly { readonly name?: string; readonly email?: string; readonly url?: string }[]
  readonly annotations?: { readonly [name: string]: string }
  readonly dependencies?: readonly ChartDependency[]
}

export interface Chart {
  readonly metadata: ChartMetadata
  /** values.yaml, parsed the way Helm does: every number a float64. */
  readonly values: JsonObject
  /** values.schema.json. */
  readonly schema?: Uint8Array
  /** Chart.lock. */
  readonly lock?: JsonObject
  /** Everything below templates/, names including that folder. */
  readonly templates: readonly ChartFile[]
  /** The other files, crds/ among them. */
  readonly files: readonly ChartFile[]
  /** Subcharts of charts/, each complete. */
  readonly dependencies: readonly Chart[]
}
