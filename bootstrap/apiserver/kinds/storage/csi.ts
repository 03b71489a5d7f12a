/** CSIDriver, CSINode and CSIStorageCapacity. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type { CSIDriver, CSINode, CSIStorageCapacity } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable, supportedOrEmpty } from '../common/checks.ts'
import { fill, same } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsSubdomain } from '../common/names.ts'
import { nonNegativeQuantity } from '../common/quantity.ts'
import { selectorErrors } from '../common/selector.ts'
import { countColumn } from '../common/workload-columns.ts'

const maxDriverName = 63

function* driverNameErrors(name: string, path: string): Errors {
  if (!name) yield field.required(path)
  if (name.length > maxDriverName) yield field.tooLong(path, maxDriverName)
  if (name) yield* textErrors(dnsSubdomain, name.toLowerCase(), path)
}

function driverDefaults({ spec }: Draft<CSIDriver>): void {
  if (!spec) return
  fill(spec, {
    attachRequired: true,
    podInfoOnMount: false,
    storageCapacity: false,
    fsGroupPolicy: 'ReadWriteOnceWithFSType',
    requiresRepublish: false,
    seLinuxMount: false,
  })
  if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent']
}

export const csiDriver = strategy<CSIDriver>({
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults: driverDefaults,
  *validate({ metadata, spec }) {
    yield* driverNameErrors(metadata?.name ?? '', 'name')
    const policies = ['File', 'None', 'ReadWriteOnceWithFSType']
    yield* supportedOrEmpty(spec?.fsGroupPolicy, 'spec.fsGroupPolicy', policies)
    for (const mode of spec?.volumeLifecycleModes ?? []) {
      yield* supportedOrEmpty(mode, 'spec.volumeLifecycleModes', ['Ephemeral', 'Persistent'])
    }
  },
  *validateUpdate({ spec }, old) {
    yield* immutable(spec?.attachRequired, old.spec?.attachRequired, 'spec.attachedRequired')
    yield* immutable(spec?.volumeLifecycleModes, old.spec?.volumeLifecycleModes, 'spec.volumeLifecycleModes')
  },
  columns: [
    nameColumn,
    column('AttachRequired', object => object.spec?.attachRequired ?? true, 'boolean'),
    column('PodInfoOnMount', object => object.spec?.podInfoOnMount ?? false, 'boolean'),
    column('StorageCapacity', object => object.spec?.storageCapacity ?? false, 'boolean'),
    column(
      'TokenRequests',
      object => (object.spec?.tokenRequests ?? []).map(request => request.audience).join(',') || '<unset>',
    ),
    column('RequiresRepublish', object => object.spec?.requiresRepublish ?? false, 'boolean'),
    column('Modes', object => (object.spec?.volumeLifecycleModes ?? []).join(',') || '<none>'),
    ageColumn,
  ],
})

export const csiNode = strategy<CSINode>({
  allowUnconditionalUpdate: false,
  *validate({ spec }) {
    const names = new Set<string>()
    for (const [index, driver] of (spec?.drivers ?? []).entries()) {
      const at = `spec.drivers[${index}]`
      yield* driverNameErrors(driver.name ?? '', `${at}.name`)
      if (names.has(driver.name)) yield field.duplicate(`${at}.name`, driver.name)
      names.add(driver.name)
      if (!driver.nodeID) yield field.required(`${at}.nodeID`)
    }
  },
  *validateUpdate({ spec }, old) {
    for (const before of old.spec?.drivers ?? []) {
      const now = spec?.drivers?.find(driver => driver.name === before.name)
      if (now && !same({ ...now, allocatable: null }, { ...before, allocatable: null })) {
        yield field.invalid('CSINode.Spec.Drivers', now, `field is immutable`)
      }
    }
  },
  columns: [nameColumn, countColumn('Drivers', object => object.spec?.drivers?.length), ageColumn],
})

export const csiStorageCapacity = strategy<CSIStorageCapacity>({
  allowUnconditionalUpdate: false,
  *validate(object) {
    yield* selectorErrors(object.nodeTopology, 'nodeTopology')
    yield* textErrors(dnsSubdomain, object.storageClassName ?? '', 'storageClassName')
    if (object.capacity !== undefined) yield* nonNegativeQuantity(object.capacity, 'capacity')
    if (object.maximumVolumeSize !== undefined)
      yield* nonNegativeQuantity(object.maximumVolumeSize, 'maximumVolumeSize')
  },
  *validateUpdate(object, old) {
    yield* immutable(object.nodeTopology, old.nodeTopology, 'nodeTopology')
    yield* immutable(object.storageClassName, old.storageClassName, 'storageClassName')
  },
  columns: [
    nameColumn,
    column('StorageClassName', object => object.storageClassName),
    column('Capacity', object => object.capacity ?? '<unset>'),
  ],
})
