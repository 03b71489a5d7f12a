/** Holds the tables of facts, and the schema and registry built from them, against upstream's published data. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { leafSchemas, schemaOf } from './models.ts'
import { kindRegistry } from './registry.ts'
import type { Schema } from './schema.ts'
import { schemaTables } from './tables.ts'

const reference = join(import.meta.dirname, '../../../../shared/reference')

type Property = { readonly [keyword: string]: unknown }

interface Definition extends Property {
  readonly properties?: { readonly [field: string]: Property }
  readonly required?: readonly string[]
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[]
}

interface OpenApi {
  readonly definitions: { readonly [name: string]: Definition }
  readonly paths: { readonly [path: string]: { readonly [method: string]: { readonly action?: string } } }
}

type Messages = { readonly [message: string]: { readonly [field: string]: readonly [number: number, type: string] } }

const read = (file: string) => JSON.parse(readFileSync(join(reference, file), 'utf8'))
const packageOf = (name: string) => name.slice(0, name.lastIndexOf('.'))
const { models } = schemaTables()

/** A field's schema in upstream's notation. */
function published(schema: Schema): Property {
  const model = schema.name === undefined ? undefined : schemaOf(schema.name)
  return {
    ...(model ? { $ref: `#/definitions/${model.name}` } : typeOf(schema)),
    ...(schema.listType && { 'x-kubernetes-list-type': schema.listType }),
    ...(schema.listMapKeys && { 'x-kubernetes-list-map-keys': schema.listMapKeys }),
    ...(schema.patchStrategy && { 'x-kubernetes-patch-strategy': schema.patchStrategy.join(',') }),
    ...(schema.patchMergeKey && { 'x-kubernetes-patch-merge-key': schema.patchMergeKey }),
    ...(schema.mapType !== model?.mapType && { 'x-kubernetes-map-type': schema.mapType }),
  }
}

function typeOf(schema: Schema): Property {
  if (schema.type === 'array') return { type: 'array', items: published(schema.items!) }
  if (schema.type === 'map') return { type: 'object', additionalProperties: published(schema.additional!) }
  return { type: schema.type === 'bytes' ? 'string' : schema.type, ...(schema.format && { format: schema.format }) }
}

/** A field's schema as a protobuf type, messages by their bare names. */
function protobufType(schema: Schema, wrapped: boolean): string {
  if (schema.type === 'array') return wrapped ? 'Items' : `[]${protobufType(schema.items!, false)}`
  if (schema.type === 'map') return `map<string,${wrapped ? 'Items' : protobufType(schema.additional!, false)}>`
  if (schema.name !== undefined) return schema.name.slice(schema.name.lastIndexOf('.') + 1)
  return { boolean: 'bool', bytes: 'bytes', number: 'double' }[schema.type as string] ?? schema.format ?? schema.type
}

const bareType = (type: string) =>
  type.replace(/k8s\.io\.[\w.]*\.(\w+)/, '$1').replace(/\b(?:ExtraValue|Verbs)\b/, 'Items')
const bareName = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '')
const messageName = (model: string) =>
  model
    .replace(/^io\.k8s/, 'k8s.io')
    .replace('kube-aggregator', 'kube_aggregator')
    .replace('s-apiserver', 's_apiserver')

/** Alpha fields of 1.36 that the (newer) protobuf reference has under other names. */
const renamedSince = new Set(['nodeAllocatableResourceMappings', 'NodeAllocatableResourceClaimStatus.resources'])

function suite(openapi: OpenApi, messages: Messages): void {
  const leaves = new Set(Object.values(leafSchemas).map(schema => schema.name))
  const packages = new Set(Object.keys(models).map(packageOf))

  test('the models are exactly the definitions of the served packages', () => {
    const expected = Object.keys(openapi.definitions).filter(name => packages.has(packageOf(name)) && !leaves.has(name))
    expect(Object.keys(models).sort()).toEqual(expected.sort())
  })

  test.each(Object.keys(models))('%s has the published fields and extensions', name => {
    const schema = schemaOf(name)
    const definition = openapi.definitions[name]!
    const fields = Object.entries(schema.properties!).map(([field, known]) => [field, published(known)])
    expect(Object.fromEntries(fields)).toEqual(definition.properties ?? {})
    expect([...schema.required!].sort()).toEqual([...(definition.required ?? [])].sort())
    expect(schema.mapType).toBe(definition['x-kubernetes-map-type'])
    expect(unionOf(models[name]!.union)).toEqual(definition['x-kubernetes-unions'])
    const kinds = (definition['x-kubernetes-group-version-kind'] ?? []).map(({ group, version }) =>
      group === '' ? version : `${group}/${version}`,
    )
    if (kinds.length > 1) expect(kinds).toEqual(expect.arrayContaining([...models[name]!.kinds!]))
    else expect(models[name]!.kinds ?? []).toEqual(kinds)
  })

  test.each(Object.keys(models))('%s has upstream its protobuf numbers and types', name => {
    const model = name.slice(name.lastIndexOf('.') + 1)
    for (const [field, [, place, options]] of Object.entries(models[name]!.fields)) {
      if (place === '' || renamedSince.has(field) || renamedSince.has(`${model}.${field}`)) continue
      let message = messages[messageName(name)]
      if (!message && model === 'NodeAllocatableResourceMapping') continue
      let found: [string, readonly [number, string]] | undefined
      for (const step of place.replace('*', '').split('.')) {
        if (found) message = messages[found[1][1]]
        found = Object.entries(message ?? {}).find(([, [number]]) => number === Number(step))
      }
      const type = protobufType(schemaOf(name).properties![field]!, options?.proto === 'items')
      expect([field, bareName(found?.[0] ?? ''), bareType(found?.[1][1] ?? '')]).toEqual([field, bareName(field), type])
    }
  })

  test('every published path of a served group version is a verb of its resource', () => {
    const registry = kindRegistry()
    const groupVersions = new Map([...registry.all()].map(kind => [baseOf(kind.group, kind.version), kind]))
    const expected = new Map<string, Set<string>>()
    for (const [path, operations] of Object.entries(openapi.paths)) {
      const parts = /^(.*?\/v\w+)\/(namespaces\/\{namespace\}\/)?(\w+)(?:\/\{name\}(?:\/(\w+))?)?$/.exec(path)
      const [, base = '', , resource = '', subresource] = parts ?? []
      const known = groupVersions.get(base)
      if (!known || resource === 'watch') continue
      const name = [base, resource, subresource].filter(part => part).join('/')
      const verbs = expected.get(name) ?? new Set()
      expected.set(name, verbs)
      for (const [method, { action = '' }] of Object.entries(operations)) {
        const verb = verbOf(action, method)
        if (verb) verbs.add(verb)
        if (verb === 'list' && resource !== 'componentstatuses') verbs.add('watch')
      }
    }
    const served = new Map<string, Set<string>>()
    for (const kind of registry.all()) {
      const name = `${baseOf(kind.group, kind.version)}/${kind.resource}`
      served.set(name, new Set(kind.verbs))
      for (const below of kind.subresources) served.set(`${name}/${below.name}`, new Set(below.verbs))
    }
    expect(served).toEqual(expected)
  })
}

const baseOf = (group: string, version: string) => (group === '' ? `/api/${version}` : `/apis/${group}/${version}`)

function verbOf(action: string, method: string): string | undefined {
  const byMethod: { [method: string]: string } = {
    post: 'create',
    put: 'update',
    get: 'get',
    patch: 'patch',
    delete: 'delete',
  }
  return action === 'connect' ? byMethod[method] : (byMethod[action] ?? action)
}

function unionOf(text: string | undefined): unknown {
  if (text === undefined) return undefined
  const [discriminator = '', fields = ''] = text.split(':')
  const names = fields.split(',').map(field => [field, field.charAt(0).toUpperCase() + field.slice(1)])
  return [
    {
      ...(discriminator === '' ? {} : { discriminator }),
      'fields-to-discriminateBy': Object.fromEntries(names),
    },
  ]
}

if (!existsSync(reference)) test.skip(`the reference data is not at ${reference}`, () => undefined)
else
  describe('the tables agree with upstream', () => {
    const openapi = read('kubernetes-openapi-1.36.json') as OpenApi
    suite(openapi, (read('kubernetes-protobuf-fields.json') as { messages: Messages }).messages)
  })
