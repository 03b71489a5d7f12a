/** Service: defaults, what updates keep, and its table. Addresses and node ports come from the allocator. */
import type { Draft } from '../../../api/object.ts'
import type { Service } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy, wide } from '../common/build.ts'
import { fill, when } from '../common/defaulting.ts'
import { dns1035Label } from '../common/names.ts'
import { labelsText } from '../common/selector.ts'
import { dropTypeDependent, isExternallyReachable, keepAllocated, normalizeClusterIPs } from './service-update.ts'
import { serviceErrors, serviceUpdateErrors } from './service-validation.ts'

function defaults(service: Draft<Service>): void {
  const spec = (service.spec ??= {})
  fill(spec, { sessionAffinity: 'None', type: 'ClusterIP' })
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'ClientIP' && typeof spec.sessionAffinityConfig?.clientIP?.timeoutSeconds !== 'number') {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10800 } }
  }
  for (const port of spec.ports ?? []) {
    fill(port, { protocol: 'TCP' })
    if (!port.targetPort) port.targetPort = port.port
  }
  if (isExternallyReachable(spec)) fill(spec, { externalTrafficPolicy: 'Cluster' })
  if (spec.type !== 'ExternalName') fill(spec, { internalTrafficPolicy: 'Cluster' })
  if (spec.type !== 'LoadBalancer') return
  spec.allocateLoadBalancerNodePorts ??= true
  for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) fill(ingress, { ipMode: 'VIP' })
}

function externalText(service: Service): string {
  const { type, externalIPs = [], externalName } = service.spec ?? {}
  const joined = externalIPs.join(',')
  switch (type) {
    case 'ClusterIP':
    case 'NodePort':
      return joined || '<none>'
    case 'LoadBalancer': {
      const ingress = service.status?.loadBalancer?.ingress ?? []
      const addresses = [...new Set(ingress.map(entry => entry.ip || entry.hostname || ''))].filter(Boolean)
      return [...addresses, ...externalIPs].join(',') || '<pending>'
    }
    case 'ExternalName':
      return externalName ?? ''
    default:
      return '<unknown>'
  }
}

function portsText(service: Service): string {
  const ports = service.spec?.ports ?? []
  const text = ports.map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`)
  return text.join(',') || '<none>'
}

export const service = strategy<Service>({
  allowCreateOnUpdate: true,
  validateName: dns1035Label,
  defaults,
  status: { loadBalancer: {} },
  prepareForCreate(draft) {
    when(draft.spec, spec => normalizeClusterIPs(spec, undefined))
  },
  prepareForUpdate(draft, old) {
    when(draft.spec, spec => {
      if (!old.spec) return
      normalizeClusterIPs(spec, old.spec)
      keepAllocated(spec, old.spec)
    })
    dropTypeDependent(draft, old)
  },
  validate: serviceErrors,
  validateUpdate: serviceUpdateErrors,
  fieldNames: ['spec.clusterIP', 'spec.type'],
  fields: object => ({ 'spec.clusterIP': object.spec?.clusterIP ?? '', 'spec.type': object.spec?.type ?? '' }),
  columns: [
    nameColumn,
    column('Type', object => object.spec?.type),
    column('Cluster-IP', object => object.spec?.clusterIPs?.[0] || object.spec?.clusterIP || '<none>'),
    column('External-IP', externalText),
    column('Port(s)', portsText),
    ageColumn,
    wide('Selector', object => labelsText(object.spec?.selector)),
  ],
})
