/**
 * Coalescing: a chart's defaults below the user's values, through all subcharts. Tables are merged, everything else is
 * replaced; a null of the user's deletes a default; `global` reaches every subchart.
 */
import type { Chart } from './chart.ts'
import { copyTable, isTable, own, put, type Table } from './tables.ts'

/** Gets the complaints Helm logs and carries on after. */
export type Warn = (message: string) => void

/** `merge` keeps nulls, for a later step that coalesces. */
interface Mode {
  readonly merge: boolean
  readonly warn: Warn
}

const global = 'global'

/** The chart's values below `values`; neither is changed. Throws Error when a subchart's values are no table. */
export function coalesceValues(chart: Chart, values: Table, warn: Warn): Table {
  return coalesceChart({ merge: false, warn }, chart, copyTable(values), '')
}

/** The same, with nulls kept. */
export function mergeValues(chart: Chart, values: Table, warn: Warn): Table {
  return coalesceChart({ merge: true, warn }, chart, copyTable(values), '')
}

function coalesceChart(mode: Mode, chart: Chart, into: Table, prefix: string): Table {
  addDefaults(mode, chart, into, prefix)
  for (const subchart of chart.dependencies) {
    const name = subchart.metadata.name
    const values = own(into, name) ?? (Object.hasOwn(into, name) ? null : {})
    if (!isTable(values)) throw new Error(`type mismatch on ${name}: ${formatBoolVerb(values)}`)
    put(into, name, values)
    const inner = dotted(prefix, chart.metadata.name)
    passGlobals(mode, values, into, inner)
    coalesceChart(mode, subchart, values, inner)
  }
  return into
}

/** The chart's own defaults below `into`. */
function addDefaults(mode: Mode, chart: Chart, into: Table, prefix: string): void {
  const defaults = copyTable(chart.values)
  for (const key of Object.keys(defaults)) {
    const fallback = defaults[key]!
    if (!Object.hasOwn(into, key)) {
      put(into, key, fallback)
      continue
    }
    const value = into[key]!
    if (value === null && !mode.merge) delete into[key]
    else if (isTable(value)) {
      const path = dotted(dotted(prefix, chart.metadata.name), key)
      // What is meant for a subchart keeps its nulls: they delete that chart's defaults, later.
      const merge = mode.merge || chart.dependencies.some(({ metadata }) => metadata.name === key)
      if (isTable(fallback)) coalesceTables(value, fallback, { ...mode, merge }, path)
      else if (fallback !== null) mode.warn(`warning: skipped value for ${path}: Not a table.`)
    }
  }
}

/** `global` of a chart into the values of its subchart; the parent's wins, tables are merged. */
function passGlobals(mode: Mode, into: Table, from: Table, prefix: string): void {
  const globals = Object.hasOwn(into, global) ? into[global] : {}
  const source = Object.hasOwn(from, global) ? from[global] : {}
  const wrong = [isTable(globals) ? '' : 'destination', isTable(source) ? '' : 'source'].find(side => side !== '')
  if (!isTable(globals) || !isTable(source)) {
    mode.warn(`warning: skipping globals because ${wrong} global is not a table.`)
    return
  }
  for (const [key, value] of Object.entries(source)) {
    const existing = own(globals, key)
    if (isTable(value)) {
      const merged = { ...value }
      if (isTable(existing)) coalesceTables(merged, existing, { ...mode, merge: true }, dotted(prefix, key))
      if (existing === undefined || isTable(existing)) put(globals, key, merged)
      else mode.warn(`Conflict: cannot merge map onto non-map for ${JSON.stringify(key)}. Skipping.`)
    } else if (isTable(existing)) mode.warn(`key ${key} is table. Skipping`)
    else put(globals, key, value)
  }
  put(into, global, globals)
}

/** Merges `under` below `over`, changing both; returns `over`. */
export function coalesceTables(over: Table, under: Table, mode: Mode, prefix = ''): Table {
  const given = new Set(Object.keys(under).filter(key => under[key] !== null))
  for (const key of Object.keys(over)) if (over[key] === null) put(under, key, null)
  for (const [key, fallback] of Object.entries(under)) {
    const path = dotted(prefix, key)
    const value = own(over, key)
    if (value === undefined) put(over, key, fallback)
    else if (value === null && !mode.merge && given.has(key)) delete over[key]
    else if (isTable(fallback)) {
      if (isTable(value)) coalesceTables(value, fallback, mode, path)
      else mode.warn(`warning: cannot overwrite table with non table for ${path} (${formatValue(fallback)})`)
    } else if (isTable(value) && fallback !== null)
      mode.warn(`warning: destination for ${path} is a table. Ignoring non-table value (${formatValue(fallback)})`)
  }
  return over
}

function dotted(a: string, b: string): string {
  return a === '' ? b : `${a}.${b}`
}

/** Go's %v. */
function formatValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(formatValue).join(' ')}]`
  if (!isTable(value)) return String(value)
  const entries = Object.keys(value).sort()
  return `map[${entries.map(key => `${key}:${formatValue(value[key])}`).join(' ')}]`
}

/** Go's %t of what is hardly ever a boolean, as Helm prints it. */
function formatBoolVerb(value: unknown): string {
  switch (typeof value) {
    case 'boolean':
      return String(value)
    case 'string':
      return `%!t(string=${value})`
    case 'number':
      return `%!t(float64=${value})`
    case 'bigint':
      return `%!t(int64=${value})`
    default:
      return value === null ? '%!t(<nil>)' : `[${(value as unknown[]).map(formatBoolVerb).join(' ')}]`
  }
}
