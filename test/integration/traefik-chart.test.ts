/** The packaged chart by the real Helm: what values make of it. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Deployment, Service } from '../../bootstrap/api/types.gen.ts'
import { parseYamlDocuments } from '../../bootstrap/api/yaml.ts'
import { helmProgram } from '../../operators/helmchart/sources/testing/registry.ts'
import { parseSettings } from '../../operators/ingress/settings.ts'

const charts = join(import.meta.dirname, '../../charts')

function render(values: object, chart = 'traefik'): KubeObject[] {
  const args = ['template', 'traefik', join(charts, chart), '-n', 'kube-system', '-f', '-']
  const text = execFileSync(helmProgram, args, { input: JSON.stringify(values) }).toString()
  return parseYamlDocuments(text).flatMap(({ value }) => (value ? (value as KubeObject) : []))
}

function parts(values: object) {
  const objects = render(values)
  const find = <T>(kind: string) => objects.find(object => object.kind === kind) as unknown as T
  const pod = find<Deployment>('Deployment').spec.template.spec!
  const ports = (find<Service>('Service').spec.ports ?? []).map(({ name, port, targetPort, nodePort }) => [
    name,
    port,
    targetPort,
    nodePort,
  ])
  const [container] = pod.containers
  return { pod, ports, container: container!, settings: parseSettings(container!.args ?? []), objects }
}

test('as it comes: our own ingress behind 80 and 443', () => {
  const { pod, ports, container, settings, objects } = parts({})
  expect([pod.runtimeClassName, container.image]).toEqual(['embedded', 'embedded/ingress'])
  expect(ports).toEqual([
    ['web', 80, 'web', undefined],
    ['websecure', 443, 'websecure', undefined],
  ])
  expect(settings).toMatchObject({ pingPort: 8080, metricsPort: 9100, accessLog: 'off', ignored: [] })
  expect(settings.ingress).toMatchObject({ enabled: true, publishedService: 'kube-system/traefik' })
  expect(objects.find(({ kind }) => kind === 'IngressClass')?.metadata).toMatchObject({
    name: 'traefik',
    annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' },
  })
})

test('an image makes it Traefik, a container with the same arguments', () => {
  const { pod, container } = parts({ image: { tag: '3.6' }, global: { systemDefaultRegistry: 'registry.local' } })
  expect([pod.runtimeClassName, container.image]).toEqual([
    undefined,
    'registry.local/rancher/mirrored-library-traefik:3.6',
  ])
  expect(container.args).toEqual(parts({}).container.args)
  expect(parts({ image: { repository: 'traefik' } }).container.image).toBe('traefik:3.7.8')
})

test("the guides' ports, node ports, redirections of every age, options", () => {
  const guide = parts({ ports: { web: { port: 8080 }, websecure: { port: 8443 } } })
  expect(guide.settings.entryPoints.map(({ port }) => port)).toEqual([8080, 8443])
  expect(guide.settings.pingPort).toBe(9000)
  expect(parts({ ports: { web: { exposedPort: 81, nodePort: 30080 } } }).ports[0]).toEqual(['web', 81, 'web', 30080])
  const entryPoint = { to: 'websecure', scheme: 'https', permanent: true }
  for (const web of [
    { redirections: { entryPoint } },
    { http: { redirections: { entryPoint } } },
    { redirectTo: { port: 'websecure' } },
  ])
    expect(parts({ ports: { web } }).settings.entryPoints[0]?.redirect).toEqual({
      to: ':443',
      scheme: 'https',
      permanent: true,
    })
  expect(
    parts({ ports: { web: { expose: { default: false } }, websecure: { expose: true } } }).ports.map(([name]) => name),
  ).toEqual(['websecure'])
  const more = parts({
    logs: { access: { enabled: true, format: 'json' } },
    additionalArguments: ['--serversTransport.insecureSkipVerify=true'],
    deployment: { replicas: 3 },
  })
  expect(more.settings).toMatchObject({ accessLog: 'json', insecureSkipVerify: true })
  expect(parts({ ports: { db: { port: 5432, expose: { default: true } } } }).ports).toContainEqual([
    'db',
    5432,
    'db',
    undefined,
  ])
})

test('the Gateway API on demand, and the definitions', () => {
  const kinds = (list: readonly KubeObject[]) => list.map(({ kind }) => kind)
  expect(kinds(render({}))).not.toContain('Gateway')
  expect(kinds(render({ providers: { kubernetesGateway: { enabled: true } } }))).toEqual(
    expect.arrayContaining(['GatewayClass', 'Gateway']),
  )
  const names = render({}, 'traefik-crd').map(({ metadata }) => metadata.name)
  expect(names).toEqual(
    expect.arrayContaining([
      'ingressroutes.traefik.io',
      'middlewares.traefik.io',
      'httproutes.gateway.networking.k8s.io',
    ]),
  )
})
