/** Renders a chart as `helm install` does, up to where the cluster comes in: pure and synchronous. */
import type { Chart } from '../chart/chart.ts'
import type { Warn } from '../chart/coalesce.ts'
import { coalesceValues } from '../chart/coalesce.ts'
import { resolveDependencies } from '../chart/dependencies.ts'
import { copyTable, type Table } from '../chart/tables.ts'
import { type FunctionEffects, helmFunctions } from '../functions/index.ts'
import { isCompatibleRange } from '../semver.ts'
import type { FunctionTable } from '../template/functions.ts'
import type { GoMap } from '../template/values.ts'
import { parseKubeVersion } from './capabilities.ts'
import { crdsOf } from './crds.ts'
import { sortDocuments } from './documents.ts'
import { execute } from './engine.ts'
import type { Lookup, Manifest, Rendered, RenderOutcome, RenderRequest } from './rendered.ts'
import { isLibrary, renderables } from './scope.ts'

/** What rendering needs of the world. */
export interface RenderEffects extends FunctionEffects {
  /** Gets what Helm would log and carry on after: values that do not fit, for instance. */
  readonly warn: Warn
  /** Checks coalesced values against the schemas of the chart and its subcharts; throws Error in Helm's words. */
  readonly validate: (chart: Chart, values: Table) => void
}

/**
 * Renders a chart. The outcome is the release's objects, or the queries of `lookup` that have no answer yet. Throws Error
 * with Helm's own message: values that do not fit, a schema's refusal, a Kubernetes that is too old, a template's failure,
 * YAML that does not parse. Values are those of Helm 4.1.4 throughout (pkg/action/action.go, pkg/engine).
 */
export function render(request: RenderRequest, lookup: Lookup, effects: RenderEffects): RenderOutcome {
  checkInstallable(request.chart)
  if (request.chart.metadata.deprecated) effects.warn('this chart is deprecated')
  const chart = resolveDependencies(request.chart, copyTable(request.values), effects.warn)
  const values = coalesceValues(chart, copyTable(request.values), effects.warn)
  if (!request.skipSchemaValidation) validated(() => effects.validate(chart, values))
  checkKubeVersion(chart, request.capabilities.kubeVersion)
  const functions = helmFunctions(effects)
  const outcome = execute(renderables(chart, values, request, yamlWriter(functions)), functions, lookup)
  return outcome.kind === 'lookups' ? outcome : { kind: 'rendered', rendered: assemble(chart, outcome.files) }
}

/** Helm's command line refuses these before anything else. */
function checkInstallable(chart: Chart): void {
  if (isLibrary(chart)) throw new Error('library charts are not installable')
  const present = new Set(chart.dependencies.map(({ metadata }) => metadata.name))
  const missing = (chart.metadata.dependencies ?? []).map(({ name }) => name).filter(name => !present.has(name))
  if (missing.length > 0)
    throw new Error(
      `an error occurred while checking for chart dependencies. You may need to run \`helm dependency build\` to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: ${missing.join(', ')}`,
    )
}

function validated(validate: () => void): void {
  try {
    validate()
  } catch (error) {
    const intro = "values don't meet the specifications of the schema(s) in the following chart(s):"
    throw new Error(`${intro}\n${(error as Error).message}`, { cause: error })
  }
}

function checkKubeVersion(chart: Chart, kubeVersion: string): void {
  const wanted = chart.metadata.kubeVersion
  const { plain, full } = parseKubeVersion(kubeVersion)
  if (!wanted || isCompatibleRange(wanted, plain)) return
  throw new Error(`chart requires kubeVersion: ${wanted} which is incompatible with Kubernetes ${full}`)
}

/** The template function of that name, for the methods of .Files. */
function yamlWriter(functions: FunctionTable): (value: GoMap) => string {
  return value => (functions.toYaml!.call as (value: GoMap) => string)(value)
}

const notesSuffix = 'NOTES.txt'

function assemble(chart: Chart, files: ReadonlyMap<string, string>): Rendered {
  const manifestFiles = new Map([...files].filter(([name]) => !name.endsWith(notesSuffix)))
  const { hooks, documents } = sortDocuments(manifestFiles)
  return {
    manifests: documents.flatMap(({ source, text, object }): Manifest[] => (object ? [{ source, text, object }] : [])),
    hooks,
    crds: crdsOf(chart),
    notes: files.get(`${chart.metadata.name}/templates/${notesSuffix}`) ?? '',
    manifest: documents.map(({ source, text }) => `---\n# Source: ${source}\n${text}\n`).join(''),
  }
}
