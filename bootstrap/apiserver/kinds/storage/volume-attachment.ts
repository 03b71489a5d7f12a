/** VolumeAttachment. */
import { field } from '../../../api/errors.ts'
import type { VolumeAttachment } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable, requiredText } from '../common/checks.ts'

export const volumeAttachment = strategy<VolumeAttachment>({
  allowUnconditionalUpdate: false,
  status: { attached: false },
  *validate({ spec }) {
    yield* requiredText(spec?.attacher, 'spec.attacher')
    const { inlineVolumeSpec, persistentVolumeName } = spec?.source ?? {}
    if (inlineVolumeSpec && persistentVolumeName) {
      yield field.forbidden('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')
    }
    if (!inlineVolumeSpec && !persistentVolumeName) {
      yield field.required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')
    }
    yield* requiredText(spec?.nodeName, 'spec.nodeName')
  },
  validateUpdate: (object, old) => immutable(object.spec, old.spec, 'spec'),
  columns: [
    nameColumn,
    column('Attacher', object => object.spec?.attacher),
    column('PV', object => object.spec?.source?.persistentVolumeName ?? ''),
    column('Node', object => object.spec?.nodeName),
    column('Attached', object => object.status?.attached ?? false, 'boolean'),
    ageColumn,
  ],
})
