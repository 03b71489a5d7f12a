/** OpenAPI 2 documents of aggregated servers, merged into this server's (upstream: kube-aggregator pkg/controllers/openapi). */
import type { JsonSchema } from './schemas.ts'
import type { EntryV2 } from './v2.ts'

/** What an aggregated server says of one group version; its `text` is read when the merged document is made. */
export interface ForeignDocument {
  /** "/apis/GROUP/VERSION"; other paths of the document are not taken. */
  readonly root: string
  readonly hash: string
  readonly text: string
}

interface Swagger {
  readonly paths?: { readonly [path: string]: JsonSchema }
  readonly definitions?: { readonly [name: string]: JsonSchema }
  readonly parameters?: { readonly [name: string]: JsonSchema }
}

/** Paths of all, then definitions of all. Where two define the same name, this server's stays. */
export function* mergedEntries(own: Iterable<EntryV2>, foreign: readonly ForeignDocument[]): Generator<EntryV2> {
  const documents = foreign.flatMap(document => parsed(document) ?? [])
  const names = new Set<string>()
  let inDefinitions = false
  for (const entry of own) {
    if (entry.in === 'definitions') {
      if (!inDefinitions) yield* foreignPaths(documents)
      inDefinitions = true
      names.add(entry.name)
    }
    yield entry
  }
  for (const { swagger } of documents) {
    for (const [name, value] of Object.entries(swagger.definitions ?? {})) {
      if (names.has(name)) continue
      names.add(name)
      yield { in: 'definitions', name, value, foreign: true }
    }
  }
}

/** Nobody's broken document spoils the whole. */
function parsed({ root, text }: ForeignDocument): { root: string; swagger: Swagger } | undefined {
  try {
    return { root, swagger: JSON.parse(text) as Swagger }
  } catch {
    return undefined
  }
}

function* foreignPaths(documents: readonly { root: string; swagger: Swagger }[]): Generator<EntryV2> {
  for (const { root, swagger } of documents) {
    for (const [name, item] of Object.entries(swagger.paths ?? {}))
      if (name === `${root}/` || name.startsWith(`${root}/`))
        yield { in: 'paths', name, value: inlined(item, swagger.parameters ?? {}), foreign: true }
  }
}

/** Shared parameters are written out, and lists that may be left out are there. */
function inlined(
  { parameters, ...operations }: JsonSchema,
  shared: { readonly [name: string]: JsonSchema },
): JsonSchema {
  const resolved = (list: unknown) =>
    ((list ?? []) as JsonSchema[]).map(parameter => {
      const name = typeof parameter.$ref === 'string' ? parameter.$ref.replace('#/parameters/', '') : undefined
      return name === undefined ? parameter : (shared[name] ?? parameter)
    })
  const all = Object.entries(operations).map(([method, operation]) => {
    const value = operation as JsonSchema
    return [method, { ...value, parameters: resolved(value.parameters), responses: value.responses ?? {} }]
  })
  return { ...Object.fromEntries(all), parameters: resolved(parameters) }
}
