/** The OpenAPI 2 document of everything served, as JSON text or in gnostic's protobuf form. */
import type { Kind } from '../kinds/kind.ts'
import { customDefinition, customListDefinition, definitionName, listDefinitionName } from './custom.ts'
import { patchTypes, responseText, responseTypes } from './media.ts'
import { meta, type Operation, operationModels, type Path, pathsOf, queryParameters } from './paths.ts'
import { closure, type Descriptions, definition, type JsonSchema, refTo } from './schemas.ts'

/** One entry of the document's two big maps; `foreign` when it comes from another server. */
export type EntryV2 =
  | { readonly in: 'paths'; readonly name: string; readonly value: JsonSchema; readonly foreign?: true }
  | { readonly in: 'definitions'; readonly name: string; readonly value: JsonSchema; readonly foreign?: true }

/** The rest of the document. */
export const headV2 = (version: string) => ({ swagger: '2.0', info: { title: 'Kubernetes', version } })
export const tailV2 = {
  securityDefinitions: {
    BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' },
  },
  security: [{ BearerToken: [] as string[] }],
}

/** All paths, then all definitions. */
export function* entriesV2(kinds: readonly Kind[], descriptions: Descriptions): Generator<EntryV2> {
  const roots = new Set([`${meta}.WatchEvent`, `${meta}.ObjectMeta`, `${meta}.ListMeta`])
  for (const path of kinds.values().flatMap(pathsOf)) {
    for (const model of operationModels(path.operations)) roots.add(model)
    yield { in: 'paths', name: path.path, value: pathItem(path) }
  }
  for (const kind of kinds) {
    if (!kind.custom) continue
    const [name, list] = [definitionName(kind), listDefinitionName(kind)]
    roots.delete(name)
    roots.delete(list)
    yield { in: 'definitions', name, value: customDefinition(kind, 'v2') }
    yield { in: 'definitions', name: list, value: customListDefinition(kind, 'v2') }
  }
  for (const name of closure(roots)) yield { in: 'definitions', name, value: definition(name, 'v2', descriptions) }
}

/** The document's JSON text in parts. */
export function* jsonV2(entries: Iterable<EntryV2>, version: string): Generator<string> {
  yield `${JSON.stringify(headV2(version)).slice(0, -1)},"paths":{`
  let within: EntryV2['in'] = 'paths'
  let separator = ''
  for (const entry of entries) {
    if (entry.in !== within) {
      yield '},"definitions":{'
      separator = ''
      within = entry.in
    }
    yield `${separator}${JSON.stringify(entry.name)}:${JSON.stringify(entry.value)}`
    separator = ','
  }
  yield `},${JSON.stringify(tailV2).slice(1)}\n`
}

function pathItem({ parameters, operations }: Path): JsonSchema {
  const inPath = parameters.map(name => ({ name, in: 'path', required: true, type: 'string', uniqueItems: true }))
  return {
    ...Object.fromEntries(operations.map(operation => [operation.method, operationV2(operation)])),
    parameters: [...inPath, queryParameter('pretty')],
  }
}

function queryParameter(name: string): JsonSchema {
  const [type, description] = queryParameters[name]!
  return { name, in: 'query', description, type, uniqueItems: true }
}

function operationV2(operation: Operation): JsonSchema {
  const { body, response, codes, query, method } = operation
  const schema = response === undefined ? { type: 'string' } : refTo(response, 'v2')
  const inBody = { name: 'body', in: 'body', ...(method === 'delete' ? {} : { required: true }) }
  const responses = codes.map(code => [code, { description: responseText(code), schema }])
  return {
    description: operation.description,
    consumes: method === 'patch' ? patchTypes(operation) : ['*/*'],
    produces: responseTypes(operation),
    schemes: ['https'],
    tags: [operation.tag],
    operationId: operation.id,
    parameters: [
      ...(body === undefined ? [] : [{ ...inBody, schema: refTo(body, 'v2') }]),
      ...query.map(queryParameter),
    ],
    responses: { ...Object.fromEntries(responses), 401: { description: responseText(401) } },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.kind,
  }
}
