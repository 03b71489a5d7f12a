/** ResourceClaim and ResourceClaimTemplate. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type {
  ResourceV1ResourceClaim as Claim,
  ResourceClaimSpec,
  ResourceClaimTemplate,
} from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable, requiredText, supportedOrEmpty } from '../common/checks.ts'
import { fill, fillZero, when } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsLabel } from '../common/names.ts'

const maxRequests = 32

function specDefaults(spec: Draft<ResourceClaimSpec>): void {
  for (const request of spec.devices?.requests ?? []) {
    for (const device of [request.exactly, ...(request.firstAvailable ?? [])]) {
      if (!device) continue
      fill(device, { allocationMode: 'ExactCount' })
      if (device.allocationMode === 'ExactCount') fillZero(device, { count: 1 })
      for (const toleration of device.tolerations ?? []) fill(toleration, { operator: 'Equal' })
    }
  }
}

function* specErrors(spec: ResourceClaimSpec | undefined, path: string): Errors {
  const requests = spec?.devices?.requests ?? []
  if (requests.length > maxRequests) yield field.tooMany(`${path}.devices.requests`, requests.length, maxRequests)
  const names = new Set<string>()
  for (const [index, request] of requests.entries()) {
    const at = `${path}.devices.requests[${index}]`
    if (!request.name) yield field.required(`${at}.name`)
    else yield* textErrors(dnsLabel, request.name, `${at}.name`)
    if (names.has(request.name)) yield field.duplicate(`${at}.name`, request.name)
    names.add(request.name)
    const { exactly, firstAvailable = [] } = request
    if (!exactly && firstAvailable.length === 0) {
      yield field.required(at, 'exactly one of `exactly` or `firstAvailable` is required')
    } else if (exactly && firstAvailable.length > 0) {
      yield field.invalid(
        at,
        null,
        'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
      )
    }
    if (!exactly) continue
    yield* requiredText(exactly.deviceClassName, `${at}.exactly.deviceClassName`)
    yield* supportedOrEmpty(exactly.allocationMode, `${at}.exactly.allocationMode`, ['All', 'ExactCount'])
  }
}

function stateText({ metadata, status }: Claim): string {
  const states: string[] = []
  if (metadata?.deletionTimestamp) states.push('deleted')
  if (status?.allocation) states.push('allocated')
  else if (!metadata?.deletionTimestamp) states.push('pending')
  if (status?.reservedFor?.length) states.push('reserved')
  return states.join(',')
}

export const resourceClaim = strategy<Claim>({
  defaults: draft => when(draft.spec, specDefaults),
  status: {},
  validate: object => specErrors(object.spec, 'spec'),
  validateUpdate: (object, old) => immutable(object.spec, old.spec, 'spec'),
  columns: [nameColumn, column('State', stateText), ageColumn],
})

export const resourceClaimTemplate = strategy<ResourceClaimTemplate>({
  defaults: draft => when(draft.spec?.spec, specDefaults),
  validate: object => specErrors(object.spec?.spec, 'spec.spec'),
  validateUpdate: (object, old) => immutable(object.spec, old.spec, 'spec'),
  columns: [nameColumn, ageColumn],
})
