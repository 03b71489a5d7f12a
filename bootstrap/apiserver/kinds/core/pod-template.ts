/** PodTemplate. */
import type { PodTemplate } from '../../../api/types.gen.ts'
import { column, nameColumn, strategy } from '../common/build.ts'
import { defaultPodTemplate } from '../common/pod/defaults.ts'
import { podTemplateErrors } from '../common/pod/spec.ts'
import { labelsText } from '../common/selector.ts'
import { containerImages, containerNames } from '../common/workload-columns.ts'

export const podTemplate = strategy<PodTemplate>({
  hasGeneration: true,
  bumpsGeneration: (object, old) => JSON.stringify(object.template) !== JSON.stringify(old.template),
  defaults: draft => defaultPodTemplate(draft.template),
  validate: object => podTemplateErrors(object.template, 'template'),
  columns: [
    nameColumn,
    column('Containers', object => containerNames(object.template)),
    column('Images', object => containerImages(object.template)),
    column('Pod Labels', object => labelsText(object.template?.metadata?.labels)),
  ],
})
