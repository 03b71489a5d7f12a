/** DeviceClass and ResourceSlice. */
import { field } from '../../../api/errors.ts'
import type { DeviceClass, ResourceSlice } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable } from '../common/checks.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsLabel, dnsSubdomain } from '../common/names.ts'

const maxDevices = 128

export const deviceClass = strategy<DeviceClass>({
  hasGeneration: true,
  columns: [nameColumn, ageColumn],
})

export const resourceSlice = strategy<ResourceSlice>({
  hasGeneration: true,
  *validate({ spec }) {
    if (!spec?.driver) yield field.required('spec.driver')
    else yield* textErrors(dnsSubdomain, spec.driver, 'spec.driver')
    if (!spec?.pool?.name) yield field.required('spec.pool.name')
    const places = [spec?.nodeName, spec?.nodeSelector, spec?.allNodes, spec?.perDeviceNodeSelection].filter(Boolean)
    const choices = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'
    if (places.length === 0) yield field.required('spec', choices)
    else if (places.length > 1) yield field.invalid('spec', null, `${choices}, but multiple fields are set`)
    const devices = spec?.devices ?? []
    if (devices.length > maxDevices) yield field.tooMany('spec.devices', devices.length, maxDevices)
    const names = new Set<string>()
    for (const [index, device] of devices.entries()) {
      yield* textErrors(dnsLabel, device.name ?? '', `spec.devices[${index}].name`)
      if (names.has(device.name)) yield field.duplicate(`spec.devices[${index}].name`, device.name)
      names.add(device.name)
    }
  },
  *validateUpdate({ spec }, old) {
    for (const name of ['driver', 'nodeName', 'allNodes'] as const) {
      yield* immutable(spec?.[name], old.spec?.[name], `spec.${name}`)
    }
    yield* immutable(spec?.pool?.name, old.spec?.pool?.name, 'spec.pool.name')
  },
  fieldNames: ['spec.nodeName', 'spec.driver'],
  fields: object => ({ 'spec.nodeName': object.spec?.nodeName ?? '', 'spec.driver': object.spec?.driver ?? '' }),
  columns: [
    nameColumn,
    column('Node', object => object.spec?.nodeName ?? ''),
    column('Driver', object => object.spec?.driver),
    column('Pool', object => object.spec?.pool?.name),
    ageColumn,
  ],
})
