/** NetworkPolicy. */
import { field } from '../../../api/errors.ts'
import { formatLabelSelector } from '../../../api/selectors.ts'
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { portReference, supportedOrEmpty } from '../common/checks.ts'
import { fill } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { cidr } from '../common/names.ts'
import { selectorErrors } from '../common/selector.ts'

function* portsErrors(ports: readonly NetworkPolicyPort[] | undefined, path: string): Errors {
  for (const [index, port] of (ports ?? []).entries()) {
    const at = `${path}[${index}]`
    yield* supportedOrEmpty(port.protocol, `${at}.protocol`, ['SCTP', 'TCP', 'UDP'])
    if (port.port !== undefined) yield* portReference(port.port, `${at}.port`)
    if (typeof port.endPort !== 'number') continue
    if (port.port === undefined) {
      yield field.required(`${at}.port`, 'must be specified when endPort is specified')
    } else if (typeof port.port === 'string') {
      yield field.invalid(`${at}.endPort`, port.endPort, 'may not be specified when `port` is non-numeric')
    } else if (port.endPort < port.port) {
      yield field.invalid(`${at}.endPort`, port.endPort, 'must be greater than or equal to `port`')
    }
  }
}

function* peersErrors(peers: readonly NetworkPolicyPeer[] | undefined, path: string): Errors {
  for (const [index, { podSelector, namespaceSelector, ipBlock }] of (peers ?? []).entries()) {
    const at = `${path}[${index}]`
    yield* selectorErrors(podSelector, `${at}.podSelector`)
    yield* selectorErrors(namespaceSelector, `${at}.namespaceSelector`)
    if (!podSelector && !namespaceSelector && !ipBlock) yield field.required(at, 'must specify a peer')
    else if (ipBlock && (podSelector || namespaceSelector)) {
      yield field.forbidden(at, 'may not specify both ipBlock and another peer')
    }
    if (!ipBlock) continue
    if (!ipBlock.cidr) yield field.required(`${at}.ipBlock.cidr`)
    else yield* textErrors(cidr, ipBlock.cidr, `${at}.ipBlock.cidr`)
    for (const [number, except] of (ipBlock.except ?? []).entries()) {
      yield* textErrors(cidr, except, `${at}.ipBlock.except[${number}]`)
    }
  }
}

export const networkPolicy = strategy<NetworkPolicy>({
  hasGeneration: true,
  defaults({ spec }) {
    if (!spec) return
    spec.podSelector ??= {}
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      for (const port of rule.ports ?? []) fill(port, { protocol: 'TCP' })
    }
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress']
  },
  *validate({ spec }) {
    yield* selectorErrors(spec?.podSelector, 'spec.podSelector')
    for (const [index, rule] of (spec?.ingress ?? []).entries()) {
      yield* portsErrors(rule.ports, `spec.ingress[${index}].ports`)
      yield* peersErrors(rule.from, `spec.ingress[${index}].from`)
    }
    for (const [index, rule] of (spec?.egress ?? []).entries()) {
      yield* portsErrors(rule.ports, `spec.egress[${index}].ports`)
      yield* peersErrors(rule.to, `spec.egress[${index}].to`)
    }
    const types = spec?.policyTypes ?? []
    if (types.length > 2) yield field.invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')
    for (const [index, type] of types.entries()) {
      yield* supportedOrEmpty(type, `spec.policyTypes[${index}]`, ['Egress', 'Ingress'])
    }
  },
  columns: [nameColumn, column('Pod-Selector', object => formatLabelSelector(object.spec?.podSelector)), ageColumn],
})
