/** ClusterTrustBundle. */
import { field } from '../../../api/errors.ts'
import type { V1beta1ClusterTrustBundle as Bundle } from '../../../api/types.gen.ts'
import { column, nameColumn, strategy } from '../common/build.ts'
import { pathSegment } from '../common/names.ts'

export const clusterTrustBundle = strategy<Bundle>({
  allowUnconditionalUpdate: false,
  validateName: pathSegment,
  *validate({ spec }) {
    if (!spec?.trustBundle)
      yield field.invalid('spec.trustBundle', '<value omitted>', 'at least one trust anchor must be provided')
  },
  *validateUpdate({ spec }, old) {
    if ((spec?.signerName ?? '') !== (old.spec?.signerName ?? '')) {
      yield field.invalid('spec.signerName', spec?.signerName ?? '', 'field is immutable')
    }
  },
  fieldNames: ['spec.signerName'],
  fields: object => ({ 'spec.signerName': object.spec?.signerName ?? '' }),
  columns: [nameColumn, column('SignerName', object => object.spec?.signerName || '<none>')],
})
