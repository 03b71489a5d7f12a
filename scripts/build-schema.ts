/**
 * Writes bootstrap/apiserver/schema/{schema,descriptions}.gen.json: the built-in types, from the models of the installed
 * @kubernetes/client-node completed by the tables in bootstrap/apiserver/schema/facts. Fails where the two do not match.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FieldRow, ModelRow, ResourceRow } from '../bootstrap/apiserver/schema/tables.ts'
import { modelNames, readModel } from './facts/models.ts'
import { type FieldFacts, type ModelFacts, type PackageFacts, readPackages, readResources } from './facts/table.ts'

const target = join(import.meta.dirname, '../bootstrap/apiserver/schema')

/** Types whose JSON form is not an object of fields; tables name them by these short names. */
const leaves = new Set([
  'Time',
  'MicroTime',
  'IntOrString',
  'Quantity',
  'RawExtension',
  'FieldsV1',
  'Patch',
  'JSON',
  'JSONSchemaPropsOrArray',
  'JSONSchemaPropsOrBool',
  'JSONSchemaPropsOrStringArray',
  'CustomResourceSubresourceStatus',
])

/** client-node's class of a model: V1Pod, or with its group in front where versions of several groups share a name. */
function classOf(packageName: string, model: string, classes: ReadonlySet<string>): string {
  const [group = '', version = ''] = packageName.split('.').slice(-2)
  const plain = capital(version) + model
  const long = capital(group) + plain
  const found = classes.has(long) ? long : plain
  if (!classes.has(found)) throw new Error(`client-node has no model for ${packageName}.${model}`)
  return found
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

function fieldRow(facts: FieldFacts, type: string, fullNames: ReadonlyMap<string, string>): FieldRow {
  const { type: leaf, ...options } = facts.options
  const container = /^(?:\[\]|\{\})*/.exec(type)![0]
  const base = leaf === undefined ? type.slice(container.length) : `@${leaf}`
  const reference = base.startsWith('@') && !leaves.has(base.slice(1))
  const full = reference ? fullNames.get(base.slice(1)) : base
  if (full === undefined) throw new Error(`no facts for the model ${base.slice(1)}`)
  const row = container + (reference ? `@${full}` : full)
  return Object.keys(options).length > 0 ? [row, facts.number, options] : [row, facts.number]
}

function kindsOf(facts: ModelFacts, pack: PackageFacts, served: readonly string[]): readonly string[] | undefined {
  const { kind } = facts.options
  if (kind === undefined) return undefined
  if (kind === 'every') return served
  return [kind === '' ? pack.groupVersion : kind]
}

function build(): { schema: unknown; descriptions: unknown } {
  const packages = readPackages()
  const classes = modelNames()
  const served = packages.map(pack => pack.groupVersion).filter(groupVersion => groupVersion !== '')
  const all = packages.flatMap(pack =>
    pack.models.map(facts => ({ pack, facts, className: classOf(pack.name, facts.name, classes) })),
  )
  const fullNames = new Map(all.map(({ pack, facts, className }) => [className, `${pack.name}.${facts.name}`]))
  const models: { [name: string]: ModelRow } = {}
  const descriptions: { [name: string]: { [field: string]: string } } = {}
  for (const { pack, facts, className } of all) {
    const name = `${pack.name}.${facts.name}`
    const model = readModel(className)
    const types = new Map(model.fields.map(field => [field.name, field]))
    const missing = facts.fields.filter(field => !types.has(field.name)).map(field => field.name)
    const extra = model.fields.filter(field => !facts.fields.some(known => known.name === field.name))
    if (missing.length + extra.length > 0)
      throw new Error(
        `${name}: facts and model differ in ${[...missing, ...extra.map(field => field.name)].join(', ')}`,
      )
    const kinds = kindsOf(facts, pack, served)
    models[name] = {
      fields: Object.fromEntries(
        facts.fields.map(field => [field.name, fieldRow(field, types.get(field.name)!.type, fullNames)]),
      ),
      required: model.fields.filter(field => field.required).map(field => field.name),
      ...(facts.options.map === undefined ? {} : { map: facts.options.map }),
      ...(facts.options.union === undefined ? {} : { union: facts.options.union }),
      ...(kinds ? { kinds } : {}),
    }
    descriptions[name] = {
      '': model.description,
      ...Object.fromEntries(model.fields.map(field => [field.name, field.description])),
    }
  }
  return { schema: { models, resources: resourceRows() }, descriptions }
}

function resourceRows(): ResourceRow[] {
  return readResources().map(({ groupVersion, resource, kind, options, subresources }) => ({
    groupVersion,
    resource,
    kind,
    options,
    subresources: subresources.map(({ name, kind, options }) => ({ name, kind, options })),
  }))
}

const { schema, descriptions } = build()
writeFileSync(join(target, 'schema.gen.json'), JSON.stringify(schema))
writeFileSync(join(target, 'descriptions.gen.json'), JSON.stringify(descriptions))
