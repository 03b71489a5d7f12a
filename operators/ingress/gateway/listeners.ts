/** Gateways of our class: which of their listeners are served, by which entry point and with which certificates. */
import { selects } from '../../../bootstrap/api/selectors.ts'
import { BadCertificate, certificateOf } from '../model/certificates.ts'
import type { Certificate } from '../model/model.ts'
import type { Sources } from '../sources.ts'
import { isGranted } from './references.ts'
import type { GatewaySources } from './sources.ts'
import { type Condition, type Gateway, group, type Listener } from './types.ts'

export interface Served {
  readonly gateway: Gateway
  readonly listener: Listener
  /** Undefined when the listener cannot be served; the conditions say why. */
  readonly entryPoint: string | undefined
  readonly certificates: readonly Certificate[]
  readonly conditions: readonly Condition[]
}

export const condition = (type: string, ok: boolean, reason: string, message = ''): Condition => ({
  type,
  status: ok ? 'True' : 'False',
  reason,
  message,
})

export function servedListeners(gateway: Gateway, from: GatewaySources, sources: Sources): Served[] {
  return gateway.spec.listeners.map(listener => {
    const { name } = sources.settings.entryPoints.find(({ port }) => port === listener.port) ?? {}
    const { certificates, problem } = certificatesOf(gateway, listener, from, sources)
    const accepted = acceptance(listener, sources)
    const fine = accepted.status === 'True' && problem === undefined
    return {
      gateway,
      listener,
      entryPoint: fine ? name : undefined,
      certificates,
      conditions: [
        accepted,
        condition('Programmed', fine, fine ? 'Programmed' : 'Invalid'),
        problem ?? condition('ResolvedRefs', true, 'ResolvedRefs'),
        condition('Conflicted', false, 'NoConflicts'),
      ],
    }
  })
}

function acceptance({ port, protocol, tls }: Listener, { settings }: Sources): Condition {
  if (protocol !== 'HTTP' && protocol !== 'HTTPS')
    return condition('Accepted', false, 'UnsupportedProtocol', `protocol ${protocol} is none of HTTP, HTTPS`)
  if (tls?.mode === 'Passthrough')
    return condition('Accepted', false, 'UnsupportedProtocol', 'TLS passthrough is not supported here')
  const wanted = protocol === 'HTTPS'
  const fitting = settings.entryPoints
    .filter(entryPoint => entryPoint.tls === wanted)
    .map(entryPoint => entryPoint.port)
  if (fitting.includes(port)) return condition('Accepted', true, 'Accepted')
  return condition(
    'Accepted',
    false,
    'PortUnavailable',
    `no entry point for ${protocol} has port ${port}; there is ${fitting.join(', ') || 'none'}`,
  )
}

interface Found {
  readonly certificates: readonly Certificate[]
  readonly problem?: Condition
}

function certificatesOf(
  gateway: Gateway,
  { protocol, tls }: Listener,
  { grants }: GatewaySources,
  { secret }: Sources,
): Found {
  const certificates: Certificate[] = []
  if (protocol !== 'HTTPS') return { certificates }
  const fail = (reason: string, message: string) => ({
    certificates,
    problem: condition('ResolvedRefs', false, reason, message),
  })
  const own = gateway.metadata.namespace ?? ''
  for (const { group: of = '', kind = 'Secret', name, namespace = own } of tls?.certificateRefs ?? []) {
    if (of !== '' || kind !== 'Secret') return fail('InvalidCertificateRef', `${kind} ${name} is no Secret`)
    const reference = { from: { group, kind: 'Gateway', namespace: own }, to: { group: '', kind, namespace, name } }
    if (!isGranted(reference, grants))
      return fail('RefNotPermitted', `no ReferenceGrant permits secret ${namespace}/${name}`)
    const found = secret(namespace, name)
    if (!found) return fail('InvalidCertificateRef', `secret ${namespace}/${name} does not exist`)
    try {
      certificates.push(certificateOf(found))
    } catch (error) {
      if (error instanceof BadCertificate) return fail('InvalidCertificateRef', error.message)
      throw error
    }
  }
  if (certificates.length === 0)
    return fail('InvalidCertificateRef', 'a listener of protocol HTTPS needs a certificate')
  return { certificates }
}

/** Whether routes of a namespace may attach. */
export function admitsNamespace({ gateway, listener }: Served, namespace: string, from: GatewaySources): boolean {
  const { from: who = 'Same', selector } = listener.allowedRoutes?.namespaces ?? {}
  if (who === 'All') return true
  if (who === 'Selector') return selector !== undefined && selects(selector as never, from.labelsOf(namespace))
  return who === 'Same' && namespace === gateway.metadata.namespace
}

export function admitsKind({ listener }: Served): boolean {
  const kinds = listener.allowedRoutes?.kinds ?? []
  return kinds.length === 0 || kinds.some(item => (item.group ?? group) === group && item.kind === 'HTTPRoute')
}

/** Hostnames that both a listener and a route want; undefined for any host. Empty when they have none in common. */
export function commonHosts(listener: string | undefined, route: readonly string[]): (string | undefined)[] {
  if (route.length === 0) return [listener || undefined]
  if (!listener) return [...route]
  return route.flatMap(host => {
    if (host === listener || covers(listener, host)) return host
    return covers(host, listener) ? listener : []
  })
}

/** "*.example.com" covers names of one or more labels before it. */
const covers = (wildcard: string, host: string): boolean =>
  wildcard.startsWith('*.') && host.endsWith(wildcard.slice(1)) && host !== wildcard
