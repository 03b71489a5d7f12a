/** managedFields of writes, in the terms of a call (the rules are in ../patch/apply). */
import type { KubeObject } from '../../api/object.ts'
import { apiVersionOf } from '../../api/object.ts'
import { rfc3339 } from '../../api/time.ts'
import type { Mutable } from '../kinds/kind.ts'
import { applyPatch } from '../patch/apply/apply.ts'
import { trackUpdate } from '../patch/apply/track.ts'
import type { Call, VerbDeps, WriteOptions } from './call.ts'
import { hasSubresource, managerOf } from './call.ts'
import { copyOf } from './copy.ts'

/** The draft with managedFields that say what this write changed. */
export function tracked(
  deps: VerbDeps,
  call: Call,
  options: WriteOptions,
  live: KubeObject | undefined,
  draft: Mutable,
): Mutable {
  return trackUpdate({ ...ownerOf(deps, call, options), live, updated: draft }) as Mutable
}

/** The stored object, or a new one, with an apply configuration merged in; shares nothing with its arguments. */
export function applied(
  deps: VerbDeps,
  call: Call,
  options: WriteOptions,
  live: KubeObject | undefined,
  configuration: KubeObject,
): Mutable {
  return copyOf(
    applyPatch({ ...ownerOf(deps, call, options), live, applied: { ...configuration }, force: options.force }),
  )
}

function ownerOf(deps: VerbDeps, call: Call, options: WriteOptions) {
  return {
    schema: call.kind.schema,
    manager: managerOf(call, options),
    subresource: call.subresource,
    apiVersion: apiVersionOf(call.kind),
    now: rfc3339(deps.clock.now()),
    resetFields: resetFields(call),
  }
}

/** What this endpoint does not write, and so nobody comes to own through it. */
function resetFields(call: Call): readonly (readonly string[])[] {
  if (call.subresource === 'status') return [['spec'], ...(call.kind.custom ? [['metadata']] : [])]
  return call.subresource === '' && hasSubresource(call.kind, 'status') ? [['status']] : []
}
