/** create: a new object, named by the client or by the server. */
import { errors, failure } from '../../api/errors.ts'
import { validateObjectMeta } from '../kinds/common/metadata.ts'
import type { Mutable } from '../kinds/kind.ts'
import type { Stored } from '../store/store.ts'
import type { Call, VerbDeps, WriteOptions, Written } from './call.ts'
import { gr, hasSubresource, hookOf, invalid, isConflictError, storeOf, writeContext } from './call.ts'
import { copyOf } from './copy.ts'
import { matchRequest, metadataRules, stampNew } from './metadata.ts'
import { judgedOnNewest } from './newest.ts'
import { tracked } from './ownership.ts'
import { present, toStored } from './present.ts'

const generateNameAttempts = 8

/**
 * Stores `body` (decoded, in the version of the call; taken over by this function). `owned` says that its managedFields
 * are settled already, as apply does.
 */
export async function createObject(
  deps: VerbDeps,
  call: Call,
  body: Mutable,
  options: WriteOptions,
  owned = false,
): Promise<Written> {
  const { kind } = call
  if (body.metadata.resourceVersion) {
    throw failure(500, '', 'resourceVersion should not be set on objects to be created')
  }
  matchRequest(call, body)
  kind.strategy.defaults?.(body)
  // Nodes alone may register with their status; elsewhere a client's status is dropped before anyone comes to own it.
  if (hasSubresource(kind, 'status') && !(kind.group === '' && kind.resource === 'nodes')) delete body.status
  const cache = await storeOf(deps, kind)
  if (!cache.shared) return await admitAndStore(deps, call, body, options, owned)
  return await judgedOnNewest(cache, () => admitAndStore(deps, call, copyOf(body), options, owned))
}

async function admitAndStore(
  deps: VerbDeps,
  call: Call,
  body: Mutable,
  options: WriteOptions,
  owned: boolean,
): Promise<Written> {
  const draft = owned ? body : tracked(deps, call, options, undefined, body)
  await deps.admission.mutate(admissionRequest(call, draft, options))
  if (draft.metadata.name || !draft.metadata.generateName) return await store(deps, call, draft, options)
  for (let attempt = 1; ; attempt++) {
    try {
      return await store(deps, call, copyOf(draft), options)
    } catch (error) {
      const taken = error instanceof Error && 'reason' in error && error.reason === 'AlreadyExists'
      if (!taken || attempt === generateNameAttempts) throw error
    }
  }
}

async function store(deps: VerbDeps, call: Call, draft: Mutable, options: WriteOptions): Promise<Written> {
  const { kind } = call
  const { strategy } = kind
  const generated = !draft.metadata.name
  const hook = hookOf(deps, kind)
  stampNew(deps, call, draft)
  const undo = hook && (await hook.before(draft, undefined, options.dryRun))
  let done = false
  try {
    strategy.prepareForCreate?.(draft, writeContext(deps, call, options.dryRun))
    checkNew(call, draft)
    for (const warning of strategy.warnings?.(draft, undefined) ?? []) call.warn(warning)
    await deps.admission.validate(admissionRequest(call, draft, options))
    const cache = await storeOf(deps, kind)
    const { namespace = '', name = '' } = draft.metadata
    const exists = () =>
      generated ? errors.generateNameConflict(gr(kind), name) : errors.alreadyExists(gr(kind), name)
    if ((options.dryRun || !cache.shared) && cache.get(namespace, name)) throw exists()
    if (options.dryRun) return { status: 201, object: draft }
    let stored: Stored
    try {
      stored = await cache.create(toStored(kind, draft))
    } catch (error) {
      throw isConflictError(error) ? exists() : error
    }
    done = true
    await hook?.after(undefined, stored.object)
    const shown = present(kind, stored)
    return { status: 201, object: shown.object, stored: shown }
  } finally {
    if (!done) await undo?.()
  }
}

function checkNew(call: Call, draft: Mutable): void {
  const { kind } = call
  const { strategy } = kind
  const problems = [
    ...validateObjectMeta(draft, { ...metadataRules(kind), validateName: strategy.validateName }),
    ...(strategy.validate?.(draft) ?? []),
    ...(strategy.validateCreate?.(draft) ?? []),
  ]
  if (problems.length > 0) throw invalid(kind, draft.metadata.name ?? '', problems)
}

function admissionRequest(call: Call, object: Mutable, options: WriteOptions) {
  return {
    operation: 'CREATE' as const,
    kind: call.kind,
    subresource: '',
    namespace: call.namespace,
    name: object.metadata.name ?? '',
    user: call.user,
    dryRun: options.dryRun,
    object,
    old: undefined,
    options: writeOptionsObject('CreateOptions', options),
    warn: (text: string) => call.warn(text),
  }
}

/** The options object admission sees. */
export function writeOptionsObject(kind: string, options: WriteOptions): { [field: string]: unknown } {
  return {
    kind,
    apiVersion: 'meta.k8s.io/v1',
    ...(options.dryRun ? { dryRun: ['All'] } : {}),
    ...(options.fieldManager === '' ? {} : { fieldManager: options.fieldManager }),
    ...(options.force ? { force: true } : {}),
    ...(options.fieldValidation === 'Ignore' ? {} : { fieldValidation: options.fieldValidation }),
  }
}
