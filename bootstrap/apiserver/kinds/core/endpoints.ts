/** Endpoints. */
import { field } from '../../../api/errors.ts'
import type { EndpointAddress, EndpointSubset, Endpoints } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { oneOf } from '../common/checks.ts'
import { fill } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsLabel, ipFamily, portNumber } from '../common/names.ts'
import { externalIPErrors } from './service-validation.ts'

function* validate(endpoints: Endpoints): Errors {
  for (const [index, subset] of (endpoints.subsets ?? []).entries()) yield* subsetErrors(subset, `subsets[${index}]`)
}

function* subsetErrors(subset: EndpointSubset, path: string): Errors {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset
  if (addresses.length === 0 && notReadyAddresses.length === 0) {
    yield field.required(path, 'must specify `addresses` or `notReadyAddresses`')
  }
  yield* addressesErrors(addresses, `${path}.addresses`)
  yield* addressesErrors(notReadyAddresses, `${path}.notReadyAddresses`)
  for (const [index, port] of ports.entries()) {
    const at = `${path}.ports[${index}]`
    if (port.name) yield* textErrors(dnsLabel, port.name, `${at}.name`)
    else if (ports.length > 1) yield field.required(`${at}.name`)
    for (const text of portNumber(port.port)) yield field.invalid(`${at}.port`, port.port ?? 0, text)
    yield* oneOf(port.protocol, `${at}.protocol`, ['SCTP', 'TCP', 'UDP'])
  }
}

function* addressesErrors(addresses: readonly EndpointAddress[], path: string): Errors {
  for (const [index, address] of addresses.entries()) {
    if (address.hostname) yield* textErrors(dnsLabel, address.hostname, `${path}[${index}].hostname`)
    yield* externalIPErrors(address.ip ?? '', `${path}[${index}].ip`)
  }
}

const shown = 3

/** "10.0.0.1:80,10.0.0.2:80 + 3 more...", or `<none>`. */
function endpointsText({ subsets = [] }: Endpoints): string {
  const all = subsets.flatMap(({ addresses = [], ports = [] }) => {
    const ips = addresses.map(address => (ipFamily(address.ip) === 6 ? `[${address.ip}]` : address.ip))
    return ports.length === 0 ? addresses.map(a => a.ip) : ports.flatMap(port => ips.map(ip => `${ip}:${port.port}`))
  })
  if (all.length === 0) return '<none>'
  const text = all.slice(0, shown).join(',')
  return all.length > shown ? `${text} + ${all.length - shown} more...` : text
}

export const endpoints = strategy<Endpoints>({
  allowCreateOnUpdate: true,
  defaults(draft) {
    for (const port of (draft.subsets ?? []).flatMap(subset => subset.ports ?? [])) fill(port, { protocol: 'TCP' })
  },
  validate,
  warnings: () => ['v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  columns: [nameColumn, column('Endpoints', endpointsText), ageColumn],
})
