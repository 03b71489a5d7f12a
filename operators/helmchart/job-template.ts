/** The Job of a HelmChart: K3s' pod, with the built-in module in place of the klipper-helm image unless one is asked for. */
import { formatDuration, parseDuration } from '../../bootstrap/api/time.ts'
import type {
  EnvVar,
  PodSecurityContext,
  PodSpec,
  SecurityContext,
  Toleration,
  Volume,
  VolumeMount,
} from '../../bootstrap/api/types.gen.ts'
import type { Job } from '../../bootstrap/client/resources.ts'
import {
  accountName,
  actionOf,
  chartLabel,
  contentName,
  type HelmChart,
  type HelmChartConfig,
  isTerminating,
  jobName,
  releaseNamespace,
  specOf,
} from './helm-chart.ts'
import { jobArgs } from './job-args.ts'
import type { ValuesFiles } from './values-files.ts'

export interface JobSettings {
  /** Image of Jobs whose chart names none; without it they run the embedded module. */
  readonly image: string | undefined
  readonly apiServerPort: number
  /** HTTP_PROXY and its like, as the server has them. */
  readonly proxies: { readonly [name: string]: string }
}

export const embeddedClass = 'embedded'
export const embeddedImage = 'embedded/helm'
/** What K3s runs. */
export const klipperImage = 'rancher/klipper-helm:v0.13.3-build20260727'
const defaultBackOffLimit = 1000

/** Throws Error with one line when a field of the chart cannot be used. */
export function jobOf(
  chart: HelmChart,
  config: HelmChartConfig | undefined,
  values: ValuesFiles,
  settings: JobSettings,
): Job {
  const { backOffLimit = defaultBackOffLimit } = specOf(chart)
  const labels = { [chartLabel]: chart.metadata.name ?? '' }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: jobName(chart, actionOf(chart)), namespace: chart.metadata.namespace, labels },
    spec: {
      suspend: true,
      backoffLimit: backOffLimit,
      template: { metadata: { annotations: {}, labels }, spec: podOf(chart, config, values, settings) },
    },
  }
}

const podContext: PodSecurityContext = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }
const containerContext: SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
}

function podOf(
  chart: HelmChart,
  config: HelmChartConfig | undefined,
  values: ValuesFiles,
  settings: JobSettings,
): PodSpec {
  const { bootstrap, jobImage = '', podSecurityContext, securityContext } = specOf(chart)
  const image = jobImage.trim() || settings.image
  const volumes = volumesOf(chart, values)
  return {
    restartPolicy: 'OnFailure',
    ...(image === undefined ? { runtimeClassName: embeddedClass } : {}),
    ...(bootstrap ? { hostNetwork: true, tolerations: bootstrapTolerations } : {}),
    nodeSelector: {
      'kubernetes.io/os': 'linux',
      ...(bootstrap ? { 'node-role.kubernetes.io/control-plane': 'true' } : {}),
    },
    priorityClassName: 'system-cluster-critical',
    serviceAccountName: accountName(chart),
    securityContext: podSecurityContext ?? podContext,
    containers: [
      {
        name: 'helm',
        image: image ?? embeddedImage,
        imagePullPolicy: 'IfNotPresent',
        args: jobArgs(chart),
        env: environmentOf(chart, config, settings),
        resources: { requests: { cpu: '100m', memory: '10M' } },
        securityContext: securityContext ?? containerContext,
        volumeMounts: volumes.map(({ mount }) => mount),
      },
    ],
    volumes: volumes.map(({ volume }) => volume),
  }
}

/** What a node's state may not keep a bootstrap chart from. */
const bootstrapTolerations: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/network-unavailable', effect: 'NoSchedule' },
  {
    key: 'node.cloudprovider.kubernetes.io/uninitialized',
    operator: 'Equal',
    value: 'true',
    effect: 'NoSchedule',
  },
  { key: 'CriticalAddonsOnly', operator: 'Exists' },
  { key: 'node-role.kubernetes.io/etcd', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
]

function environmentOf(chart: HelmChart, config: HelmChartConfig | undefined, settings: JobSettings): EnvVar[] {
  const spec = specOf(chart)
  const overrides = isTerminating(chart) ? undefined : config?.spec
  const variables = {
    NAME: chart.metadata.name ?? '',
    VERSION: spec.version ?? '',
    REPO: spec.repo ?? '',
    HELM_DRIVER: spec.driver || 'secret',
    CHART_NAMESPACE: chart.metadata.namespace ?? '',
    CHART: spec.repo ? `${chart.metadata.name}/${spec.chart ?? ''}` : (spec.chart ?? ''),
    HELM_VERSION: spec.helmVersion ?? '',
    TARGET_NAMESPACE: releaseNamespace(chart),
    AUTH_PASS_CREDENTIALS: String(spec.authPassCredentials ?? false),
    INSECURE_SKIP_TLS_VERIFY: String(spec.insecureSkipTLSVerify ?? false),
    PLAIN_HTTP: String(spec.plainHTTP ?? false),
    ...(spec.timeout === undefined || isTerminating(chart) ? {} : { TIMEOUT: durationText(spec.timeout) }),
    ...(spec.bootstrap
      ? {
          KUBERNETES_SERVICE_HOST: '127.0.0.1',
          KUBERNETES_SERVICE_PORT: String(settings.apiServerPort),
          BOOTSTRAP: 'true',
        }
      : {}),
    ...settings.proxies,
    FAILURE_POLICY: overrides?.failurePolicy || spec.failurePolicy || 'reinstall',
    SERVER_SIDE: overrides?.serverSide || spec.serverSide || 'auto',
    FORCE_CONFLICTS: String(overrides?.forceConflicts ?? spec.forceConflicts ?? false),
  }
  return Object.entries(variables).map(([name, value]) => ({ name, value }))
}

function durationText(timeout: string): string {
  const ms = parseDuration(timeout)
  if (ms === undefined)
    throw new Error(`spec.timeout: ${JSON.stringify(timeout)} is not a duration, want a text such as 90s, 10m or 1h30m`)
  return formatDuration(ms)
}

interface Mounted {
  readonly volume: Volume
  readonly mount: VolumeMount
}

function volumesOf(chart: HelmChart, values: ValuesFiles): Mounted[] {
  const { authSecret, dockerRegistrySecret, repoCAConfigMap } = specOf(chart)
  const name = (reference: { readonly name?: string }) => reference.name ?? ''
  return [
    memory('klipper-helm', '/home/klipper-helm/.helm'),
    memory('klipper-cache', '/home/klipper-helm/.cache'),
    memory('klipper-config', '/home/klipper-helm/.config'),
    memory('tmp', '/tmp'),
    ...(authSecret ? [mounted('auth', '/auth', { secret: { defaultMode: 0o644, secretName: name(authSecret) } })] : []),
    ...(dockerRegistrySecret
      ? [
          mounted('dockerconfig', '/home/klipper-helm/.docker', {
            secret: {
              defaultMode: 0o644,
              secretName: name(dockerRegistrySecret),
              items: [{ key: '.dockerconfigjson', path: 'config.json' }],
            },
          }),
        ]
      : []),
    ...(repoCAConfigMap
      ? [mounted('ca-files', '/ca-files', { configMap: { defaultMode: 0o644, name: name(repoCAConfigMap) } })]
      : []),
    ...(isTerminating(chart)
      ? []
      : [
          mounted('values', '/config', { projected: { defaultMode: 0o644, sources: values.sources } }),
          mounted('content', '/chart', { configMap: { defaultMode: 0o644, name: contentName(chart) } }),
        ]),
  ]
}

const mounted = (name: string, mountPath: string, source: Omit<Volume, 'name'>): Mounted => ({
  volume: { name, ...source },
  mount: { name, mountPath },
})
const memory = (name: string, path: string): Mounted => mounted(name, path, { emptyDir: { medium: 'Memory' } })
