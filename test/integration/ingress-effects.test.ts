/** What users write either works or is named: fields without effect, and how https backends are verified. */
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import {
  ingressRoutes,
  middlewares,
  middlewareTcps,
  serversTransports,
  serversTransportTcps,
} from '../../operators/ingress/kinds.ts'
import { certificate, hasHaproxy, IngressBed } from './ingress-fixture.ts'

jest.setTimeout(30_000)

const suite = hasHaproxy ? describe : describe.skip
const route = (host: string, service: object, more: object = {}) => ({
  routes: [{ match: `Host(\`${host}\`)`, services: [service], ...more }],
})

suite('Traefik resources by the real HAProxy', () => {
  let bed: IngressBed
  let secure: Server
  const [own, other] = [certificate('inside.org'), certificate('inside.org')]
  const decode = (text: string) => Buffer.from(text, 'base64').toString()

  beforeAll(async () => {
    secure = createServer({ cert: decode(own.crt), key: decode(own.key) }, (_, response) => response.end('secure'))
    await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve))
    bed = await IngressBed.start([], bed => bed.crds())
    await bed.backend('plain')
    await bed.backend('secure', { ports: [(secure.address() as AddressInfo).port], port: { appProtocol: 'https' } })
  })
  afterAll(async () => {
    await bed?.stop()
    secure.closeAllConnections()
    secure.close()
  })

  const told = async (name: string, wanted: string) =>
    expect(
      await bed.until(
        () => bed.events(name),
        list => list.includes?.(wanted),
      ),
    ).toContain(wanted)

  test('fields and kinds without effect are named in an event on their object', async () => {
    await bed.create(middlewares, 'small', { compress: { minResponseBodyBytes: 10 } })
    await bed.create(middlewareTcps, 'tcp', { ipAllowList: { sourceRange: ['10.0.0.0/8'] } })
    await bed.create(serversTransportTcps, 'dial', { dialTimeout: '1s' })
    const service = { name: 'plain', port: 80, healthCheck: { path: '/' }, responseForwarding: { flushInterval: '1s' } }
    await bed.create(ingressRoutes, 'checked', route('checked.org', service, { observability: { metrics: true } }))
    await told('small', 'NoEffect: spec.compress.minResponseBodyBytes has no effect here')
    await told('tcp', 'NoEffect: spec.ipAllowList has no effect here')
    await told('dial', 'NoEffect: spec.dialTimeout has no effect here')
    const fields = ['services[0].healthCheck', 'services[0].responseForwarding', 'observability']
    const list = fields.map(field => `spec.routes[0].${field}`).join(', ')
    await told('checked', `NoEffect: ${list} have no effect here`)
    expect((await bed.ask({ host: 'checked.org' })).status).toBe(200)
    await bed.backend('annotated', { annotations: { 'traefik.ingress.kubernetes.io/service.nodeportlb': 'true' } })
    await bed.create(ingressRoutes, 'annotated-route', route('annotated.org', { name: 'annotated', port: 80 }))
    await told('annotated', 'NoEffect: annotation traefik.ingress.kubernetes.io/service.nodeportlb has no effect here')
  })

  test('what would be less safe without a field is refused', async () => {
    const service = { name: 'plain', port: 80 }
    await bed.create(ingressRoutes, 'guarded', route('guarded.org', { ...service, middlewares: [{ name: 'auth' }] }))
    await bed.create(ingressRoutes, 'child', { ...route('child.org', service), parentRefs: [{ name: 'guarded' }] })
    await bed.untilStatus({ host: 'guarded.org' }, 503)
    await bed.untilStatus({ host: 'child.org' }, 503)
    await told('child', 'UnsupportedRoute: parentRefs are not supported here; the route answers 503')
  })

  test('a ServersTransport says whom to believe: rootCAsSecrets instead of the system', async () => {
    const service = { name: 'secure', port: 80, serversTransport: 'inside' }
    const prefix = 'ServersTransport default/inside'
    await bed.create(middlewares, 'once', { retry: { attempts: 1 } })
    await bed.create(ingressRoutes, 'verified', route('verified.org', service, { middlewares: [{ name: 'once' }] }))
    await told('verified', `ServersTransportNotFound: ${prefix} does not exist; the route answers 503`)
    await bed.create(serversTransports, 'inside', { serverName: 'inside.org', rootCAsSecrets: ['authorities'] })
    const missing = `InvalidServersTransport: ${prefix}: secret authorities does not exist or has no tls.ca; the route answers 503`
    await told('verified', missing)
    expect((await bed.ask({ host: 'verified.org' })).status).toBe(503)
    await bed.secret('authorities', { 'tls.ca': own.crt }, 'Opaque')
    expect((await bed.untilStatus({ host: 'verified.org' }, 200)).body).toBe('secure')
    await bed.secret('authorities', { 'tls.ca': other.crt })
    await bed.untilStatus({ host: 'verified.org' }, 503)
    await bed.secret('authorities', { 'ca.crt': own.crt })
    await bed.untilStatus({ host: 'verified.org' }, 200)
  })
})
