/** Lease and LeaseCandidate. */
import { field } from '../../../api/errors.ts'
import type { Lease } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { nonNegative } from '../common/metadata.ts'

export const lease = strategy<Lease>({
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  *validate({ spec }) {
    const seconds = spec?.leaseDurationSeconds
    if (typeof seconds === 'number' && seconds <= 0) {
      yield field.invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0')
    }
    yield* nonNegative(spec?.leaseTransitions, 'spec.leaseTransitions')
    if (spec?.preferredHolder && !spec.strategy) {
      yield field.forbidden('spec.preferredHolder', 'must not be set without `strategy`')
    }
  },
  columns: [nameColumn, column('Holder', object => object.spec?.holderIdentity ?? ''), ageColumn],
})

interface LeaseCandidate {
  readonly metadata?: unknown
  readonly spec?: { readonly leaseName?: string; readonly binaryVersion?: string; readonly emulationVersion?: string }
}

export const leaseCandidate = strategy<LeaseCandidate>({
  allowUnconditionalUpdate: false,
  columns: [
    nameColumn,
    column('LeaseName', object => object.spec?.leaseName),
    column('BinaryVersion', object => object.spec?.binaryVersion),
    column('EmulationVersion', object => object.spec?.emulationVersion),
    ageColumn,
  ],
})
