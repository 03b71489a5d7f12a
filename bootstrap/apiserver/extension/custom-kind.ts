/** A CustomResourceDefinition as kinds: one per served version, on the same path as the built-in ones. */
import { type FieldError, failure } from '../../api/errors.ts'
import { parseJsonPath } from '../../api/jsonpath.ts'
import { apiVersionOf, draftOf, type KubeObject } from '../../api/object.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps } from '../../api/types.gen.ts'
import type { Kind, Scale, Strategy, Subresource } from '../kinds/kind.ts'
import { jsonEqual } from '../patch/json.ts'
import { coerce } from '../schema/decode.ts'
import type { Schema } from '../schema/schema.ts'
import { validationRules } from './cel/rules.ts'
import { customTable } from './columns.ts'
import { applyDefaults, hasDefaults } from './defaulting.ts'
import { structuralSchema } from './structural.ts'
import { type ValidationRules, validateValue } from './validate.ts'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const subresourceVerbs = ['get', 'patch', 'update']

/** The kinds of the versions a definition serves. One that is being deleted takes no new objects. */
export function kindsOfCrd(crd: CustomResourceDefinition): Kind[] {
  return crd.spec.versions.filter(version => version.served).map(version => new CustomKind(crd, version).kind)
}

class CustomKind {
  readonly #crd: CustomResourceDefinition
  readonly #version: CustomResourceDefinitionVersion
  readonly #props: JSONSchemaProps
  readonly #rules: ValidationRules
  #schema: Schema | undefined

  constructor(crd: CustomResourceDefinition, version: CustomResourceDefinitionVersion) {
    this.#crd = crd
    this.#version = version
    this.#props = version.schema?.openAPIV3Schema ?? {}
    this.#rules = validationRules(this.#props)
  }

  /** Built when first needed: most definitions of a cluster are hardly ever used. */
  schema(): Schema {
    return (this.#schema ??= structuralSchema(this.#version.schema?.openAPIV3Schema))
  }

  get kind(): Kind {
    const { spec, status } = this.#crd
    const {
      plural,
      singular,
      kind,
      listKind,
      shortNames = [],
      categories = [],
    } = { ...spec.names, ...status?.acceptedNames }
    const storage = spec.versions.find(version => version.storage)!
    const convert = this.#conversion(storage)
    const schemaOf = () => this.schema()
    return {
      group: spec.group,
      version: this.#version.name,
      kind,
      listKind: listKind ?? `${kind}List`,
      resource: plural,
      singular: singular ?? kind.toLowerCase(),
      shortNames,
      categories,
      namespaced: spec.scope === 'Namespaced',
      verbs,
      subresources: this.#subresources(kind),
      get schema() {
        return schemaOf()
      },
      strategy: this.#strategy(),
      storage: { group: spec.group, resource: plural, version: storage.name },
      ...(convert ? { convert } : {}),
      custom: true,
    }
  }

  #subresources(kind: string): Subresource[] {
    const { status, scale } = this.#version.subresources ?? {}
    return [
      ...(status ? [{ name: 'status', kind, verbs: subresourceVerbs }] : []),
      ...(scale
        ? [{ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: subresourceVerbs }]
        : []),
    ]
  }

  /**
   * Stored objects are pruned and defaulted when read, because the schema may have changed since. As long as the
   * definition is in its first generation, objects of the storage version are as they should be: what comes in another
   * version is brought to the storage version's schema before it is stored.
   */
  #conversion(storage: CustomResourceDefinitionVersion): Kind['convert'] {
    const { metadata, spec } = this.#crd
    if (storage === this.#version && metadata.generation === 1) return undefined
    const apiVersion = apiVersionOf({ group: spec.group, version: this.#version.name })
    const storedVersion = apiVersionOf({ group: spec.group, version: storage.name })
    const stored = storage === this.#version ? this : new CustomKind(this.#crd, storage)
    return {
      toStored: object =>
        object.apiVersion === storedVersion ? object : stored.#read({ ...object, apiVersion: storedVersion }),
      fromStored: object => this.#read(object.apiVersion === apiVersion ? object : { ...object, apiVersion }),
    }
  }

  /** The object itself when there is nothing to prune or to fill in. */
  #read(object: KubeObject): KubeObject {
    const pruned = coerce(this.schema(), object)
    if (!hasDefaults(this.schema())) return pruned
    const draft = draftOf(pruned)
    applyDefaults(draft, this.schema())
    return jsonEqual(draft, pruned) ? pruned : draft
  }

  #strategy(): Strategy {
    const { selectableFields, deprecated } = this.#version
    const updating = new WeakSet<object>()
    const scale = this.#scale()
    return {
      hasGeneration: true,
      allowUnconditionalUpdate: false,
      defaults: draft => applyDefaults(draft, this.schema()),
      ...(this.#crd.metadata.deletionTimestamp === undefined ? {} : { prepareForCreate: () => this.#refuse() }),
      prepareForUpdate: draft => void updating.add(draft),
      validate: object => (updating.has(object) ? [] : this.#errors(object)),
      validateUpdate: (object, old) => this.#errors(object, old),
      validateStatusUpdate: (object, old) => this.#errors(object, old),
      table: customTable(this.#version.additionalPrinterColumns),
      ...(scale ? { scale } : {}),
      ...(selectableFields ? selectors(selectableFields.map(field => field.jsonPath)) : {}),
      ...(deprecated ? { warnings: () => [this.#deprecation()] } : {}),
    }
  }

  #errors(object: KubeObject, old?: KubeObject): FieldError[] {
    return validateValue(this.#props, object, '', { old, rules: this.#rules })
  }

  #refuse(): never {
    const { group, names } = this.#crd.spec
    const message = 'create not allowed while custom resource definition is terminating'
    throw failure(405, 'MethodNotAllowed', message, { group, kind: names.plural })
  }

  #deprecation(): string {
    const { group, names } = this.#crd.spec
    return this.#version.deprecationWarning ?? `${group}/${this.#version.name} ${names.kind} is deprecated`
  }

  #scale(): Scale | undefined {
    const scale = this.#version.subresources?.scale
    if (!scale) return undefined
    const path = scale.labelSelectorPath ? parseJsonPath(scale.labelSelectorPath) : undefined
    return {
      specReplicas: scale.specReplicasPath.slice(1),
      statusReplicas: scale.statusReplicasPath.slice(1),
      selector: object => {
        const value = path?.find(object)[0]
        return typeof value === 'string' ? value : ''
      },
    }
  }
}

/** Field selectors over selectableFields, named by their paths without the leading dot. */
function selectors(jsonPaths: readonly string[]): Pick<Strategy, 'fields' | 'fieldNames'> {
  const paths = jsonPaths.map(text => ({ name: text.slice(1), path: parseJsonPath(text) }))
  const textOf = (value: unknown) => (value === undefined || typeof value === 'object' ? '' : String(value))
  return {
    fieldNames: paths.map(({ name }) => name),
    fields: object => Object.fromEntries(paths.map(({ name, path }) => [name, textOf(path.find(object)[0])])),
  }
}
