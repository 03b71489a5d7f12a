/** Everything a HelmChart needs beside it: the Job and what the Job reads and may do. */
import { createHash } from 'node:crypto'
import type { ClusterRoleBinding, ConfigMap, Job, Secret, ServiceAccount } from '../../bootstrap/client/resources.ts'
import { controllerReference } from '../runtime/apply.ts'
import {
  accountName,
  bindingName,
  configHashKey,
  contentName,
  type HelmChart,
  type HelmChartConfig,
  isTerminating,
  specOf,
  valuesSecretName,
} from './helm-chart.ts'
import { type JobSettings, jobOf } from './job-template.ts'
import { valuesFiles } from './values-files.ts'

export interface Desired {
  /** Without what is only known when it is created: the expected revision. */
  readonly job: Job
  /** As the label of the release has it. */
  readonly configHash: string
  readonly account: ServiceAccount
  readonly binding: ClusterRoleBinding
  /** Not needed to uninstall. */
  readonly values: Secret | undefined
  readonly content: ConfigMap | undefined
}

const longestLabel = 63

/** `secrets` are those the chart and its config refer to and whose changes count. Throws Error for a field of no use. */
export function desiredFor(
  chart: HelmChart,
  config: HelmChartConfig | undefined,
  secrets: readonly Secret[],
  settings: JobSettings,
): Desired {
  const files = valuesFiles(chart, config)
  const job = jobOf(chart, config, files, settings)
  const values = isTerminating(chart) ? undefined : valuesSecret(chart, files.data)
  const content = isTerminating(chart) ? undefined : contentMap(chart)
  const hash = hashOf(job, [content?.data, values?.data, ...secrets.map(({ data }) => data)])
  return {
    job: withHash(owned(job, chart), hash),
    configHash: hash.slice(0, longestLabel),
    account: owned(account(chart), chart),
    binding: binding(chart),
    values: values && owned(values, chart),
    content: content && owned(content, chart),
  }
}

/** The Job as it is created: its pod acts only on the revision that was the last one when this was decided. */
export function expecting(desired: Desired, revision: number): Job {
  const { job, configHash } = desired
  const { template } = job.spec
  const added = [
    { name: 'EXPECTED_RELEASE_REVISION', value: String(revision) },
    { name: 'CONFIG_HASH', value: configHash },
  ]
  const containers = template.spec!.containers.map(container => ({
    ...container,
    env: [...(container.env ?? []), ...added],
  }))
  return {
    ...job,
    spec: { ...job.spec, template: { ...template, spec: { ...template.spec!, containers } } },
  }
}

export const hashOfJob = (job: Job): string | undefined => job.spec.template.metadata?.annotations?.[configHashKey]

/** "SHA256=..." of everything that decides what the Job does. */
function hashOf(job: Job, data: readonly ({ readonly [key: string]: string } | undefined)[]): string {
  const hash = createHash('sha256')
  hash.update(`${job.spec.backoffLimit}${JSON.stringify(job.spec.template)}`)
  for (const map of data) for (const key of Object.keys(map ?? {}).sort()) hash.update(`${key}${map![key]}`)
  return hash.digest('hex').toUpperCase()
}

function withHash(job: Job, hash: string): Job {
  const { template } = job.spec
  const annotations = { [configHashKey]: `SHA256=${hash}` }
  return { ...job, spec: { ...job.spec, template: { ...template, metadata: { ...template.metadata, annotations } } } }
}

/** Goes when the chart goes. */
function owned<T extends Job | Secret | ConfigMap | ServiceAccount>(object: T, chart: HelmChart): T {
  return { ...object, metadata: { ...object.metadata, ownerReferences: [controllerReference(chart)] } }
}

const place = (chart: HelmChart, name: string) => ({ name, namespace: chart.metadata.namespace })

function valuesSecret(chart: HelmChart, data: NonNullable<Secret['data']>): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: place(chart, valuesSecretName(chart)),
    type: 'helmcharts.helm.cattle.io/values',
    data,
  }
}

function contentMap(chart: HelmChart): ConfigMap {
  const { chartContent } = specOf(chart)
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: place(chart, contentName(chart)),
    data: chartContent ? { [`${chart.metadata.name}.tgz.base64`]: chartContent } : {},
  }
}

function account(chart: HelmChart): ServiceAccount {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: place(chart, accountName(chart)),
    automountServiceAccountToken: true,
  }
}

/** Cluster-scoped, so it cannot be owned by the chart: the operator deletes it. */
function binding(chart: HelmChart): ClusterRoleBinding {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: bindingName(chart) },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name: accountName(chart), namespace: chart.metadata.namespace }],
  }
}
