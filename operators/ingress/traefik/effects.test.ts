import { expect, test } from '@jest/globals'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { effectProblems, fieldsWithoutEffect } from './effects.ts'

const object = (kind: string, spec: unknown, annotations = {}): KubeObject =>
  ({
    apiVersion: 'traefik.io/v1alpha1',
    kind,
    metadata: { name: 'x', namespace: 'default', annotations },
    spec,
  }) as KubeObject

const service = 'spec.routes[0].services[0]'
const route = (spec: object) => ({ routes: [{ match: 'Host(`x`)', services: [{ name: 'a', port: 80, ...spec }] }] })

/** What is written, and the paths that are to be named. */
const cases: [string, unknown, string[]][] = [
  ['IngressRoute', route({ healthCheck: { path: '/' } }), [`${service}.healthCheck`]],
  ['IngressRoute', route({ passiveHealthCheck: {} }), [`${service}.passiveHealthCheck`]],
  ['IngressRoute', route({ responseForwarding: { flushInterval: '1s' } }), [`${service}.responseForwarding`]],
  ['IngressRoute', route({ strategy: 'p2c', nodePortLB: true }), [`${service}.strategy`, `${service}.nodePortLB`]],
  ['IngressRoute', route({ strategy: 'wrr', nodePortLB: false }), []],
  ['IngressRoute', { routes: [{ match: 'x', observability: { accessLogs: true } }] }, ['spec.routes[0].observability']],
  [
    'IngressRoute',
    { routes: [], tls: { certResolver: 'le', store: { name: 'x' } } },
    ['spec.tls.certResolver', 'spec.tls.store'],
  ],
  ['IngressRoute', { routes: [], tls: { domains: [{ main: 'x' }], secretName: 's' } }, ['spec.tls.domains']],
  ['IngressRouteTCP', route({ tls: true, terminationDelay: 1 }), [`${service}.tls`, `${service}.terminationDelay`]],
  [
    'IngressRouteTCP',
    route({ serversTransport: 't', proxyProtocol: { version: 2 } }),
    [`${service}.serversTransport`, `${service}.proxyProtocol`],
  ],
  [
    'Middleware',
    { compress: { minResponseBodyBytes: 1, encodings: ['br'] } },
    ['spec.compress.minResponseBodyBytes', 'spec.compress.encodings'],
  ],
  ['Middleware', { compress: { includedContentTypes: ['a/b'] } }, []],
  ['Middleware', { buffering: { maxRequestBodyBytes: 1 } }, ['spec.buffering']],
  ['Middleware', { contentType: {} }, ['spec.contentType']],
  ['Middleware', { forwardAuth: { address: 'x' } }, ['spec.forwardAuth']],
  [
    'Middleware',
    { rateLimit: { average: 1, redis: {}, sourceCriterion: { ipStrategy: { ipv6Subnet: 64 } } } },
    ['spec.rateLimit.redis', 'spec.rateLimit.sourceCriterion.ipStrategy.ipv6Subnet'],
  ],
  ['Middleware', { retry: { attempts: 2, initialInterval: '1s' } }, ['spec.retry.initialInterval']],
  [
    'Middleware',
    { headers: { isDevelopment: true, frameDeny: true, constructor: 1 } },
    ['spec.headers.isDevelopment', 'spec.headers.constructor'],
  ],
  [
    'MiddlewareTCP',
    { inFlightConn: { amount: 1 }, ipAllowList: { sourceRange: [] } },
    ['spec.inFlightConn', 'spec.ipAllowList'],
  ],
  [
    'ServersTransport',
    { forwardingTimeouts: { dialTimeout: '1s' }, certificatesSecrets: ['a'], rootCAs: [{ configMap: 'a' }] },
    ['spec.forwardingTimeouts', 'spec.certificatesSecrets', 'spec.rootCAs[0].configMap'],
  ],
  ['ServersTransport', { rootCAsSecrets: ['a'], rootCAs: [{ secret: 'a' }], disableHTTP2: true }, []],
  ['ServersTransportTCP', { dialTimeout: '1s', tls: {} }, ['spec.dialTimeout', 'spec.tls']],
  [
    'TLSOption',
    { sniStrict: true, disableSessionTickets: true, minVersion: 'VersionTLS12' },
    ['spec.sniStrict', 'spec.disableSessionTickets'],
  ],
  ['TLSStore', { defaultGeneratedCert: { resolver: 'le' } }, ['spec.defaultGeneratedCert']],
  ['TraefikService', { mirroring: { name: 'a' } }, ['spec.mirroring']],
  [
    'TraefikService',
    { weighted: { services: [{ name: 'a', healthCheck: {} }] } },
    ['spec.weighted.services[0].healthCheck'],
  ],
]

test.each(cases)('%s %j', (kind, spec, paths) => {
  expect(fieldsWithoutEffect(object(kind, spec))).toEqual(paths)
  const problems = effectProblems(object(kind, spec))
  expect(problems).toHaveLength(paths.length > 0 ? 1 : 0)
  for (const path of paths) expect(problems[0]!.message).toContain(path)
})

test('annotations of Traefik that nobody reads', () => {
  const prefix = 'traefik.ingress.kubernetes.io'
  const annotations = {
    [`${prefix}/router.tls.certresolver`]: 'le',
    [`${prefix}/router.tls`]: 'true',
    [`${prefix}/service.sticky.cookie.name`]: 'c',
    [`${prefix}/service.nodeportlb`]: 'true',
    'example.com/x': 'y',
  }
  expect(effectProblems(object('Ingress', { rules: [] }, annotations))).toMatchObject([
    {
      reason: 'NoEffect',
      message: `annotation ${prefix}/router.tls.certresolver, annotation ${prefix}/service.nodeportlb have no effect here`,
    },
  ])
})
