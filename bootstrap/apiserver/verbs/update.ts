/** update: replaces an object, and the transaction every other change of an existing object goes through. */
import { errors, field } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { validateObjectMeta, validateObjectMetaUpdate } from '../kinds/common/metadata.ts'
import type { Mutable } from '../kinds/kind.ts'
import type { Stored } from '../store/store.ts'
import type { Call, VerbDeps, WriteOptions, Written } from './call.ts'
import { authorizeCreate, gr, hookOf, invalid, storeOf, writeContext } from './call.ts'
import { copyOf } from './copy.ts'
import { createObject, writeOptionsObject } from './create.ts'
import { holdsContent } from './delete.ts'
import { bumpGeneration, isNoop, matchRequest, metadataRules, restoreSystem } from './metadata.ts'
import { isMissing, type Outcome, onNewest } from './newest.ts'
import { tracked } from './ownership.ts'
import { present, toStored } from './present.ts'
import type { UpdateProfile } from './profiles.ts'
import { mainProfile, statusProfile } from './profiles.ts'

/** Computes what the object should become; gets the stored object in the version of the call. */
export type Change = (live: KubeObject) => Mutable | Promise<Mutable>

export interface UpdateRules {
  readonly profile: UpdateProfile
  /** managedFields of the change are settled already (apply). */
  readonly owned?: boolean
  /** An empty resourceVersion overwrites whatever is there, even for kinds that ask for one. */
  readonly unconditional?: boolean
}

/** PUT. `body` is decoded, in the version of the call. */
export async function updateObject(
  deps: VerbDeps,
  call: Call,
  body: Mutable,
  options: WriteOptions,
  profile: UpdateProfile = mainProfile,
): Promise<Written> {
  matchRequest(call, body)
  call.kind.strategy.defaults?.(body)
  const cache = await storeOf(deps, call.kind)
  const creates = call.kind.strategy.allowCreateOnUpdate === true && profile === mainProfile
  if (creates && (await isMissing(cache, call))) {
    authorizeCreate(deps, call)
    delete body.metadata.resourceVersion
    return await createObject(deps, call, body, options)
  }
  return await changeObject(deps, call, options, () => copyOf(body), { profile })
}

/** Applies `change` to the stored object until it is committed. One that loses a race starts over; if it named a version, that fails. */
export async function changeObject(
  deps: VerbDeps,
  call: Call,
  options: WriteOptions,
  change: Change,
  rules: UpdateRules,
): Promise<Written> {
  const cache = await storeOf(deps, call.kind)
  return await onNewest(cache, call, async stored => {
    if (!stored) throw errors.notFound(gr(call.kind), call.name)
    const live = present(call.kind, stored).object
    const draft = await change(live)
    checkVersion(call, draft, live, rules)
    return await commitChange(deps, call, options, draft, stored, live, rules)
  })
}

function checkVersion(call: Call, draft: Mutable, live: KubeObject, rules: UpdateRules): void {
  const { resourceVersion } = draft.metadata
  if (resourceVersion && resourceVersion !== live.metadata.resourceVersion) throw errors.stale(gr(call.kind), call.name)
  if (!resourceVersion && !rules.unconditional && call.kind.strategy.allowUnconditionalUpdate === false) {
    throw invalid(call.kind, call.name, [
      field.invalid('metadata.resourceVersion', 0, 'must be specified for an update'),
    ])
  }
}

async function commitChange(
  deps: VerbDeps,
  call: Call,
  options: WriteOptions,
  wanted: Mutable,
  stored: Stored,
  live: KubeObject,
  rules: UpdateRules,
): Promise<Outcome<Written>> {
  const { kind } = call
  const { profile } = rules
  const hook = profile === mainProfile ? hookOf(deps, kind) : undefined
  restoreSystem(call, wanted, live)
  profile.restrict(wanted, live, kind)
  const draft = rules.owned ? wanted : tracked(deps, call, options, live, wanted)
  const request = {
    operation: 'UPDATE' as const,
    kind,
    subresource: call.subresource,
    namespace: call.namespace,
    name: call.name,
    user: call.user,
    dryRun: options.dryRun,
    object: draft,
    old: live,
    options: writeOptionsObject('UpdateOptions', options),
    warn: (text: string) => call.warn(text),
  }
  await deps.admission.mutate(request)
  restoreSystem(call, draft, live)
  profile.restrict(draft, live, kind)
  const undo = hook && (await hook.before(draft, live, options.dryRun))
  let done = false
  try {
    profile.prepare(draft, live, writeContext(deps, call, options.dryRun), kind)
    if (profile !== statusProfile) bumpGeneration(kind, draft, live)
    checkChange(call, draft, live, profile)
    for (const warning of kind.strategy.warnings?.(draft, live) ?? []) call.warn(warning)
    await deps.admission.validate(request)
    if (isNoop(draft, live)) return uncommitted({ status: 200, object: live, stored: present(kind, stored) })
    if (options.dryRun) return uncommitted({ status: 200, object: draft })
    const cache = await storeOf(deps, kind)
    if (isFinished(draft) && !holdsContent(kind, draft)) {
      const gone = await cache.delete(stored.namespace, stored.name, stored.revision)
      done = true
      await hookOf(deps, kind)?.after(gone.object, undefined)
      return committed({ status: 200, object: draft })
    }
    const next = await cache.update(toStored(kind, draft), stored.revision)
    done = true
    await hook?.after(live, next.object)
    const shown = present(kind, next)
    return committed({ status: 200, object: shown.object, stored: shown })
  } finally {
    if (!done) await undo?.()
  }
}

const committed = (value: Written): Outcome<Written> => ({ value, committed: true })
const uncommitted = (value: Written): Outcome<Written> => ({ value, committed: false })

/** An object being deleted goes with its last finalizer, once its grace is over. */
function isFinished({ metadata }: KubeObject): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    (metadata.finalizers ?? []).length === 0 &&
    (metadata.deletionGracePeriodSeconds ?? 0) === 0
  )
}

function checkChange(call: Call, draft: Mutable, live: KubeObject, profile: UpdateProfile): void {
  const { kind } = call
  const rules = { ...metadataRules(kind), validateName: () => [] }
  const problems = [
    ...validateObjectMetaUpdate(draft, live),
    ...validateObjectMeta(draft, rules),
    ...profile.validate(draft, live, kind),
  ]
  if (problems.length > 0) throw invalid(kind, call.name, problems)
}
