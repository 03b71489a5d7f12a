import { describe, expect, test } from '@jest/globals'
import type { Container } from '../../api/types.gen.ts'
import type { Pod, Service } from '../../client/resources.ts'
import { containerEnvironment, type EnvironmentSources, serviceEnvironment } from './environment.ts'

const service = (namespace: string, name: string, clusterIP: string, ports: object[]): Service =>
  ({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec: { clusterIP, ports } }) as Service

const services = [
  service('default', 'kubernetes', '10.43.0.1', [{ name: 'https', port: 443, protocol: 'TCP' }]),
  service('shop', 'web-api', '10.43.0.7', [{ port: 80 }, { name: 'dns-udp', port: 53, protocol: 'UDP' }]),
  service('shop', 'headless', 'None', [{ port: 80 }]),
  service('other', 'far', '10.43.0.9', [{ port: 80 }]),
]

const sources: EnvironmentSources = {
  configMap: async (_, name) =>
    name === 'cm'
      ? { apiVersion: 'v1', kind: 'ConfigMap', metadata: {}, data: { a: '1', b: '2', 'x=y': 'bad' } }
      : undefined,
  secret: async (_, name) =>
    name === 'sec'
      ? { apiVersion: 'v1', kind: 'Secret', metadata: {}, data: { key: Buffer.from('hush').toString('base64') } }
      : undefined,
  services: [],
  addresses: { podIps: ['10.42.0.5', 'fd00::5'], hostIps: ['192.0.2.1'] },
  node: { milliCpu: 2000, memory: 2 ** 30, ephemeralStorage: 2 ** 31 },
}

const base: Container = { name: 'c', resources: { requests: { cpu: '250m', memory: '64Mi' } } }
const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'shop', uid: 'u', labels: { app: 'web', z: '"q"' } },
  spec: { nodeName: 'n1', serviceAccountName: 'sa', enableServiceLinks: false, containers: [base] },
}
const environment = (container: Partial<Container>) => containerEnvironment(pod, { ...base, ...container }, sources)
const field = (fieldPath: string) => ({ env: [{ name: 'V', valueFrom: { fieldRef: { fieldPath } } }] })
const resource = (name: string, divisor?: string) => ({
  env: [{ name: 'V', valueFrom: { resourceFieldRef: { resource: name, divisor } } }],
})

test.each([
  ['metadata.name', 'p'],
  ["metadata.labels['app']", 'web'],
  ['metadata.labels', 'app="web"\nz="\\"q\\""'],
  ['spec.nodeName', 'n1'],
  ['spec.serviceAccountName', 'sa'],
  ['status.podIP', '10.42.0.5'],
  ['status.podIPs', '10.42.0.5,fd00::5'],
  ['status.hostIP', '192.0.2.1'],
])('fieldRef %s', async (path, expected) => {
  expect(await environment(field(path))).toEqual({ V: expected })
})

test.each([
  ['requests.cpu', undefined, '1'],
  ['requests.cpu', '1m', '250'],
  ['limits.cpu', undefined, '2'],
  ['requests.memory', '1Mi', '64'],
  ['limits.memory', undefined, String(2 ** 30)],
  ['limits.ephemeral-storage', '1Gi', '2'],
])('resourceFieldRef %s / %s', async (name, divisor, expected) => {
  expect(await environment(resource(name, divisor))).toEqual({ V: expected })
})

describe('sources', () => {
  test('later definitions win and refer to earlier ones', async () => {
    const result = await environment({
      envFrom: [{ configMapRef: { name: 'cm' } }, { prefix: 'S_', secretRef: { name: 'sec' } }],
      env: [
        { name: 'a', value: 'own' },
        { name: 'c', value: '$(a)/$(S_key)/$(none)' },
      ],
    })
    expect(result).toEqual({ a: 'own', b: '2', S_key: 'hush', c: 'own/hush/$(none)' })
  })

  test('optional references may be missing', async () => {
    const result = await environment({
      envFrom: [{ configMapRef: { name: 'no', optional: true } }],
      env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'sec', key: 'no', optional: true } } }],
    })
    expect(result).toEqual({})
  })

  test.each([
    [{ envFrom: [{ configMapRef: { name: 'no' } }] }, 'configmap "no" not found'],
    [{ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'no', key: 'k' } } }] }, 'secret "no" not found'],
    [
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } }] },
      "couldn't find key k in ConfigMap shop/cm",
    ],
  ])('%j is refused', async (container, message) => {
    await expect(environment(container)).rejects.toThrow(message)
  })
})

test('service variables of the own namespace and of kubernetes', () => {
  expect(serviceEnvironment({ ...pod, spec: { ...pod.spec, enableServiceLinks: true } }, services)).toEqual({
    KUBERNETES_SERVICE_HOST: '10.43.0.1',
    KUBERNETES_SERVICE_PORT: '443',
    KUBERNETES_SERVICE_PORT_HTTPS: '443',
    KUBERNETES_PORT: 'tcp://10.43.0.1:443',
    KUBERNETES_PORT_443_TCP: 'tcp://10.43.0.1:443',
    KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
    KUBERNETES_PORT_443_TCP_PORT: '443',
    KUBERNETES_PORT_443_TCP_ADDR: '10.43.0.1',
    WEB_API_SERVICE_HOST: '10.43.0.7',
    WEB_API_SERVICE_PORT: '80',
    WEB_API_SERVICE_PORT_DNS_UDP: '53',
    WEB_API_PORT: 'tcp://10.43.0.7:80',
    WEB_API_PORT_80_TCP: 'tcp://10.43.0.7:80',
    WEB_API_PORT_80_TCP_PROTO: 'tcp',
    WEB_API_PORT_80_TCP_PORT: '80',
    WEB_API_PORT_80_TCP_ADDR: '10.43.0.7',
    WEB_API_PORT_53_UDP: 'udp://10.43.0.7:53',
    WEB_API_PORT_53_UDP_PROTO: 'udp',
    WEB_API_PORT_53_UDP_PORT: '53',
    WEB_API_PORT_53_UDP_ADDR: '10.43.0.7',
  })
  expect(Object.keys(serviceEnvironment(pod, services)).filter(name => name.startsWith('WEB'))).toEqual([])
})
