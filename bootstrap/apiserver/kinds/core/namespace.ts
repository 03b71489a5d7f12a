/** Namespace: its finalizer, phase and label are the server's. */
import { field } from '../../../api/errors.ts'
import type { Namespace } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { dnsLabel } from '../common/names.ts'

const nameLabel = 'kubernetes.io/metadata.name'

function* validateStatusUpdate(namespace: Namespace): Errors {
  const phase = namespace.status?.phase ?? ''
  if (!namespace.metadata?.deletionTimestamp) {
    if (phase !== 'Active') {
      yield field.invalid('status.Phase', phase, "may only be 'Active' if `deletionTimestamp` is empty")
    }
  } else if (phase !== 'Terminating') {
    yield field.invalid('status.Phase', phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")
  }
}

export const namespace = strategy<Namespace>({
  validateName: dnsLabel,
  defaults(draft) {
    const { metadata } = draft
    if (metadata?.name) metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name }
  },
  status: { phase: 'Active' },
  prepareForCreate(draft) {
    const { metadata } = draft
    if (metadata?.name) metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name }
    draft.spec = { finalizers: [...new Set([...(draft.spec?.finalizers ?? []), 'kubernetes'])] }
  },
  prepareForUpdate(draft, old) {
    draft.spec = { finalizers: [...(old.spec?.finalizers ?? [])] }
  },
  validateStatusUpdate,
  fieldNames: ['status.phase', 'name'],
  fields: object => ({ 'status.phase': object.status?.phase ?? '', name: object.metadata?.name ?? '' }),
  columns: [nameColumn, column('Status', object => object.status?.phase), ageColumn],
})
