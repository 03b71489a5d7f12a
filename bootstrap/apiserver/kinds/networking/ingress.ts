/** Ingress. */
import { field } from '../../../api/errors.ts'
import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { textErrors } from '../common/metadata.ts'
import { dns1035Label, dnsSubdomain, ipFamily, portName, portNumber, wildcardDnsSubdomain } from '../common/names.ts'
import { listText } from '../common/text.ts'

const classAnnotation = 'kubernetes.io/ingress.class'

function* validate({ metadata, spec = {} }: Ingress): Errors {
  if (!spec.rules?.length && !spec.defaultBackend) {
    yield field.invalid('spec', spec, 'either `defaultBackend` or `rules` must be specified')
  }
  if (spec.defaultBackend) yield* backendErrors(spec.defaultBackend, 'spec.defaultBackend')
  for (const [index, rule] of (spec.rules ?? []).entries()) yield* ruleErrors(rule, `spec.rules[${index}]`)
  for (const [index, tls] of (spec.tls ?? []).entries()) {
    for (const [at, host] of (tls.hosts ?? []).entries()) yield* hostErrors(host, `spec.tls[${index}].hosts[${at}]`)
    if (tls.secretName) yield* textErrors(dnsSubdomain, tls.secretName, `spec.tls[${index}].secretName`)
  }
  if (spec.ingressClassName) yield* textErrors(dnsSubdomain, spec.ingressClassName, 'spec.ingressClassName')
  const annotation = metadata?.annotations?.[classAnnotation]
  if (annotation && spec.ingressClassName && annotation !== spec.ingressClassName) {
    const text = 'ingressClass annotation and ingressClassName field must match'
    yield field.invalid('spec.ingressClassName', spec.ingressClassName, text)
  }
}

function* hostErrors(host: string, path: string): Errors {
  yield* textErrors(host.includes('*') ? wildcardDnsSubdomain : dnsSubdomain, host, path)
}

function* ruleErrors(rule: IngressRule, path: string): Errors {
  if (rule.host) {
    if (ipFamily(rule.host) !== 0)
      yield field.invalid(`${path}.host`, rule.host, 'must be a DNS name, not an IP address')
    else yield* hostErrors(rule.host, `${path}.host`)
  }
  if (!rule.http) return
  const paths = rule.http.paths ?? []
  if (paths.length === 0) yield field.required(`${path}.http.paths`)
  for (const [index, entry] of paths.entries()) yield* pathErrors(entry, `${path}.http.paths[${index}]`)
}

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix']
const badInPath = ['//', '/./', '/../', '%2f', '%2F']
const badAtEnd = ['/..', '/.']

function* pathErrors(entry: HTTPIngressPath, at: string): Errors {
  const path = entry.path ?? ''
  if (!entry.pathType) yield field.required(`${at}.pathType`, 'pathType must be specified')
  else if (!pathTypes.includes(entry.pathType)) yield field.notSupported(`${at}.pathType`, entry.pathType, pathTypes)
  else if (entry.pathType === 'ImplementationSpecific') {
    if (path !== '' && !path.startsWith('/')) yield field.invalid(`${at}.path`, path, 'must be an absolute path')
  } else {
    if (!path.startsWith('/')) yield field.invalid(`${at}.path`, path, 'must be an absolute path')
    for (const part of badInPath) {
      if (path.includes(part)) yield field.invalid(`${at}.path`, path, `must not contain '${part}'`)
    }
    for (const part of badAtEnd) {
      if (path.endsWith(part)) yield field.invalid(`${at}.path`, path, `cannot end with '${part}'`)
    }
  }
  yield* backendErrors(entry.backend ?? {}, `${at}.backend`)
}

function* backendErrors({ service, resource }: IngressBackend, path: string): Errors {
  if (service && resource) {
    yield field.invalid(path, '', 'cannot set both resource and service backends')
  } else if (resource) {
    if (!resource.name) yield field.required(`${path}.resource.name`)
    if (!resource.kind) yield field.required(`${path}.resource.kind`)
  } else if (!service) {
    yield field.required(path, 'one of resource or service is required')
  } else {
    if (!service.name) yield field.required(`${path}.service.name`)
    else yield* textErrors(dns1035Label, service.name, `${path}.service.name`)
    const { name, number } = service.port ?? {}
    if (name && number)
      yield field.invalid(`${path}.service.port`, service.port, 'cannot set both port name & port number')
    else if (name) yield* textErrors(portName, name, `${path}.service.port.name`)
    else if (number) {
      for (const text of portNumber(number)) yield field.invalid(`${path}.service.port.number`, number, text)
    } else yield field.required(path, 'port name or number is required')
  }
}

function addressText({ status }: Ingress): string {
  return (status?.loadBalancer?.ingress ?? []).map(entry => entry.ip || entry.hostname || '').join(',')
}

export const ingress = strategy<Ingress>({
  hasGeneration: true,
  status: { loadBalancer: {} },
  validate,
  warnings(object) {
    if (object.metadata?.annotations?.[classAnnotation] === undefined) return []
    return [`annotation "${classAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`]
  },
  columns: [
    nameColumn,
    column('Class', object => object.spec?.ingressClassName ?? '<none>'),
    column('Hosts', object => listText((object.spec?.rules ?? []).map(rule => rule.host ?? '').filter(Boolean)) || '*'),
    column('Address', addressText),
    column('Ports', object => (object.spec?.tls?.length ? '80, 443' : '80')),
    ageColumn,
  ],
})
