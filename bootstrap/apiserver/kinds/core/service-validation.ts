/** Validation of Services (pkg/apis/core/validation ValidateService and ValidateServiceUpdate). */
import { field } from '../../../api/errors.ts'
import { qualifiedNameErrors } from '../../../api/labels.ts'
import type { Service, ServicePort, ServiceSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { oneOf, portReference, supportedOrEmpty } from '../common/checks.ts'
import { labelErrors, textErrors } from '../common/metadata.ts'
import { cidr, dnsLabel, dnsSubdomain, ipAddress, portNumber } from '../common/names.ts'
import { isExternallyReachable, needsHealthCheckPort } from './service-update.ts'

/** Checks a Service. */
export function* serviceErrors(service: Service): Errors {
  const spec: ServiceSpec = service.spec ?? {}
  const headless = spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None'
  if (!spec.ports?.length && !headless && spec.type !== 'ExternalName') yield field.required('spec.ports')
  yield* typeErrors(spec)
  yield* portsErrors(spec)
  yield* oneOf(spec.sessionAffinity, 'spec.sessionAffinity', ['ClientIP', 'None'])
  yield* affinityErrors(spec)
  yield* labelErrors(spec.selector, 'spec.selector')
  for (const [index, ip] of (spec.externalIPs ?? []).entries())
    yield* externalIPErrors(ip, `spec.externalIPs[${index}]`)
  yield* clusterIPErrors(spec)
  yield* familyErrors(spec)
  yield* loadBalancerErrors(spec)
  yield* trafficErrors(spec)
}

function* typeErrors(spec: ServiceSpec): Errors {
  const none = spec.clusterIPs?.[0] === 'None'
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && none) {
    yield field.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`)
  }
  if (spec.type === 'ExternalName') {
    if (spec.clusterIPs?.length) yield field.forbidden('spec.clusterIPs', 'may not be set for ExternalName services')
    if (!spec.externalName) yield field.required('spec.externalName')
    else yield* textErrors(dnsSubdomain, spec.externalName.replace(/\.$/, ''), 'spec.externalName')
  }
  yield* oneOf(spec.type, 'spec.type', ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'])
}

function* portsErrors(spec: ServiceSpec): Errors {
  const ports = spec.ports ?? []
  const names = new Set<string>()
  const seen = new Set<string>()
  const nodePorts = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`
    yield* portErrors(port, ports.length > 1, names, at)
    if (port.nodePort) {
      const key = `${port.protocol}/${port.nodePort}`
      if (spec.type === 'ClusterIP' || spec.type === 'ExternalName') {
        yield field.forbidden(`${at}.nodePort`, `may not be used when \`type\` is '${spec.type}'`)
      } else if (nodePorts.has(key)) yield field.duplicate(`${at}.nodePort`, port.nodePort)
      nodePorts.add(key)
    }
    const key = `${port.protocol}/${port.port}`
    if (seen.has(key)) yield field.duplicate(at, { protocol: port.protocol, port: port.port })
    seen.add(key)
  }
}

function* portErrors(port: ServicePort, named: boolean, names: Set<string>, path: string): Errors {
  if (!port.name) {
    if (named) yield field.required(`${path}.name`)
  } else {
    yield* textErrors(dnsLabel, port.name, `${path}.name`)
    if (names.has(port.name)) yield field.duplicate(`${path}.name`, port.name)
    names.add(port.name)
  }
  for (const text of portNumber(port.port)) yield field.invalid(`${path}.port`, port.port ?? 0, text)
  yield* oneOf(port.protocol, `${path}.protocol`, ['SCTP', 'TCP', 'UDP'])
  yield* portReference(port.targetPort, `${path}.targetPort`)
  if (port.appProtocol) yield* textErrors(qualifiedNameErrors, port.appProtocol, `${path}.appProtocol`)
}

function* affinityErrors(spec: ServiceSpec): Errors {
  const path = 'spec.sessionAffinityConfig'
  const config = spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'None' && config) {
    yield field.forbidden(path, 'must not be set when session affinity is None')
  }
  if (spec.sessionAffinity !== 'ClientIP') return
  const text = 'when session affinity type is ClientIP'
  if (!config) return yield field.required(path, text)
  if (!config.clientIP) return yield field.required(`${path}.clientIP`, text)
  const seconds = config.clientIP.timeoutSeconds
  if (typeof seconds !== 'number') yield field.required(`${path}.clientIP.timeoutSeconds`, text)
  else if (seconds <= 0 || seconds > 86400) {
    yield field.invalid(`${path}.clientIP.timeoutSeconds`, seconds, 'must be greater than 0 and less than 86400')
  }
}

/** An address traffic can be sent to: not unspecified, loopback, link-local or multicast there. */
export function* externalIPErrors(ip: string, path: string): Errors {
  const problems = ipAddress(ip)
  for (const text of problems) yield field.invalid(path, ip, text)
  if (problems.length > 0) return
  const lower = ip.toLowerCase()
  if (lower === '0.0.0.0' || lower === '::') yield field.invalid(path, ip, 'may not be unspecified (0.0.0.0 or ::)')
  if (lower.startsWith('127.') || lower === '::1') {
    yield field.invalid(path, ip, 'may not be in the loopback range (127.0.0.0/8, ::1/128)')
  }
  if (lower.startsWith('169.254.') || /^fe[89ab]/.test(lower)) {
    yield field.invalid(path, ip, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)')
  }
  if (lower.startsWith('224.0.0.') || lower.startsWith('ff02:')) {
    yield field.invalid(path, ip, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)')
  }
}

function* clusterIPErrors(spec: ServiceSpec): Errors {
  const ips = spec.clusterIPs ?? []
  if (spec.type === 'ExternalName') return
  if (spec.clusterIP && ips.length > 0 && spec.clusterIP !== ips[0]) {
    yield field.invalid('spec.clusterIP', ips, 'first value of `clusterIPs` must match `clusterIP`')
  }
  for (const [index, ip] of ips.entries()) {
    if (ip === 'None') {
      if (ips.length > 1)
        yield field.invalid(`spec.clusterIPs[${index}]`, ips, "'None' must be the first and only value")
    } else yield* textErrors(ipAddress, ip, `spec.clusterIPs[${index}]`)
  }
  if (ips.length > 2) {
    yield field.invalid('spec.clusterIPs', ips, 'may only hold up to 2 values')
  }
}

function* familyErrors(spec: ServiceSpec): Errors {
  const seen = new Set<string>()
  if (spec.type === 'ExternalName') {
    if (spec.ipFamilyPolicy) yield field.forbidden('spec.ipFamilyPolicy', 'may not be set for ExternalName services')
    if (spec.ipFamilies?.length) yield field.forbidden('spec.ipFamilies', 'may not be set for ExternalName services')
    return
  }
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    yield* supportedOrEmpty(family, `spec.ipFamilies[${index}]`, ['IPv4', 'IPv6'])
    if (seen.has(family)) yield field.duplicate(`spec.ipFamilies[${index}]`, family)
    seen.add(family)
  }
  const policies = ['SingleStack', 'PreferDualStack', 'RequireDualStack']
  yield* supportedOrEmpty(spec.ipFamilyPolicy, 'spec.ipFamilyPolicy', policies)
}

function* loadBalancerErrors(spec: ServiceSpec): Errors {
  const text = "may only be used when `type` is 'LoadBalancer'"
  const ranges = spec.loadBalancerSourceRanges ?? []
  if (spec.type === 'LoadBalancer') {
    for (const [index, range] of ranges.entries()) {
      yield* textErrors(cidr, range.trim(), `spec.loadBalancerSourceRanges[${index}]`)
    }
    if (spec.loadBalancerClass !== undefined) {
      yield* textErrors(qualifiedNameErrors, spec.loadBalancerClass, 'spec.loadBalancerClass')
    }
    if (typeof spec.allocateLoadBalancerNodePorts !== 'boolean') {
      yield field.required('spec.allocateLoadBalancerNodePorts')
    }
    return
  }
  if (ranges.length > 0) yield field.forbidden('spec.loadBalancerSourceRanges', text)
  if (spec.loadBalancerClass !== undefined) yield field.forbidden('spec.loadBalancerClass', text)
  if (typeof spec.allocateLoadBalancerNodePorts === 'boolean') {
    yield field.forbidden('spec.allocateLoadBalancerNodePorts', text)
  }
}

function* trafficErrors(spec: ServiceSpec): Errors {
  const policies = ['Cluster', 'Local']
  if (isExternallyReachable(spec)) yield* oneOf(spec.externalTrafficPolicy, 'spec.externalTrafficPolicy', policies)
  else if (spec.externalTrafficPolicy) {
    const text = 'may only be set for externally-accessible services'
    yield field.invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, text)
  }
  if (spec.healthCheckNodePort && !needsHealthCheckPort(spec)) {
    const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    yield field.invalid('spec.healthCheckNodePort', spec.healthCheckNodePort, text)
  }
  if (spec.type !== 'ExternalName') {
    yield* oneOf(spec.internalTrafficPolicy, 'spec.internalTrafficPolicy', policies)
  } else yield* supportedOrEmpty(spec.internalTrafficPolicy, 'spec.internalTrafficPolicy', policies)
  const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode']
  yield* supportedOrEmpty(spec.trafficDistribution, 'spec.trafficDistribution', distributions)
}

/** Checks what an update may not change. */
export function* serviceUpdateErrors(service: Service, old: Service): Errors {
  const spec: ServiceSpec = service.spec ?? {}
  const before: ServiceSpec = old.spec ?? {}
  if (before.type !== 'ExternalName' && spec.type !== 'ExternalName') {
    const first = before.clusterIPs?.[0]
    if (first && spec.clusterIPs?.[0] !== first) {
      yield field.invalid('spec.clusterIPs[0]', spec.clusterIPs ?? [], 'may not change once set')
    }
    const family = before.ipFamilies?.[0]
    if (family && spec.ipFamilies?.[0] && spec.ipFamilies[0] !== family) {
      yield field.invalid('spec.ipFamilies[0]', spec.ipFamilies, 'may not change once set')
    }
  }
  if (before.type === 'LoadBalancer' && spec.type === 'LoadBalancer') {
    if (spec.loadBalancerClass !== before.loadBalancerClass) {
      yield field.invalid('spec.loadBalancerClass', spec.loadBalancerClass ?? null, 'may not change once set')
    }
  }
}
