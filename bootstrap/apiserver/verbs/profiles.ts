/** What a write to an object or to one of its subresources may change, and which hooks of the kind it runs. */
import type { FieldError } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { restoreField } from '../kinds/common/build.ts'
import type { Kind, Mutable, WriteContext } from '../kinds/kind.ts'
import { hasSubresource } from './call.ts'

export interface UpdateProfile {
  readonly subresource: string
  /** Puts back what this endpoint does not write; runs before ownership is settled and again after admission. */
  restrict(draft: Mutable, live: KubeObject, kind: Kind): void
  prepare(draft: Mutable, live: KubeObject, context: WriteContext, kind: Kind): void
  validate(object: KubeObject, live: KubeObject, kind: Kind): readonly FieldError[]
}

export const mainProfile: UpdateProfile = {
  subresource: '',
  restrict(draft, live, kind) {
    if (hasSubresource(kind, 'status')) restoreField(draft, live, 'status')
  },
  prepare: (draft, live, context, kind) => kind.strategy.prepareForUpdate?.(draft, live, context),
  validate: (object, live, { strategy }) => [
    ...(strategy.validate?.(object) ?? []),
    ...(strategy.validateUpdate?.(object, live) ?? []),
  ],
}

export const statusProfile: UpdateProfile = {
  subresource: 'status',
  restrict: (draft, live, kind) => restoreAllBut(draft, live, ['status'], kind),
  prepare: (draft, live, context, kind) => kind.strategy.prepareForStatusUpdate?.(draft, live, context),
  validate: (object, live, { strategy }) => strategy.validateStatusUpdate?.(object, live) ?? [],
}

/**
 * Takes everything from the stored object but the given fields. Metadata of built-in kinds stays the client's (their
 * labels and annotations may change with the status), that of custom ones is restored, managedFields apart.
 */
export function restoreAllBut(draft: Mutable, live: KubeObject, kept: readonly string[], kind: Kind): void {
  for (const field of new Set([...Object.keys(draft), ...Object.keys(live)])) {
    if (field !== 'metadata' && field !== 'apiVersion' && field !== 'kind' && !kept.includes(field)) {
      restoreField(draft, live, field)
    }
  }
  if (!kind.custom) return
  const { managedFields, resourceVersion, uid } = draft.metadata
  draft.metadata = {
    ...structuredClone(live.metadata as Mutable['metadata']),
    managedFields,
    resourceVersion,
    uid,
  }
}
