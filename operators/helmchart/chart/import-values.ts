/** `import-values`: parts of a subchart's values that become defaults of its parent. */
import type { Chart, ChartDependency } from './chart.ts'
import { coalesceTables, mergeValues, type Warn } from './coalesce.ts'
import { isObject } from './decode.ts'
import { copyTable, type Table, tableAt } from './tables.ts'

/** The chart and its subcharts with imported values among their defaults; what the parent says itself wins. */
export function importValues(chart: Chart, warn: Warn): Chart {
  const inner = { ...chart, dependencies: chart.dependencies.map(sub => importValues(sub, warn)) }
  const declared = chart.metadata.dependencies
  if (declared === undefined) return inner
  const values = mergeValues(inner, {}, warn)
  const mode = { merge: true, warn }
  const imported: Table = {}
  const dependencies = declared.map(dependency => {
    const imports = importsOf(dependency)
    for (const { child, parent } of imports) {
      const table = tableAt(values, `${dependency.name}.${child}`)
      // The very tables, not copies: imports into one place change the child's values, too, as they do in Helm.
      if (table) coalesceTables(imported, placed(parent, table), mode)
      else warn(`ImportValues missing table from chart ${dependency.name}: ${JSON.stringify(child)} is not a table`)
    }
    return dependency['import-values'] ? { ...dependency, 'import-values': imports } : dependency
  })
  return {
    ...inner,
    metadata: { ...chart.metadata, dependencies },
    values: coalesceTables(copyTable(values), imported, mode),
  }
}

interface Import {
  readonly child: string
  readonly parent: string
}

/** A name alone is a key of the child's `exports`, for the parent's root. */
function importsOf(dependency: ChartDependency): Import[] {
  return (dependency['import-values'] ?? []).flatMap((item: unknown) => {
    if (typeof item === 'string') return [{ child: `exports.${item}`, parent: '.' }]
    return isObject(item) ? [{ child: String(item.child ?? '<nil>'), parent: String(item.parent ?? '<nil>') }] : []
  })
}

function placed(path: string, table: Table): Table {
  if (path === '.') return table
  return path.split('.').reduceRight<Table>((inner, key) => ({ [key]: inner }), table)
}
