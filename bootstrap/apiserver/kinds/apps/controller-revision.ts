/** ControllerRevision. */
import { field } from '../../../api/errors.ts'
import { controllerOf, parseApiVersion } from '../../../api/object.ts'
import type { ControllerRevision } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable } from '../common/checks.ts'
import { nonNegative } from '../common/metadata.ts'

/** "daemonset.apps/name" of the object the revision belongs to. */
function controllerText(revision: ControllerRevision): string {
  const owner = controllerOf({ metadata: revision.metadata ?? {} })
  if (!owner) return '<none>'
  const { group } = parseApiVersion(owner.apiVersion)
  return `${owner.kind}${group ? `.${group}` : ''}`.toLowerCase().concat(`/${owner.name}`)
}

export const controllerRevision = strategy<ControllerRevision>({
  *validate(revision) {
    if (revision.data === undefined || revision.data === null) yield field.required('data', 'data is mandatory')
    yield* nonNegative(revision.revision, 'revision')
  },
  validateUpdate: (revision, old) => immutable(revision.data, old.data, 'data'),
  columns: [
    nameColumn,
    column('Controller', controllerText),
    column('Revision', revision => revision.revision, 'integer'),
    ageColumn,
  ],
})
