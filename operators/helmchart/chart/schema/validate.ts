/** values.schema.json of a chart and its subcharts. */
import type { Chart } from '../chart.ts'
import { goTypeName } from '../strvals.ts'
import { isTable, own, type Table } from '../tables.ts'
import { openSchema } from './document.ts'
import { failureLines } from './failure.ts'
import { validate } from './validator.ts'

/**
 * Checks coalesced values against the schemas of a chart and its subcharts. Throws Error whose message has, for each chart
 * whose schema refuses, its name and what is wrong, as Helm prints it.
 */
export function validateValues(chart: Chart, values: Table): void {
  const report = reportOf(chart, values)
  if (report !== '') throw new Error(report)
}

function reportOf(chart: Chart, values: Table): string {
  const own = chart.schema === undefined ? '' : problemsOf(chart.schema, values)
  const title = own === '' ? '' : `${chart.metadata.name}:\n${own}`
  return title + chart.dependencies.map(sub => subchartReport(sub, values)).join('')
}

function subchartReport(sub: Chart, values: Table): string {
  const { name } = sub.metadata
  const part = own(values, name)
  if (part === undefined || part === null) return ''
  if (isTable(part)) return reportOf(sub, part)
  return `${name}:\ninvalid type for values: expected object (map), got ${goTypeName(part)}\n`
}

function problemsOf(schema: Uint8Array, values: Table): string {
  try {
    const failures = validate(openSchema(JSON.parse(new TextDecoder().decode(schema))), values)
    return failures.length === 0 ? '' : `${failureLines(failures).join('\n')}\n`
  } catch (error) {
    return (error as Error).message
  }
}
