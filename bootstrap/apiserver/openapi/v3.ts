/** OpenAPI 3 documents, one for each group version. */
import type { Kind } from '../kinds/kind.ts'
import { customDefinition, customListDefinition, definitionName, listDefinitionName } from './custom.ts'
import { patchTypes, responseText, responseTypes } from './media.ts'
import { meta, type Operation, operationModels, type Path, pathsOf, queryParameters } from './paths.ts'
import { closure, type Descriptions, definition, type JsonSchema, refTo } from './schemas.ts'

const parameterTexts = { namespace: 'The object name and auth scope.', name: 'The name of the object.' }

/** The document's JSON text in parts, to be made in slices. */
export function* documentV3(kinds: readonly Kind[], version: string, descriptions: Descriptions): Generator<string> {
  const roots = new Set([`${meta}.WatchEvent`])
  yield `{"openapi":"3.0.0","info":${JSON.stringify({ title: 'Kubernetes', version })},"paths":{`
  let separator = ''
  for (const path of kinds.values().flatMap(pathsOf)) {
    for (const model of operationModels(path.operations)) roots.add(model)
    yield `${separator}${JSON.stringify(path.path)}:${JSON.stringify(pathItem(path))}`
    separator = ','
  }
  yield '},"components":{"schemas":{'
  separator = ''
  for (const [name, schema] of schemas(kinds, roots, descriptions)) {
    yield `${separator}${JSON.stringify(name)}:${JSON.stringify(schema)}`
    separator = ','
  }
  yield '},"securitySchemes":{"BearerToken":{"type":"apiKey","description":"Bearer Token authentication",'
  yield '"name":"authorization","in":"header"}}}}\n'
}

function* schemas(
  kinds: readonly Kind[],
  roots: Set<string>,
  descriptions: Descriptions,
): Generator<[name: string, schema: JsonSchema]> {
  for (const kind of kinds) {
    if (!kind.custom) continue
    const names = [definitionName(kind), listDefinitionName(kind)] as const
    for (const name of names) roots.delete(name)
    yield [names[0], customDefinition(kind, 'v3')]
    yield [names[1], customListDefinition(kind, 'v3')]
    roots.add(`${meta}.ObjectMeta`).add(`${meta}.ListMeta`)
  }
  for (const model of closure(roots)) yield [model, definition(model, 'v3', descriptions)]
}

function pathItem({ parameters, operations }: Path): JsonSchema {
  const inPath = parameters.map(name => ({
    name,
    in: 'path',
    description: parameterTexts[name],
    required: true,
    schema: { type: 'string', uniqueItems: true },
  }))
  return {
    ...Object.fromEntries(operations.map(operation => [operation.method, operationV3(operation)])),
    parameters: [...inPath, queryParameter('pretty')],
  }
}

function queryParameter(name: string): JsonSchema {
  const [type, description] = queryParameters[name]!
  return { name, in: 'query', description, schema: { type, uniqueItems: true } }
}

function operationV3(operation: Operation): JsonSchema {
  const { body, response, codes, query } = operation
  const schema = response === undefined ? { type: 'string' } : refTo(response, 'v3')
  const content = Object.fromEntries(responseTypes(operation).map(type => [type, { schema }]))
  const responses = codes.map(code => [code, { description: responseText(code), content }])
  return {
    tags: [operation.tag],
    description: operation.description,
    operationId: operation.id,
    ...(query.length > 0 ? { parameters: query.map(queryParameter) } : {}),
    ...(body === undefined ? {} : { requestBody: requestBody(operation, body) }),
    responses: { ...Object.fromEntries(responses), 401: { description: responseText(401) } },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.kind,
  }
}

function requestBody(operation: Operation, body: string): JsonSchema {
  const types = operation.method === 'patch' ? patchTypes(operation) : ['*/*']
  const content = Object.fromEntries(types.map(type => [type, { schema: refTo(body, 'v3') }]))
  return { content, ...(operation.method === 'delete' ? {} : { required: true }) }
}
