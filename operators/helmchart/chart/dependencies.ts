/** Which subcharts take part: aliases, tags, conditions and values imported from children. */
import { isCompatibleRange } from '../semver.ts'
import type { Chart, ChartDependency } from './chart.ts'
import { coalesceValues, type Warn } from './coalesce.ts'
import { importValues } from './import-values.ts'
import { type Table, tableAt, valueAt } from './tables.ts'

/**
 * The chart with only the subcharts that are enabled under `values`, renamed to their aliases, and with `import-values`
 * worked into its defaults. Throws Error when values do not fit the subcharts.
 */
export function resolveDependencies(chart: Chart, values: Table, warn: Warn): Chart {
  try {
    return importValues(enabledOnly(chart, values, '', warn), warn)
  } catch (error) {
    throw new Error(`chart dependencies processing failed: ${(error as Error).message}`, { cause: error })
  }
}

function enabledOnly(chart: Chart, values: Table, path: string, warn: Warn): Chart {
  const declared = chart.metadata.dependencies
  if (declared === undefined) return chart
  const present = withAliases(chart, declared)
  // From here on a dependency goes by its alias.
  const named = declared.map(dependency => ({
    ...dependency,
    name: dependency.alias || dependency.name,
    enabled: true,
  }))
  const candidate = { ...chart, dependencies: present }
  const coalesced = coalesceValues(candidate, values, warn)
  const enabled = named.filter(dependency => isEnabled(dependency, coalesced, path, warn))
  const disabled = new Set(named.filter(dependency => !enabled.includes(dependency)).map(({ name }) => name))
  const { dependencies: _, ...rest } = chart.metadata
  return {
    ...chart,
    // Where none is left, it is as if none had been declared: nothing is imported then.
    metadata: enabled.length === 0 ? rest : { ...rest, dependencies: enabled },
    dependencies: present
      .filter(({ metadata }) => !disabled.has(metadata.name))
      .map(sub => enabledOnly(sub, coalesced, `${path}${sub.metadata.name}.`, warn)),
  }
}

/** Subcharts nobody declared, then the declared ones in order, one for each alias. */
function withAliases(chart: Chart, declared: readonly ChartDependency[]): Chart[] {
  const undeclared = chart.dependencies.filter(sub => !declared.some(dependency => fits(sub, dependency)))
  const chosen = declared.flatMap(dependency => {
    const sub = chart.dependencies.find(candidate => fits(candidate, dependency))
    if (sub === undefined) return []
    return [dependency.alias ? { ...sub, metadata: { ...sub.metadata, name: dependency.alias } } : sub]
  })
  return [...undeclared, ...chosen]
}

function fits(sub: Chart, { name, version }: ChartDependency): boolean {
  return sub.metadata.name === name && isCompatibleRange(version ?? '', sub.metadata.version)
}

/** The first condition whose path holds a boolean decides; without one, the tags do; without those, it is enabled. */
function isEnabled(dependency: ChartDependency, values: Table, path: string, warn: Warn): boolean {
  for (const condition of (dependency.condition ?? '').trim().split(',').filter(Boolean)) {
    const value = valueAt(values, path + condition)
    if (typeof value === 'boolean') return value
    if (value !== undefined) warn(`returned non-bool value path=${condition} chart=${dependency.name}`)
  }
  return isTagged(dependency, tableAt(values, 'tags') ?? {}, warn)
}

function isTagged(dependency: ChartDependency, tags: Table, warn: Warn): boolean {
  const named = (dependency.tags ?? []).filter(tag => Object.hasOwn(tags, tag))
  for (const tag of named)
    if (typeof tags[tag] !== 'boolean') warn(`returned non-bool value tag=${tag} chart=${dependency.name}`)
  return named.some(tag => tags[tag] === true) || !named.some(tag => tags[tag] === false)
}
