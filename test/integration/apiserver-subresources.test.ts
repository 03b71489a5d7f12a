import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ServiceAllocator } from '../../bootstrap/apiserver/services/allocator.ts'
import type { NodeConnect, ProxyDialer } from '../../bootstrap/apiserver/subresources/backends.ts'
import { type TestServer, testServer } from '../../bootstrap/apiserver/testing.ts'

let api: TestServer
const asked: { node: string; method: string; path: string }[] = []
const nodeConnect: NodeConnect = {
  async request(node, method, path) {
    asked.push({ node, method, path })
    const waiting = path.includes('/waiting/')
    const body = waiting ? 'container "c" in pod "waiting" is waiting to start: ContainerCreating' : 'line\n'
    return { status: waiting ? 400 : 200, headers: {}, body: Readable.from([Buffer.from(body)]) }
  },
  upgrade() {},
}
const dialed: string[] = []
const proxyDialer: ProxyDialer = {
  async request({ scheme, host, port }, method, path, headers) {
    dialed.push(`${method} ${scheme}://${host}:${port}${path} ${headers.authorization ?? 'anonymous'}`)
    return {
      status: 302,
      headers: { location: '/next', connection: 'close', 'content-type': 'text/html' },
      body: Readable.from([Buffer.from('<a href="/x">hi</a>')]),
    }
  },
}

const namespace = '/api/v1/namespaces/subs'
const pod = (name: string, containers = ['c'], more: object = {}) => ({
  metadata: { name, labels: { app: name } },
  spec: { containers: containers.map(container => ({ name: container, image: 'i' })), ...more },
})

beforeAll(async () => {
  const allocator = new ServiceAllocator({ serviceCidrs: ['10.43.0.0/16'], random: () => 0.5 })
  api = await testServer({ nodeConnect, proxyDialer, hooks: new Map([['/services', allocator]]) })
})
afterAll(() => api.stop())

describe('scale', () => {
  const deployments = '/apis/apps/v1/namespaces/subs/deployments'
  const url = `${deployments}/web/scale`

  beforeAll(async () => {
    await api.request('POST', deployments, {
      metadata: { name: 'web' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    })
  })

  test('shows the parent', async () => {
    expect((await api.request('GET', url)).json).toMatchObject({
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      metadata: { name: 'web', namespace: 'subs', uid: expect.any(String), resourceVersion: expect.any(String) },
      spec: { replicas: 2 },
      status: { replicas: 0, selector: 'app=web' },
    })
  })

  test('writes its count, by each verb', async () => {
    const { json } = await api.request('GET', url)
    expect((await api.request('PUT', url, { ...json, spec: { replicas: 3 } })).json.spec.replicas).toBe(3)
    expect((await api.request('PUT', url, { ...json, spec: { replicas: 4 } })).json).toMatchObject({ code: 409 })
    const merge = { 'content-type': 'application/merge-patch+json' }
    expect((await api.request('PATCH', url, { spec: { replicas: 5 } }, merge)).json.spec.replicas).toBe(5)
    const apply = { 'content-type': 'application/apply-patch+yaml' }
    const configuration = { apiVersion: 'autoscaling/v1', kind: 'Scale', spec: { replicas: 6 } }
    const conflict = await api.request('PATCH', `${url}?fieldManager=m`, configuration, apply)
    expect(conflict.json).toMatchObject({ code: 409, details: { causes: [{ field: '.spec.replicas' }] } })
    const forced = await api.request('PATCH', `${url}?fieldManager=m&force=true`, configuration, apply)
    expect(forced.json.spec.replicas).toBe(6)
    const parent = (await api.request('GET', `${deployments}/web`)).json
    expect(parent.spec.replicas).toBe(6)
    expect(parent.metadata.generation).toBe(4)
    const entry = parent.metadata.managedFields.find((one: { manager: string }) => one.manager === 'm')
    expect(entry).toMatchObject({ subresource: 'scale', fieldsV1: { 'f:spec': { 'f:replicas': {} } } })
  })

  test('refuses less than nothing', async () => {
    const { json } = await api.request('PUT', url, { metadata: { name: 'web' }, spec: { replicas: -1 } })
    expect(json).toMatchObject({ code: 422, reason: 'Invalid', details: { kind: 'Scale', group: 'autoscaling' } })
  })
})

describe('eviction', () => {
  const evict = (name: string, body: object = {}) =>
    api.request('POST', `${namespace}/pods/${name}/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, ...body },
    })
  const running = async (name: string, labels: object) => {
    await api.request('POST', `${namespace}/pods`, { ...pod(name), metadata: { name, labels } })
    const { json } = await api.request('GET', `${namespace}/pods/${name}`)
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
    await api.request('PUT', `${namespace}/pods/${name}/status`, { ...json, status })
  }
  const budget = async (name: string, labels: object, status: object) => {
    const url = '/apis/policy/v1/namespaces/subs/poddisruptionbudgets'
    const { json } = await api.request('POST', url, {
      metadata: { name },
      spec: { minAvailable: 3, selector: { matchLabels: labels } },
    })
    await api.request('PUT', `${url}/${name}/status`, { ...json, status: { ...status, expectedPods: 3 } })
  }

  test('without a budget', async () => {
    await running('free', { app: 'free' })
    expect((await evict('free')).json).toMatchObject({ kind: 'Status', status: 'Success' })
    expect((await api.request('GET', `${namespace}/pods/free`)).status).toBe(404)
  })

  test('an exhausted budget holds it back', async () => {
    await running('held', { app: 'held' })
    await budget(
      'b',
      { app: 'held' },
      { observedGeneration: 1, disruptionsAllowed: 0, desiredHealthy: 3, currentHealthy: 3 },
    )
    const { json, headers } = await evict('held')
    expect(json).toMatchObject({
      code: 429,
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: {
        causes: [
          { reason: 'DisruptionBudget', message: 'The disruption budget b needs 3 healthy pods and has 3 currently' },
        ],
      },
    })
    expect(headers).not.toHaveProperty('retry-after')
  })

  test('two budgets are too many', async () => {
    await running('twice', { app: 'held', other: 'x' })
    await budget(
      'c',
      { other: 'x' },
      { observedGeneration: 1, disruptionsAllowed: 1, desiredHealthy: 1, currentHealthy: 2 },
    )
    const { json } = await evict('twice')
    expect(json.code).toBe(500)
    expect(json.message).toContain('This pod has more than one PodDisruptionBudget')
  })

  test('names must agree', async () => {
    expect((await evict('held', { name: 'other' })).json).toMatchObject({ code: 400 })
  })
})

describe('services', () => {
  const services = `${namespace}/services`
  const service = (name: string, spec: object) => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } })

  test('get an address, and give it back', async () => {
    const { json } = await api.request('POST', services, service('web', {}))
    const { clusterIP } = json.spec
    expect(clusterIP).toMatch(/^10\.43\./)
    expect(json.spec).toMatchObject({ clusterIPs: [clusterIP], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
    const taken = await api.request('POST', services, service('thief', { clusterIP }))
    expect(taken.json).toMatchObject({ code: 422, reason: 'Invalid' })
    expect(taken.json.message).toBe(
      `Service "thief" is invalid: spec.clusterIPs: Invalid value: ["${clusterIP}"]: failed to allocate IP ${clusterIP}: provided IP is already allocated`,
    )
    await api.request('DELETE', `${services}/web`)
    expect((await api.request('POST', services, service('thief', { clusterIP }))).status).toBe(201)
  })

  test('outside the range', async () => {
    const { json } = await api.request('POST', services, service('far', { clusterIP: '192.0.2.1' }))
    expect(json.message).toContain(
      'failed to allocate IP 192.0.2.1: the provided IP (192.0.2.1) is not in the valid range. The range of valid IPs is 10.43.0.0/16',
    )
  })

  test('node ports', async () => {
    const ports = [
      { name: 'u', port: 53, protocol: 'UDP' },
      { name: 't', port: 53, protocol: 'TCP' },
    ]
    const { json } = await api.request('POST', services, service('dns', { type: 'NodePort', ports }))
    const [udp, tcp] = json.spec.ports
    expect(udp.nodePort).toBeGreaterThanOrEqual(30086)
    expect(tcp.nodePort).toBe(udp.nodePort)
    const clash = service('clash', { type: 'NodePort', ports: [{ port: 1, nodePort: udp.nodePort }] })
    expect((await api.request('POST', services, clash)).json.message).toBe(
      `Service "clash" is invalid: spec.ports[0].nodePort: Invalid value: ${udp.nodePort}: provided port is already allocated`,
    )
    const far = service('far', { type: 'NodePort', ports: [{ port: 1, nodePort: 80 }] })
    expect((await api.request('POST', services, far)).json.message).toContain('The range of valid ports is 30000-32767')

    const kept = await api.request('PUT', `${services}/dns`, service('dns', { type: 'NodePort', ports }))
    expect(kept.json.spec.ports[0].nodePort).toBe(udp.nodePort)
    expect(kept.json.spec.clusterIP).toBe(json.spec.clusterIP)
    const plain = await api.request('PUT', `${services}/dns`, service('dns', { type: 'ClusterIP', ports }))
    expect(plain.json.spec.ports[0].nodePort).toBeUndefined()
    expect((await api.request('POST', services, clash)).status).toBe(201)
  })

  test('headless ones have none', async () => {
    const { json } = await api.request(
      'POST',
      services,
      service('headless', { clusterIP: 'None', selector: { a: 'b' } }),
    )
    expect(json.spec).toMatchObject({ clusterIP: 'None', clusterIPs: ['None'], ipFamilies: ['IPv4'] })
  })

  test('a dry run keeps nothing', async () => {
    const dry = await api.request('POST', `${services}?dryRun=All`, service('dry', {}))
    const { clusterIP } = dry.json.spec
    expect((await api.request('POST', services, service('real', { clusterIP }))).status).toBe(201)
  })
})

describe('logs', () => {
  const logs = async (name: string, query = '') => await api.request('GET', `${namespace}/pods/${name}/log${query}`)

  beforeAll(async () => {
    await api.request('POST', `${namespace}/pods`, pod('one', ['c'], { nodeName: 'n1' }))
    await api.request('POST', `${namespace}/pods`, pod('two', ['a', 'b'], { nodeName: 'n1' }))
    await api.request('POST', `${namespace}/pods`, pod('waiting', ['c'], { nodeName: 'n1' }))
  })

  test('come from the node agent', async () => {
    const answer = await logs('one', '?follow=true&tailLines=5&timestamps=false')
    expect(answer.text).toBe('line\n')
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(asked.at(-1)).toEqual({
      node: 'n1',
      method: 'GET',
      path: '/containerLogs/subs/one/c?follow=true&tailLines=5',
    })
  })

  test.each([
    ['two', '', 400, 'a container name must be specified for pod two, choose one of: [a b]'],
    ['two', '?container=x', 400, 'container x is not valid for pod two'],
    ['waiting', '', 400, 'container "c" in pod "waiting" is waiting to start: ContainerCreating'],
    [
      'one',
      '?tailLines=-1',
      422,
      'PodLogOptions "one" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    ],
    ['absent', '', 404, 'pods "absent" not found'],
  ])('of %s%s answer %i', async (name, query, code, message) => {
    expect((await logs(name, query)).json).toMatchObject({ code, message })
  })
})

describe('proxy', () => {
  test('to a pod', async () => {
    await api.request('POST', `${namespace}/pods`, pod('served'))
    const { json } = await api.request('GET', `${namespace}/pods/served`)
    await api.request('PUT', `${namespace}/pods/served/status`, { ...json, status: { podIP: '10.42.0.9' } })
    const headers = { authorization: 'Bearer secret' }
    const answer = await api.request('GET', `${namespace}/pods/https:served:8443/proxy/a/b?c=d`, undefined, headers)
    expect(dialed.at(-1)).toBe('GET https://10.42.0.9:8443/a/b?c=d anonymous')
    expect(answer.text).toBe(`<a href="${namespace}/pods/https:served:8443/proxy/x">hi</a>`)
    expect(answer.headers).toMatchObject({ location: `${namespace}/pods/https:served:8443/proxy/next` })
    expect(answer.headers.connection).toBeUndefined()
  })

  test('adds the slash', async () => {
    const answer = await api.request('GET', `${namespace}/pods/served/proxy?a=b`)
    expect(answer).toMatchObject({ status: 301, headers: { location: `${namespace}/pods/served/proxy/?a=b` } })
  })

  test.each(['OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'])('%s, with and without a path', async method => {
    await api.request(method, `${namespace}/pods/served/proxy/a`)
    expect(dialed.at(-1)).toBe(`${method} http://10.42.0.9:80/a anonymous`)
    await api.request(method, `${namespace}/pods/served/proxy?b=c`)
    expect(dialed.at(-1)).toBe(`${method} http://10.42.0.9:80/?b=c anonymous`)
  })

  test('to a service without endpoints', async () => {
    const { json } = await api.request('GET', `${namespace}/services/headless/proxy/`)
    expect(json).toMatchObject({ code: 503, message: 'no endpoints available for service "headless"' })
  })

  test('to a node', async () => {
    await api.request('POST', '/api/v1/nodes', { metadata: { name: 'n1' } })
    await api.request('GET', '/api/v1/nodes/n1/proxy/stats/summary')
    expect(asked.at(-1)).toEqual({ node: 'n1', method: 'GET', path: '/stats/summary' })
  })
})

describe('parts of pods', () => {
  test('ephemeral containers may only be added', async () => {
    await api.request('POST', `${namespace}/pods`, pod('debugged'))
    const url = `${namespace}/pods/debugged/ephemeralcontainers`
    const { json } = await api.request('GET', url)
    const debug = { name: 'd', image: 'i' }
    const added = await api.request('PUT', url, { ...json, spec: { ...json.spec, ephemeralContainers: [debug] } })
    expect(added.json.spec.ephemeralContainers).toMatchObject([debug])
    const { ephemeralContainers: _, ...rest } = added.json.spec
    const removed = await api.request('PUT', url, { ...added.json, spec: rest })
    expect(removed.json.message).toContain('existing ephemeral containers "d" may not be removed')
  })

  test('exec needs an upgrade', async () => {
    const { json } = await api.request('POST', `${namespace}/pods/one/exec?command=sh`)
    expect(json).toMatchObject({ code: 400, message: 'Upgrade request required' })
  })
})
