/** Where a chart's archive comes from, and getting it from there. */

import type { DockerConfig } from './docker-config.ts'
import { fetchFromRegistry } from './oci.ts'
import { type Credentials, fetchArchive, fetchFromRepository } from './repository.ts'
import { createTransport, type TransportOptions } from './transport.ts'

export type ChartSource =
  /** An archive (.tgz) in base64. */
  | { readonly kind: 'content'; readonly base64: string }
  | { readonly kind: 'url'; readonly url: string }
  /** `reference` is "oci://host/path", with a tag or digest if need be. */
  | { readonly kind: 'oci'; readonly reference: string; readonly version: string }
  | { readonly kind: 'repository'; readonly repo: string; readonly chart: string; readonly version: string }

export interface FetchedChart {
  readonly archive: Buffer
  /** For people. */
  readonly from: string
  readonly version?: string
  /** Of what a registry has. */
  readonly digest?: string
}

export interface Access {
  /** For a repository. */
  readonly credentials?: Credentials | undefined
  /** For registries. */
  readonly docker?: DockerConfig | undefined
  readonly plainHttp?: boolean | undefined
}

const legacyStable = 'https://charts.helm.sh/stable'

/** What `spec.chart`, `spec.repo` and `spec.version` mean. Throws Error with one line when they mean nothing. */
export function chartSource(chart: string, repo: string, version: string): ChartSource {
  if (/^https?:\/\//.test(chart)) return { kind: 'url', url: chart }
  if (chart.startsWith('oci://')) return { kind: 'oci', reference: chart, version }
  if (repo.startsWith('oci://')) return { kind: 'oci', reference: `${repo.replace(/\/+$/, '')}/${chart}`, version }
  if (repo !== '') return { kind: 'repository', repo, chart, version }
  if (chart.startsWith('stable/'))
    return { kind: 'repository', repo: legacyStable, chart: chart.slice('stable/'.length), version }
  throw new Error(
    `chart ${JSON.stringify(chart)} is not a URL and there is no repo: set spec.repo, or spec.chart to https://... or oci://...`,
  )
}

/** Rejects with Error, one line that says what could not be had from where and why. */
export async function fetchChart(
  source: ChartSource,
  access: Access,
  options: TransportOptions,
): Promise<FetchedChart> {
  if (source.kind === 'content') return { archive: Buffer.from(source.base64, 'base64'), from: 'chartContent' }
  const transport = createTransport(options)
  try {
    switch (source.kind) {
      case 'url':
        return await fetchArchive(source.url, transport)
      case 'oci':
        return await fetchFromRegistry(source.reference, source.version, access, transport)
      case 'repository':
        return await fetchFromRepository(source, access.credentials, transport)
    }
  } finally {
    transport.close()
  }
}
