/** Validation of a CustomResourceDefinition (apiextensions-apiserver pkg/apis/apiextensions/validation). */
import type { FieldError } from '../../api/errors.ts'
import { field } from '../../api/errors.ts'
import { JsonPathError, parseJsonPath, simplePath } from '../../api/jsonpath.ts'
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from '../../api/types.gen.ts'
import { dns1035Label, dnsSubdomain } from '../kinds/common/names.ts'
import { jsonEqual } from '../patch/json.ts'
import { approvalAnnotation, approvalOf, isProtectedGroup } from './conditions.ts'
import { structuralErrors } from './structural-rules.ts'

type Errors = Generator<FieldError>

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']
const maxSelectableFields = 8

/** What is wrong with a definition, on create and update alike. */
export function* crdErrors(crd: CustomResourceDefinition): Errors {
  if (!crd.spec) {
    yield field.required('spec')
    return
  }
  const { group, names, scope } = crd.spec
  if (crd.metadata.name !== `${names?.plural}.${group}`) {
    yield field.invalid('metadata.name', crd.metadata.name, 'must be spec.names.plural+"."+spec.group')
  }
  yield* groupErrors(group)
  if (!scope) yield field.required('spec.scope')
  else if (scope !== 'Cluster' && scope !== 'Namespaced') {
    yield field.notSupported('spec.scope', scope, ['Cluster', 'Namespaced'])
  }
  yield* nameErrors(names)
  yield* versionsErrors(crd)
  yield* conversionErrors(crd)
  yield* storedVersionErrors(crd)
  if (crd.spec.preserveUnknownFields) {
    const rule =
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead'
    yield field.invalid('spec.preserveUnknownFields', true, rule)
  }
}

/** What else is wrong with the change of a definition. */
export function* crdUpdateErrors(crd: CustomResourceDefinition, old: CustomResourceDefinition): Errors {
  const established = old.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
  if (!established) return
  if (crd.spec.group !== old.spec.group) yield field.immutable('spec.group', crd.spec.group)
  if (crd.spec.scope !== old.spec.scope) yield field.immutable('spec.scope', crd.spec.scope)
  for (const name of ['plural', 'kind'] as const) {
    if (crd.spec.names[name] !== old.spec.names[name]) {
      yield field.immutable(`spec.names.${name}`, crd.spec.names[name])
    }
  }
}

/** Groups of the Kubernetes project need its approval; only asked of new definitions. */
export function* approvalErrors(crd: CustomResourceDefinition): Errors {
  if (!crd.spec || !isProtectedGroup(crd.spec.group)) return
  const approval = approvalOf(crd)
  if (approval.status === 'True' || approval.reason === 'UnapprovedAnnotation') return
  const path = `metadata.annotations[${approvalAnnotation}]`
  const value = crd.metadata.annotations?.[approvalAnnotation]
  yield value === undefined ? field.required(path, approval.message) : field.invalid(path, value, approval.message)
}

function* groupErrors(group: string | undefined): Errors {
  if (!group) {
    yield field.required('spec.group')
    return
  }
  const wrong = dnsSubdomain(group)
  if (wrong.length > 0) yield field.invalid('spec.group', group, wrong.join(','))
  else if (!group.includes('.')) yield field.invalid('spec.group', group, 'should be a domain with at least one dot')
}

function* nameErrors(names: CustomResourceDefinitionNames | undefined): Errors {
  const path = 'spec.names'
  const label = (at: string, value: string) => dns1035Label(value).map(text => field.invalid(at, value, text))
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const) {
    const value = names?.[name]
    if (!value) yield field.required(`${path}.${name}`)
    else if (name === 'plural' || name === 'singular') yield* label(`${path}.${name}`, value)
    else {
      const wrong = dns1035Label(value.toLowerCase())
      const rule = `may have mixed case, but should otherwise match: ${wrong.join(',')}`
      if (wrong.length > 0) yield field.invalid(`${path}.${name}`, value, rule)
    }
  }
  for (const list of ['shortNames', 'categories'] as const) {
    for (const [index, value] of (names?.[list] ?? []).entries()) yield* label(`${path}.${list}[${index}]`, value)
  }
  if (names?.kind && names.kind === names.listKind) {
    yield field.invalid(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same')
  }
}

function* versionsErrors({ spec }: CustomResourceDefinition): Errors {
  const versions = spec.versions ?? []
  const names = versions.map(version => version.name)
  if (versions.length === 0) yield field.required('spec.versions', 'must have at least one version')
  if (new Set(names).size < names.length) {
    yield field.invalid('spec.versions', names, 'must contain unique version names')
  }
  if (versions.filter(version => version.storage).length !== 1) {
    yield field.invalid('spec.versions', names, 'must have exactly one version marked as storage version')
  }
  for (const [index, version] of versions.entries()) yield* versionErrors(version, `spec.versions[${index}]`)
  for (const [part, errors] of Object.entries(partErrors) as [Part, PartErrors][]) {
    const [first, ...others] = versions
    if (first && others.every(version => jsonEqual(version[part], first[part]))) yield* errors(first, sharedPaths[part])
    else for (const [index, version] of versions.entries()) yield* errors(version, `spec.versions[${index}].${part}`)
  }
}

function* versionErrors(version: CustomResourceDefinitionVersion, path: string): Errors {
  for (const text of dns1035Label(version.name ?? '')) yield field.invalid(`${path}.name`, version.name, text)
  if (version.schema?.openAPIV3Schema === undefined) {
    yield field.required(`${path}.schema.openAPIV3Schema`, 'schemas are required')
  }
  if (version.deprecationWarning !== undefined && !version.deprecated) {
    const rule = 'can only be set for deprecated versions'
    yield field.invalid(`${path}.deprecationWarning`, version.deprecationWarning, rule)
  }
}

type Part = 'schema' | 'additionalPrinterColumns' | 'subresources' | 'selectableFields'
type PartErrors = (version: CustomResourceDefinitionVersion, path: string) => Errors

/** What all versions have alike is the definition's own to upstream, from before there were versions, and so are its errors. */
const sharedPaths: { readonly [part in Part]: string } = {
  schema: 'spec.validation',
  additionalPrinterColumns: 'spec.additionalPrinterColumns',
  subresources: 'spec.subresources',
  selectableFields: 'spec.selectableFields',
}
const partErrors: { readonly [part in Part]: PartErrors } = {
  *schema({ schema }, path) {
    if (schema?.openAPIV3Schema) yield* structuralErrors(schema.openAPIV3Schema, `${path}.openAPIV3Schema`)
  },
  additionalPrinterColumns: columnErrors,
  subresources: (version, path) => scaleErrors(version, `${path}.scale`),
  selectableFields: (version, path) => selectableErrors(version, version.schema?.openAPIV3Schema, path),
}

function* columnErrors(version: CustomResourceDefinitionVersion, path: string): Errors {
  for (const [index, column] of (version.additionalPrinterColumns ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!column.name) yield field.required(`${at}.name`)
    if (!column.type) yield field.required(`${at}.type`, `must be one of ${columnTypes.join(',')}`)
    else if (!columnTypes.includes(column.type)) {
      yield field.invalid(`${at}.type`, column.type, `must be one of ${columnTypes.join(',')}`)
    }
    if (!column.jsonPath) yield field.required(`${at}.jsonPath`)
    else yield* jsonPathErrors(column.jsonPath, `${at}.jsonPath`)
  }
}

function* jsonPathErrors(text: string, path: string): Errors {
  try {
    parseJsonPath(text)
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error
    yield field.invalid(path, text, error.message)
  }
}

function* scaleErrors(version: CustomResourceDefinitionVersion, path: string): Errors {
  const scale = version.subresources?.scale
  if (!scale) return
  const rules = [
    ['specReplicasPath', ['.spec.'], true],
    ['statusReplicasPath', ['.status.'], true],
    ['labelSelectorPath', ['.spec.', '.status.'], false],
  ] as const
  for (const [name, roots, required] of rules) {
    const value = scale[name]
    if (!value) {
      if (required) yield field.required(`${path}.${name}`)
    } else if (!/^(\.[A-Za-z_][\w-]*)+$/.test(value)) {
      yield field.invalid(`${path}.${name}`, value, 'should be a json path')
    } else if (!roots.some(root => value.startsWith(root))) {
      const where = roots.map(root => root.slice(0, -1)).join(' or ')
      yield field.invalid(`${path}.${name}`, value, `should be a json path under ${where}`)
    }
  }
}

function* selectableErrors(
  version: CustomResourceDefinitionVersion,
  schema: JSONSchemaProps | undefined,
  path: string,
): Errors {
  const fields = version.selectableFields ?? []
  if (fields.length > maxSelectableFields) yield field.tooMany(path, fields.length, maxSelectableFields)
  const seen = new Set<string>()
  for (const [index, { jsonPath }] of fields.entries()) {
    const at = `${path}[${index}].jsonPath`
    if (!jsonPath) yield field.required(at)
    else if (seen.has(jsonPath)) yield field.duplicate(at, jsonPath)
    else {
      const problem = selectableProblem(jsonPath, schema)
      if (problem !== undefined) yield field.invalid(at, jsonPath, problem)
    }
    seen.add(jsonPath)
  }
}

function selectableProblem(jsonPath: string, schema: JSONSchemaProps | undefined): string | undefined {
  let names: readonly string[] | undefined
  try {
    names = jsonPath.startsWith('.') ? simplePath(jsonPath) : undefined
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error
  }
  if (names === undefined || names.length === 0) return 'is an invalid path: must be a simple json path'
  const node = names.reduce<JSONSchemaProps | undefined>((at, name) => at?.properties?.[name], schema)
  if (node === undefined) return 'is an invalid path: does not refer to a valid field'
  if (names[0] === 'metadata') return 'must not point to fields in metadata'
  if (['string', 'boolean', 'integer'].includes(node.type ?? '')) return undefined
  return 'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.'
}

function* conversionErrors({ spec }: CustomResourceDefinition): Errors {
  const { conversion } = spec
  if (!conversion) return
  if (conversion.strategy !== 'None' && conversion.strategy !== 'Webhook') {
    yield field.notSupported('spec.conversion.strategy', conversion.strategy, ['None', 'Webhook'])
  } else if (conversion.strategy === 'Webhook' && !conversion.webhook?.clientConfig) {
    yield field.required('spec.conversion.webhook.clientConfig', 'required when strategy is set to Webhook')
  } else if (conversion.strategy === 'None' && conversion.webhook) {
    yield field.forbidden('spec.conversion.webhook', 'should not be set when strategy is not set to Webhook')
  }
}

function* storedVersionErrors({ spec, status }: CustomResourceDefinition): Errors {
  const stored = status?.storedVersions ?? []
  const names = (spec.versions ?? []).map(version => version.name)
  for (const [index, version] of stored.entries()) {
    if (!names.includes(version)) {
      yield field.invalid(`status.storedVersions[${index}]`, version, 'must appear in spec.versions')
    }
  }
  const storage = spec.versions?.find(version => version.storage)?.name
  if (storage !== undefined && !stored.includes(storage)) {
    yield field.invalid('status.storedVersions', stored, `must have the storage version ${storage}`)
  }
}
