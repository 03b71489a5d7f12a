/** Executes the templates of a chart: parses all of them into one set, then runs each that is no partial. */
import type { JsonObject, JsonValue } from '../chart/chart.ts'
import { isTable } from '../chart/tables.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { quote } from '../template/quote.ts'
import { TemplateSet } from '../template/template.ts'
import { GoInteger, type GoValue, typed, types } from '../template/values.ts'
import { asWarning, executionFailure, parseFailure } from './messages.ts'
import type { Lookup, LookupQuery } from './rendered.ts'
import { baseName, type Renderable } from './scope.ts'

/** What each file came to, or the objects that have to be known first. */
export type Execution =
  | { readonly kind: 'files'; readonly files: ReadonlyMap<string, string> }
  | { readonly kind: 'lookups'; readonly queries: readonly LookupQuery[] }

/** Helm's limit for templates that include themselves. */
const deepestInclude = 1000
const setName = 'gotpl'

/**
 * Runs all templates. `functions` are Sprig's and Helm's. A template that looks up an unknown object ends there; the others
 * run on, to learn what they ask for. Throws Error in the words of `helm template`.
 */
export function execute(templates: readonly Renderable[], functions: FunctionTable, lookup: Lookup): Execution {
  const set = new TemplateSet(setName, functions, { missingKey: 'zero' })
  const open = new Map<string, LookupQuery>()
  set.override({
    ...engineFunctions(lookup, query => open.set(JSON.stringify(query), query)),
    ...inclusion(set, new Map()),
  })
  const ordered = inOrder(templates)
  for (const { name, text } of ordered) parse(set, name, text)
  const files = new Map<string, string>()
  for (const template of ordered) {
    if (baseName(template.name).startsWith('_')) continue
    try {
      files.set(template.name, run(set, template))
    } catch (error) {
      // What follows from an answer that is missing is no mistake of the chart.
      if (open.size === 0) throw executionFailure(template.name, error)
    }
  }
  return open.size > 0 ? { kind: 'lookups', queries: [...open.values()] } : { kind: 'files', files }
}

/** Deeper ones first, so that a chart's definitions replace those of its subcharts; later ones of two with one name. */
function inOrder(templates: readonly Renderable[]): Renderable[] {
  const byName = new Map(templates.map(template => [template.name, template]))
  const depth = ({ name }: Renderable) => name.split('/').length
  return [...byName.values()].sort(
    (a, b) => depth(b) - depth(a) || Buffer.compare(Buffer.from(b.name), Buffer.from(a.name)),
  )
}

function parse(set: TemplateSet, name: string, text: string): void {
  try {
    set.parse(name, text)
  } catch (error) {
    throw parseFailure(name, error)
  }
}

function run(set: TemplateSet, { name, basePath, scope }: Renderable): string {
  scope.Template = typed({ Name: name, BasePath: basePath }, { name: 'common.Values', kind: 'map', element: types.any })
  return withoutNoValue(guarded(name, () => set.execute(name, scope)))
}

/** Go prints "<no value>" for what a map does not have; Helm takes it out again. */
function withoutNoValue(text: string): string {
  return text.replaceAll('<no value>', '')
}

/** Templates nested deeper than the stack is a mistake of the chart, not of this program. */
function guarded<T>(name: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (error instanceof RangeError && /call stack/.test(error.message))
      throw new Error(`rendering template has a nested reference name: ${name}: unable to execute template`, {
        cause: error,
      })
    throw error
  }
}

/** `include` and `tpl` of a set; a text given to `tpl` gets a set of its own, whose definitions stay there. */
function inclusion(set: TemplateSet, depths: Map<string, number>): FunctionTable {
  return {
    include: goFunction('string, any -> string', (name: string, data: GoValue) => {
      const depth = depths.get(name) ?? 0
      if (depth > deepestInclude)
        throw new GoError(`rendering template has a nested reference name: ${name}: unable to execute template`)
      depths.set(name, depth + 1)
      try {
        return set.execute(name, data)
      } finally {
        depths.set(name, depth)
      }
    }),
    tpl: goFunction('string, any -> string', (text: string, data: GoValue) =>
      text.includes('{{') ? expand(set, depths, text, data) : withoutNoValue(text),
    ),
  }
}

function expand(set: TemplateSet, depths: Map<string, number>, text: string, data: GoValue): string {
  const own = set.clone()
  own.override(inclusion(own, depths))
  const template = wrapping(`cannot parse template ${quote(text)}: `, () => own.parse(setName, text))
  return withoutNoValue(
    wrapping(`error during tpl function execution for ${quote(text)}: `, () => template.execute(data)),
  )
}

function wrapping<T>(prefix: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new GoError(prefix + (error as Error).message, { cause: error })
  }
}

function engineFunctions(lookup: Lookup, ask: (query: LookupQuery) => void): FunctionTable {
  return {
    required: goFunction('string, any -> any', (message: string, value: GoValue) => {
      if (value === null || value === undefined || value === '') throw new GoError(asWarning(message))
      return value
    }),
    fail: goFunction('string -> string', (message: string) => {
      throw new GoError(asWarning(message))
    }),
    lookup: goFunction(
      'string, string, string, string -> dict',
      (apiVersion: string, kind: string, namespace: string, name: string) => {
        const query = { apiVersion, kind, namespace, name }
        const answer = lookup(query)
        if (answer !== undefined) return objectValue(answer ?? {})
        ask(query)
        throw new GoError(`the answer to lookup ${JSON.stringify(query)} is not known yet`)
      },
    ),
  }
}

/** An object of the API for templates: whole numbers are int64, as in Go's unstructured objects. */
function objectValue(value: JsonObject | JsonValue): GoValue {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? new GoInteger(types.int64, BigInt(value)) : value
  if (Array.isArray(value)) return value.map(objectValue)
  if (!isTable(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, objectValue(item)]))
}
