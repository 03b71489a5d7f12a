/** EndpointSlice. */
import { field } from '../../../api/errors.ts'
import type { Endpoint, EndpointSlice } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable, oneOf } from '../common/checks.ts'
import { fill, same } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsLabel, dnsSubdomain, ipFamily } from '../common/names.ts'
import { listText } from '../common/text.ts'

const maxEndpoints = 1000
const maxAddresses = 100
const maxPorts = 20_000

function* validate(slice: EndpointSlice): Errors {
  yield* oneOf(slice.addressType, 'addressType', ['FQDN', 'IPv4', 'IPv6'])
  const endpoints = slice.endpoints ?? []
  if (endpoints.length > maxEndpoints) yield field.tooMany('endpoints', endpoints.length, maxEndpoints)
  for (const [index, endpoint] of endpoints.entries()) {
    yield* endpointErrors(endpoint, slice.addressType, `endpoints[${index}]`)
  }
  const ports = slice.ports ?? []
  if (ports.length > maxPorts) yield field.tooMany('ports', ports.length, maxPorts)
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const at = `ports[${index}]`
    const name = port.name ?? ''
    if (name !== '') yield* textErrors(dnsLabel, name, `${at}.name`)
    if (names.has(name)) yield field.duplicate(`${at}.name`, name)
    names.add(name)
    yield* oneOf(port.protocol, `${at}.protocol`, ['SCTP', 'TCP', 'UDP'])
  }
}

function* endpointErrors(endpoint: Endpoint, type: string, path: string): Errors {
  const addresses = endpoint.addresses ?? []
  if (addresses.length === 0) yield field.required(`${path}.addresses`, 'must contain at least 1 address')
  if (addresses.length > maxAddresses) yield field.tooMany(`${path}.addresses`, addresses.length, maxAddresses)
  for (const [index, address] of addresses.entries()) {
    const at = `${path}.addresses[${index}]`
    const family = ipFamily(address)
    if (type === 'IPv4' && family !== 4) yield field.invalid(at, address, 'must be an IPv4 address')
    else if (type === 'IPv6' && family !== 6) yield field.invalid(at, address, 'must be an IPv6 address')
    else if (type === 'FQDN') yield* textErrors(dnsSubdomain, address, at)
  }
  if (endpoint.nodeName) yield* textErrors(dnsSubdomain, endpoint.nodeName, `${path}.nodeName`)
  if (endpoint.hostname) yield* textErrors(dnsLabel, endpoint.hostname, `${path}.hostname`)
}

export const endpointSlice = strategy<EndpointSlice>({
  hasGeneration: true,
  bumpsGeneration: (object, old) => !same({ ...object, metadata: null }, { ...old, metadata: null }),
  defaults(draft) {
    for (const port of draft.ports ?? []) {
      port.name ??= ''
      fill(port, { protocol: 'TCP' })
    }
  },
  validate,
  validateUpdate: (object, old) => immutable(object.addressType, old.addressType, 'addressType'),
  columns: [
    nameColumn,
    column('AddressType', object => object.addressType),
    column('Ports', object => listText((object.ports ?? []).map(port => `${port.port ?? '*'}`)) || '<unset>'),
    column(
      'Endpoints',
      object => listText((object.endpoints ?? []).flatMap(endpoint => endpoint.addresses ?? [])) || '<unset>',
    ),
    ageColumn,
  ],
})
