/** The paths of served kinds and the operations on them, before either OpenAPI dialect. */
import type { GroupVersionKind } from '../../api/object.ts'
import type { Kind, Subresource } from '../kinds/kind.ts'
import { modelName } from '../schema/registry.ts'
import { definitionName, listDefinitionName } from './custom.ts'

export type Method = 'get' | 'put' | 'post' | 'delete' | 'patch'

export interface Operation {
  readonly method: Method
  /** x-kubernetes-action. */
  readonly action: string
  readonly id: string
  readonly tag: string
  readonly description: string
  readonly kind: GroupVersionKind
  readonly query: readonly string[]
  /** Definition names; no response means text. */
  readonly body?: string
  readonly response?: string
  readonly codes: readonly number[]
  readonly custom: boolean
}

export interface Path {
  readonly path: string
  readonly parameters: readonly ('namespace' | 'name')[]
  readonly operations: readonly Operation[]
}

export const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** Query parameters by name: type and what they do. */
export const queryParameters: { readonly [name: string]: readonly [type: string, description: string] } = {
  allowWatchBookmarks: ['boolean', 'Asks for watch events of type BOOKMARK.'],
  continue: ['string', "The token of a list's previous page."],
  dryRun: ['string', 'All runs every stage of the request but stores nothing.'],
  fieldManager: ['string', 'The name the change is recorded under in managedFields.'],
  fieldSelector: ['string', 'Restricts the objects by their fields.'],
  fieldValidation: ['string', 'What to do about unknown and duplicate fields: Ignore, Warn or Strict.'],
  force: ['boolean', 'Takes over fields other managers own; for apply patches only.'],
  gracePeriodSeconds: ['integer', 'Seconds before the object is deleted.'],
  ignoreStoreReadErrorWithClusterBreakingPotential: [
    'boolean',
    'Deletes an object that cannot be read from the store.',
  ],
  labelSelector: ['string', 'Restricts the objects by their labels.'],
  limit: ['integer', 'The most objects in one response.'],
  orphanDependents: ['boolean', 'Deprecated in favour of propagationPolicy.'],
  pretty: ['string', 'Indents the output if true.'],
  propagationPolicy: ['string', 'How dependents are deleted: Orphan, Background or Foreground.'],
  resourceVersion: ['string', 'How recent the answer must be.'],
  resourceVersionMatch: ['string', 'How resourceVersion is applied: Exact or NotOlderThan.'],
  sendInitialEvents: ['boolean', 'Starts a watch with the current objects.'],
  timeoutSeconds: ['integer', 'The most seconds the call may last.'],
  watch: ['boolean', 'Streams changes instead of listing.'],
}

const list = [
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
]
const write = ['dryRun', 'fieldManager', 'fieldValidation']
const remove = [
  'dryRun',
  'gracePeriodSeconds',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
  'orphanDependents',
  'propagationPolicy',
]

interface Shape {
  readonly method: Method
  readonly action: string
  readonly words: string
  readonly query: readonly string[]
  readonly codes: readonly number[]
}

/** What a verb is on the wire. */
const verbs: { readonly [verb: string]: Shape } = {
  list: {
    method: 'get',
    action: 'list',
    words: 'list objects of',
    query: ['allowWatchBookmarks', ...list, 'watch'],
    codes: [200],
  },
  create: { method: 'post', action: 'post', words: 'create', query: write, codes: [200, 201, 202] },
  deletecollection: {
    method: 'delete',
    action: 'deletecollection',
    words: 'delete collection of',
    query: [...list, ...remove],
    codes: [200],
  },
  get: { method: 'get', action: 'get', words: 'read the specified', query: [], codes: [200] },
  update: { method: 'put', action: 'put', words: 'replace the specified', query: write, codes: [200, 201] },
  patch: {
    method: 'patch',
    action: 'patch',
    words: 'partially update the specified',
    query: [...write, 'force'],
    codes: [200, 201],
  },
  delete: { method: 'delete', action: 'delete', words: 'delete', query: remove, codes: [200, 202] },
}

const idVerbs: { readonly [verb: string]: string } = { get: 'read', update: 'replace' }
const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)

/** The group in operation ids and tags: "core", "rbacAuthorization", "stableExampleCom". */
function groupWord(group: string): string {
  if (group === '') return 'core'
  const [first = '', ...rest] = group.replace(/\.k8s\.io$/, '').split('.')
  return first + rest.map(capital).join('')
}

/** Every path of one kind: for all namespaces, the collection, the object, and its subresources. */
export function* pathsOf(kind: Kind): Generator<Path> {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`
  const scope = kind.namespaced ? '/namespaces/{namespace}' : ''
  const space = kind.namespaced ? (['namespace'] as const) : []
  const collection = `${root}${scope}/${kind.resource}`
  const of = (names: readonly string[]) =>
    names.filter(verb => kind.verbs.includes(verb)).map(verb => operation(kind, verb))
  yield* path(collection, space, of(['list', 'create', 'deletecollection']))
  yield* path(`${collection}/{name}`, ['name', ...space], of(['get', 'update', 'delete', 'patch']))
  for (const below of kind.subresources)
    yield* path(
      `${collection}/{name}/${below.name}`,
      ['name', ...space],
      below.verbs.map(verb => subresourceOperation(kind, below, verb)),
    )
  if (kind.namespaced && kind.verbs.includes('list'))
    yield* path(`${root}/${kind.resource}`, [], [operation(kind, 'list', 'ForAllNamespaces')])
}

function* path(path: string, parameters: Path['parameters'], operations: Operation[]): Generator<Path> {
  if (operations.length > 0) yield { path, parameters, operations }
}

function idOf(kind: Kind, verb: string, suffix: string): string {
  const scoped = kind.namespaced && suffix !== 'ForAllNamespaces' ? 'Namespaced' : ''
  const many = verb === 'deletecollection' ? 'Collection' : ''
  const word = idVerbs[verb] ?? (verb === 'deletecollection' ? 'delete' : verb)
  return `${word}${capital(groupWord(kind.group))}${capital(kind.version)}${many}${scoped}${kind.kind}${suffix}`
}

function operation(kind: Kind, verb: string, suffix = ''): Operation {
  const { words, ...shape } = verbs[verb]!
  const { group, version } = kind
  const name = definitionName(kind)
  const bodies: { [verb: string]: string } = { create: name, update: name, patch: `${meta}.Patch` }
  const body = shape.method === 'delete' ? `${meta}.DeleteOptions` : bodies[verb]
  const responses: { [verb: string]: string } = { list: listDefinitionName(kind), deletecollection: `${meta}.Status` }
  const gone = verb === 'delete' && (kind.custom || !returnsObject.has(kind.resource))
  return {
    ...shape,
    id: idOf(kind, verb, suffix),
    tag: `${groupWord(group)}_${version}`,
    description: `${words} ${kind.kind}`,
    kind: { group, version, kind: kind.kind },
    ...(body === undefined ? {} : { body }),
    response: responses[verb] ?? (gone ? `${meta}.Status` : name),
    custom: kind.custom,
  }
}

/** Resources whose DELETE answers with the object instead of a Status. */
const returnsObject = new Set([
  ...[
    'pods',
    'podtemplates',
    'persistentvolumes',
    'persistentvolumeclaims',
    'resourcequotas',
    'serviceaccounts',
    'services',
  ],
  ...['deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices'],
  ...['csidrivers', 'csinodes', 'storageclasses', 'volumeattachments', 'volumeattributesclasses'],
])

function subresourceOperation(kind: Kind, below: Subresource, verb: string): Operation {
  const { words, ...shape } = verbs[verb]!
  const target = { group: below.group ?? kind.group, version: below.version ?? kind.version, kind: below.kind }
  const own = target.kind === kind.kind
  const definition = own ? definitionName(kind) : modelName(target)
  const connects = target.kind.endsWith('Options')
  const response = below.name === 'log' ? undefined : definition
  const bodies: { [verb: string]: string | undefined } = {
    create: definition,
    update: definition,
    patch: `${meta}.Patch`,
  }
  const body = connects ? undefined : bodies[verb]
  return {
    ...shape,
    action: connects ? 'connect' : shape.action,
    query: connects ? [] : shape.query,
    codes: connects ? [200] : shape.codes,
    id: connects
      ? idOf(kind, `connect${capital(shape.method)}`, capital(below.name))
      : idOf(kind, verb, capital(below.name)),
    tag: `${groupWord(kind.group)}_${kind.version}`,
    description: `${words} ${below.name} of ${kind.kind}`,
    kind: target,
    ...(body === undefined ? {} : { body }),
    ...(response === undefined ? {} : { response }),
    custom: kind.custom,
  }
}

/** Definitions an operation mentions. */
export function operationModels(operations: readonly Operation[]): string[] {
  return operations.flatMap(({ body, response }) => [body, response].filter(name => name !== undefined))
}
