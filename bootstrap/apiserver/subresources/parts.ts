/** Subresources that show the whole object and write one part of it. */
import type { FieldError } from '../../api/errors.ts'
import { field } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { rfc3339 } from '../../api/time.ts'
import type { Pod } from '../../api/types.gen.ts'
import { same } from '../kinds/common/defaulting.ts'
import { resizeErrors } from '../kinds/core/pod-resize.ts'
import type { Mutable } from '../kinds/kind.ts'
import { copyOf } from '../verbs/copy.ts'
import type { UpdateProfile } from '../verbs/profiles.ts'
import { restoreAllBut, statusProfile } from '../verbs/profiles.ts'

interface Container {
  name: string
  resources?: unknown
  resizePolicy?: unknown
}

interface PodSpec {
  containers?: Container[]
  initContainers?: Container[]
  ephemeralContainers?: Container[]
}

const specOf = (object: KubeObject | Mutable) => (object.spec ?? {}) as PodSpec

/** namespaces/finalize: only spec.finalizers. */
const finalize: UpdateProfile = {
  subresource: 'finalize',
  restrict: (draft, live, kind) => restoreAllBut(draft, live, ['spec'], kind),
  prepare: () => {},
  validate: () => [],
}

/** pods/ephemeralcontainers: containers may be added, never taken away or changed. */
const ephemeralContainers: UpdateProfile = {
  subresource: 'ephemeralcontainers',
  restrict(draft, live, kind) {
    const { ephemeralContainers: wanted } = specOf(draft)
    restoreAllBut(draft, live, [], kind)
    draft.metadata = { ...copyOf(live.metadata), managedFields: draft.metadata.managedFields } as Mutable['metadata']
    if (wanted) specOf(draft).ephemeralContainers = wanted
    else delete specOf(draft).ephemeralContainers
  },
  prepare: () => {},
  validate: (object, live, kind) => [...ephemeralProblems(object, live), ...(kind.strategy.validate?.(object) ?? [])],
}

function ephemeralProblems(object: KubeObject, live: KubeObject): FieldError[] {
  const path = 'spec.ephemeralContainers'
  const wanted = specOf(object).ephemeralContainers ?? []
  return (specOf(live).ephemeralContainers ?? []).flatMap(old => {
    const found = wanted.find(container => container.name === old.name)
    if (!found)
      return [field.forbidden(path, `existing ephemeral containers ${JSON.stringify(old.name)} may not be removed\n`)]
    return same(found, old)
      ? []
      : [field.forbidden(path, `existing ephemeral containers ${JSON.stringify(old.name)} may not be changed\n`)]
  })
}

/** pods/resize: only the resources of containers and how they are resized. */
const resize: UpdateProfile = {
  subresource: 'resize',
  restrict(draft, live, kind) {
    const wanted = specOf(draft)
    restoreAllBut(draft, live, [], kind)
    const spec = specOf(draft)
    for (const list of ['containers', 'initContainers'] as const) {
      for (const container of spec[list] ?? []) {
        const asked = wanted[list]?.find(candidate => candidate.name === container.name)
        if (asked?.resources !== undefined) container.resources = asked.resources
        if (asked?.resizePolicy !== undefined) container.resizePolicy = asked.resizePolicy
      }
    }
  },
  prepare: () => {},
  validate: (object, live, kind) => [
    ...(kind.strategy.validate?.(object) ?? []),
    ...resizeErrors(object as unknown as Pod, live as unknown as Pod),
  ],
}

interface Condition {
  type: string
  status?: string
  lastUpdateTime?: string
  lastTransitionTime?: string
}

const decisions = new Set(['Approved', 'Denied'])

/** certificatesigningrequests/approval: only the Approved and Denied conditions, which /status cannot touch. */
const approval: UpdateProfile = {
  subresource: 'approval',
  restrict(draft, live, kind) {
    const wanted = conditionsOf(draft).filter(condition => decisions.has(condition.type))
    restoreAllBut(draft, live, [], kind)
    const kept = conditionsOf(draft).filter(condition => !decisions.has(condition.type))
    const status = (draft.status ??= {}) as { conditions?: Condition[] }
    if (wanted.length + kept.length > 0) status.conditions = [...kept, ...wanted]
  },
  prepare(draft, live, { clock }) {
    const before = new Map(conditionsOf(live).map(condition => [condition.type, condition]))
    const now = rfc3339(clock.now())
    for (const condition of conditionsOf(draft)) {
      condition.lastUpdateTime ??= now
      const old = before.get(condition.type)
      condition.lastTransitionTime ??= old?.status === condition.status ? (old?.lastTransitionTime ?? now) : now
    }
  },
  validate: (object, live, kind) => kind.strategy.validateStatusUpdate?.(object, live) ?? [],
}

function conditionsOf(object: KubeObject | Mutable): Condition[] {
  return (object.status as { conditions?: Condition[] } | undefined)?.conditions ?? []
}

/** By the subresource's name. */
export const partProfiles: { readonly [name: string]: UpdateProfile } = {
  status: statusProfile,
  finalize,
  ephemeralcontainers: ephemeralContainers,
  resize,
  approval,
}
