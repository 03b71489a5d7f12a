/** HelmChart and HelmChartConfig (helm.cattle.io/v1) and the names K3s' users know from them. */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { PodSecurityContext, SecurityContext } from '../../bootstrap/api/types.gen.ts'
import { namespaced } from '../../bootstrap/client/resources.ts'

export interface ValuesSecret {
  readonly name?: string
  readonly keys?: readonly string[]
  readonly ignoreUpdates?: boolean
}

export type FailurePolicy = 'reinstall' | 'abort' | 'retry'
export type ServerSide = 'true' | 'false' | 'auto'
type Reference = { readonly name?: string }

export interface HelmChartSpec {
  readonly targetNamespace?: string
  readonly createNamespace?: boolean
  readonly chart?: string
  readonly version?: string
  readonly repo?: string
  readonly repoCA?: string
  readonly repoCAConfigMap?: Reference
  readonly set?: { readonly [path: string]: number | string }
  readonly values?: unknown
  readonly valuesContent?: string
  readonly valuesSecrets?: readonly ValuesSecret[]
  readonly helmVersion?: string
  readonly bootstrap?: boolean
  readonly takeOwnership?: boolean
  readonly serverSide?: ServerSide
  readonly forceConflicts?: boolean
  readonly chartContent?: string
  readonly jobImage?: string
  readonly backOffLimit?: number
  readonly timeout?: string
  readonly failurePolicy?: FailurePolicy
  readonly authSecret?: Reference
  readonly authPassCredentials?: boolean
  readonly insecureSkipTLSVerify?: boolean
  readonly plainHTTP?: boolean
  readonly dockerRegistrySecret?: Reference
  readonly podSecurityContext?: PodSecurityContext
  readonly securityContext?: SecurityContext
  readonly driver?: 'secret' | 'configmap'
}

/** Without timestamps, as K3s has them. */
export interface HelmChartCondition {
  readonly type: 'JobCreated' | 'Failed'
  readonly status: 'True' | 'False'
  readonly reason?: string
  readonly message?: string
}

export interface HelmChartStatus {
  readonly jobName?: string
  readonly conditions?: readonly HelmChartCondition[]
}

export interface HelmChart extends KubeObject {
  readonly spec?: HelmChartSpec
  readonly status?: HelmChartStatus
}

export interface HelmChartConfig extends KubeObject {
  readonly spec?: {
    readonly values?: unknown
    readonly valuesContent?: string
    readonly valuesSecrets?: readonly ValuesSecret[]
    readonly failurePolicy?: FailurePolicy
    readonly serverSide?: ServerSide
    readonly forceConflicts?: boolean
  }
}

export const helmCharts = namespaced<HelmChart>('helm.cattle.io', 'v1', 'helmcharts', 'HelmChart')
export const helmChartConfigs = namespaced<HelmChartConfig>(
  'helm.cattle.io',
  'v1',
  'helmchartconfigs',
  'HelmChartConfig',
)

export const controllerName = 'helm-controller'
export const finalizer = 'wrangler.cattle.io/on-helm-chart-remove'
export const annotation = {
  managedBy: 'helmcharts.cattle.io/managed-by',
  unmanaged: 'helmcharts.helm.cattle.io/unmanaged',
  chartUrl: 'helm.cattle.io/chart-url',
} as const
/** An annotation of the Job's pods, and a label of the release they made. */
export const configHashKey = 'helmcharts.helm.cattle.io/configHash'
export const chartLabel = 'helmcharts.helm.cattle.io/chart'

export type Action = 'install' | 'delete'

export const specOf = (chart: HelmChart): HelmChartSpec => chart.spec ?? {}
export const isTerminating = (chart: HelmChart): boolean => chart.metadata.deletionTimestamp !== undefined
export const actionOf = (chart: HelmChart): Action => (isTerminating(chart) ? 'delete' : 'install')
export const jobName = (chart: HelmChart, action: Action): string => `helm-${action}-${chart.metadata.name}`
export const valuesSecretName = (chart: HelmChart): string => `chart-values-${chart.metadata.name}`
export const contentName = (chart: HelmChart): string => `chart-content-${chart.metadata.name}`
export const accountName = (chart: HelmChart): string => `helm-${chart.metadata.name}`
export const bindingName = (chart: HelmChart): string => `helm-${chart.metadata.namespace}-${chart.metadata.name}`
/** Where the release is. */
export const releaseNamespace = (chart: HelmChart): string =>
  specOf(chart).targetNamespace || (chart.metadata.namespace ?? '')

/** Secrets whose changes make a new release. */
export function watchedSecrets(object: HelmChart | HelmChartConfig): string[] {
  const own = `chart-values-${object.metadata.name}`
  return (object.spec?.valuesSecrets ?? [])
    .filter(({ name, ignoreUpdates }) => name !== undefined && name !== own && ignoreUpdates !== true)
    .map(({ name }) => name!)
}

/** For people: what is installed from where. */
export function sourceText(chart: HelmChart): string {
  const { chartContent, chart: name = '', version, repo } = specOf(chart)
  const url = chart.metadata.annotations?.[annotation.chartUrl]
  if (chartContent) return url ? `inline spec.chartContent from ${url}` : 'inline spec.chartContent'
  if (name.startsWith('oci://'))
    return `${version ? `version ${version}` : 'latest stable version'} from OCI registry ${name}`
  if (name.includes('://')) return name
  return version
    ? `${name} version ${version} from chart repository ${repo ?? ''}`
    : `latest stable version of ${name} from chart repository ${repo ?? ''}`
}
