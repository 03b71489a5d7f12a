import { expect, test } from '@jest/globals'
import { parseSettings } from './settings.ts'

test("Traefik's arguments", () => {
  const settings = parseSettings([
    '--entryPoints.web.address=:8000/tcp',
    '--entrypoints.websecure.address=:8443',
    '--entryPoints.websecure.http.tls=true',
    '--entryPoints.web.http.redirections.entryPoint.to=:443',
    '--entryPoints.web.forwardedHeaders.trustedIPs=10.0.0.0/8, 127.0.0.1',
    '--entryPoints.udp.address=:5353/udp',
    '--entryPoints.traefik.address=:8080/tcp',
    '--ping=true',
    '--providers.kubernetesIngress.ingressClass=mine',
    '--accesslog.format=json',
    '--certificatesresolvers.le.acme.email=a@b.c',
    '--api.dashboard=true',
  ])
  expect(settings.entryPoints.map(({ name, port, tls, isDefault }) => [name, port, tls, isDefault])).toEqual([
    ['web', 8000, false, true],
    ['websecure', 8443, true, true],
  ])
  expect(settings.entryPoints[0]).toMatchObject({
    redirect: { to: ':443', scheme: 'https', permanent: true },
    trusted: ['10.0.0.0/8', '127.0.0.1'],
  })
  expect(settings).toMatchObject({ pingPort: 8080, metricsPort: undefined, accessLog: 'json' })
  expect([settings.ingress.enabled, settings.ingress.ingressClass, settings.crd.enabled]).toEqual([true, 'mine', false])
  expect(settings.ignored).toEqual(['certificatesresolvers.le.acme.email'])
})

test('what makes no sense is named', () => {
  expect(() => parseSettings(['web'])).toThrow('argument "web" is no option')
  expect(() => parseSettings(['--entryPoints.web.address=8000'])).toThrow('entry point web: "8000" is no address')
})
