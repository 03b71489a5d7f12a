/** What the labels of Helm's own records say of a chart's release. */
import type { Client } from '../../bootstrap/client/client.ts'
import { configMaps, secrets } from '../../bootstrap/client/resources.ts'
import { configHashKey, type HelmChart, releaseNamespace, specOf } from './helm-chart.ts'

export interface LatestRelease {
  /** 0 when there is none. */
  readonly revision: number
  readonly status: string
  /** Of the configuration it was made from, as far as a label can hold it. */
  readonly hash: string
}

/** The latest revision of the chart's release. */
export async function latestRelease(client: Client, chart: HelmChart): Promise<LatestRelease> {
  const options = { namespace: releaseNamespace(chart), labelSelector: `owner=helm,name=${chart.metadata.name}` }
  const { items } =
    specOf(chart).driver === 'configmap'
      ? await client.list(configMaps, options)
      : await client.list(secrets, { ...options, fieldSelector: 'type=helm.sh/release.v1' })
  let latest: LatestRelease = { revision: 0, status: '', hash: '' }
  for (const { metadata } of items) {
    const { version, status = '', [configHashKey]: hash = '' } = metadata.labels ?? {}
    const revision = Number(version)
    if (revision > latest.revision) latest = { revision, status, hash }
  }
  return latest
}
