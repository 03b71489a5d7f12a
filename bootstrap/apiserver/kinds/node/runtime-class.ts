/** RuntimeClass. */
import type { RuntimeClass } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable } from '../common/checks.ts'
import { labelErrors, textErrors } from '../common/metadata.ts'
import { dnsLabel } from '../common/names.ts'
import { tolerationsErrors } from '../common/pod/placement.ts'
import { nonNegativeQuantity, roundResources } from '../common/quantity.ts'

export const runtimeClass = strategy<RuntimeClass>({
  defaults: draft => roundResources(draft.overhead?.podFixed),
  *validate({ handler, overhead, scheduling }) {
    yield* textErrors(dnsLabel, handler ?? '', 'handler')
    for (const [resource, value] of Object.entries(overhead?.podFixed ?? {})) {
      yield* nonNegativeQuantity(value, `overhead.podFixed[${resource}]`)
    }
    yield* labelErrors(scheduling?.nodeSelector, 'scheduling.nodeSelector')
    yield* tolerationsErrors(scheduling?.tolerations, 'scheduling.tolerations')
  },
  validateUpdate: (object, old) => immutable(object.handler, old.handler, 'handler'),
  columns: [nameColumn, column('Handler', object => object.handler), ageColumn],
})
