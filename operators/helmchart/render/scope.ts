/** What a template's dot holds: .Values, .Chart, .Release, .Capabilities, .Files, .Subcharts, .Template. */
import type { Chart, ChartMetadata, JsonValue } from '../chart/chart.ts'
import { isTable, type Table, tableAt } from '../chart/tables.ts'
import { textOf } from '../template/bytes.ts'
import { GoInteger, type GoMap, type GoType, type GoValue, typed, types } from '../template/values.ts'
import { capabilitiesValue } from './capabilities.ts'
import { filesValue, type ToYaml } from './files.ts'
import type { RenderRequest } from './rendered.ts'

/** A template of a chart, and what it is executed with. */
export interface Renderable {
  /** "chart/charts/sub/templates/x.yaml" */
  readonly name: string
  readonly text: string
  readonly basePath: string
  /** The dot, shared by all templates of one chart. */
  readonly scope: GoMap
}

const valuesType: GoType = { name: 'common.Values', kind: 'map', element: types.any }

/** All templates of a chart and its subcharts. `values` are coalesced; templates may change them. */
export function renderables(chart: Chart, values: Table, request: RenderRequest, toYaml: ToYaml): Renderable[] {
  const found: Renderable[] = []
  const top: Inherited = {
    Release: releaseValue(request),
    Capabilities: capabilitiesValue(request.capabilities),
    values: typed(templateValues(values) as GoMap, valuesType),
  }
  collect(chart, { path: chart.metadata.name, isRoot: true }, top, toYaml, found)
  return found
}

interface Inherited {
  readonly Release: GoValue
  readonly Capabilities: GoValue
  /** The values of this very chart. */
  readonly values: GoMap
}

interface Position {
  /** "web/charts/sub" */
  readonly path: string
  readonly isRoot: boolean
}

function collect(chart: Chart, place: Position, from: Inherited, toYaml: ToYaml, found: Renderable[]): GoMap {
  const subcharts: GoMap = {}
  const scope: GoMap = typed(
    {
      Chart: { ...metadataValue(chart.metadata), IsRoot: place.isRoot },
      Files: filesValue(chart.files, toYaml),
      Release: from.Release,
      Capabilities: from.Capabilities,
      Values: from.values,
      Subcharts: subcharts,
    },
    valuesType,
  )
  for (const sub of chart.dependencies) {
    const name = sub.metadata.name
    const values = tableAt(from.values as Table, name) ?? {}
    const below = { path: `${place.path}/charts/${name}`, isRoot: false }
    subcharts[name] = collect(sub, below, { ...from, values: values as GoMap }, toYaml, found)
  }
  for (const template of chart.templates) {
    if (isLibrary(chart) && !baseName(template.name).startsWith('_')) continue
    found.push({
      name: `${place.path}/${template.name}`,
      text: textOf(template.data),
      basePath: `${place.path}/templates`,
      scope,
    })
  }
  return scope
}

export function isLibrary(chart: Chart): boolean {
  return chart.metadata.type?.toLowerCase() === 'library'
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function releaseValue({ release }: RenderRequest): GoMap {
  return {
    Name: release.name,
    Namespace: release.namespace,
    IsUpgrade: release.isUpgrade,
    IsInstall: release.isInstall,
    Revision: BigInt(release.revision),
    Service: 'Helm',
  }
}

/** Chart.yaml by the names Go has for its fields; what is missing is empty. */
function metadataValue(metadata: ChartMetadata): GoMap {
  return {
    Name: metadata.name,
    Home: metadata.home ?? '',
    Sources: [...(metadata.sources ?? [])],
    Version: metadata.version,
    Description: metadata.description ?? '',
    Keywords: [...(metadata.keywords ?? [])],
    Maintainers: (metadata.maintainers ?? []).map(({ name = '', email = '', url = '' }) => ({
      Name: name,
      Email: email,
      URL: url,
    })),
    Icon: metadata.icon ?? '',
    APIVersion: metadata.apiVersion,
    Condition: metadata.condition ?? '',
    Tags: metadata.tags ?? '',
    AppVersion: metadata.appVersion ?? '',
    Deprecated: metadata.deprecated ?? false,
    Annotations: typed({ ...metadata.annotations }, types.stringDict, { nil: metadata.annotations === undefined }),
    KubeVersion: metadata.kubeVersion ?? '',
    Dependencies: (metadata.dependencies ?? []).map(dependency => ({
      Name: dependency.name,
      Version: dependency.version ?? '',
      Repository: dependency.repository ?? '',
      Condition: dependency.condition ?? '',
      Tags: [...(dependency.tags ?? [])],
      Enabled: dependency.enabled ?? false,
      ImportValues: (dependency['import-values'] ?? []).map(item => templateValues(item as JsonValue)),
      Alias: dependency.alias ?? '',
    })),
    Type: metadata.type ?? '',
  }
}

/** A copy of values for templates, in which an int64 of --set is one. */
export function templateValues(value: JsonValue): GoValue {
  if (typeof value === 'bigint') return new GoInteger(types.int64, value)
  if (Array.isArray(value)) return value.map(templateValues)
  if (!isTable(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, templateValues(item)]))
}
