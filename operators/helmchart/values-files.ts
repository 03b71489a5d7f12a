/** A chart's values as files of the Job's pod, named so that their order is their precedence. */
import type { Secret, SecretProjection } from '../../bootstrap/api/types.gen.ts'
import { formatYaml } from '../../bootstrap/api/yaml.ts'
import { type HelmChart, type HelmChartConfig, specOf, type ValuesSecret, valuesSecretName } from './helm-chart.ts'

export interface ValuesFiles {
  /** The data of the Secret chart-values-NAME. */
  readonly data: NonNullable<Secret['data']>
  /** The sources of the volume below /config. */
  readonly sources: readonly { readonly secret: SecretProjection }[]
}

/** The file below /config with the certificates of spec.repoCA. */
export const repoCaFile = 'ca-file.pem'

interface Entry {
  readonly key: string
  readonly path: string
  readonly text: string
}

export function valuesFiles(chart: HelmChart, config: HelmChartConfig | undefined): ValuesFiles {
  const { repoCA } = specOf(chart)
  const entries = [
    ...valuesEntries('HelmChart', 0, chart.spec),
    ...(repoCA ? [{ key: 'RepoCA', path: repoCaFile, text: repoCA }] : []),
    ...valuesEntries('HelmChartConfig', 1, config?.spec),
  ]
  const own = valuesSecretName(chart)
  return {
    data: Object.fromEntries(entries.map(({ key, text }) => [key, Buffer.from(text).toString('base64')])),
    sources: [
      { secret: { name: own, items: entries.map(({ key, path }) => ({ key, path })) } },
      ...secretSources('HelmChart', 0, own, specOf(chart).valuesSecrets),
      ...secretSources('HelmChartConfig', 1, own, config?.spec?.valuesSecrets),
    ],
  }
}

function valuesEntries(
  kind: string,
  rank: number,
  spec: { readonly values?: unknown; readonly valuesContent?: string } | undefined,
): Entry[] {
  const { values, valuesContent } = spec ?? {}
  const path = (number: string, what: string) => `values-${rank}-${number}-${kind}-${what}.yaml`
  return [
    ...(valuesContent
      ? [{ key: `${kind}ValuesContent`, path: path('000', 'ValuesContent'), text: valuesContent }]
      : []),
    ...(values === undefined || values === null
      ? []
      : [{ key: `${kind}Values`, path: path('001', 'Values'), text: formatYaml(sorted(values)) }]),
  ]
}

function secretSources(
  kind: string,
  rank: number,
  own: string,
  secrets: readonly ValuesSecret[] = [],
): { readonly secret: SecretProjection }[] {
  let number = 1
  return secrets
    .filter(({ name, keys = [] }) => keys.length > 0 && name !== own)
    .map(({ name = '', keys = [], ignoreUpdates = false }) => ({
      secret: {
        name,
        optional: ignoreUpdates,
        items: keys.map(key => {
          const place = String(++number).padStart(3, '0')
          return { key, path: `values-${rank}-${place}-${kind}-ValuesSecret.yaml` }
        }),
      },
    }))
}

/** The same values give the same text, in whichever order their keys were written. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, child]) => [key, sorted(child)]))
}
