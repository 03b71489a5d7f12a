import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { configMaps, pods } from '../client/resources.ts'
import { clientContract } from '../client/testing/client-contract.ts'
import { inProcessClient } from './inprocess.ts'
import { admin, type TestServer, testServer } from './testing.ts'

clientContract('the in-process client', async () => {
  const api = await testServer()
  return { client: inProcessClient(api.server, admin), close: () => api.stop() }
})

describe('inside the process', () => {
  let api: TestServer
  beforeAll(async () => {
    const authorizer = {
      authorize: ({ user }: { user: { name: string } }) => ({ allowed: user.name === 'admin', reason: '' }),
    }
    api = await testServer({ authorizer })
  })
  afterAll(() => api.stop())

  test("reads share one object, writes leave the caller's alone", async () => {
    const client = inProcessClient(api.server, admin)
    const object = Object.freeze({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: Object.freeze({ name: 'shared', namespace: 'default' }),
      data: Object.freeze({ a: '1' }),
    })
    await client.create(configMaps, object)
    const at = { name: 'shared', namespace: 'default' }
    const { items } = await client.list(configMaps, { namespace: 'default' })
    expect(items[0]).toBe(await client.get(configMaps, at))
  })

  test('the same authorization as over the wire', async () => {
    const client = inProcessClient(api.server, admin).as('system:serviceaccount:kube-system:x')
    await expect(client.list(configMaps, { namespace: 'default' })).rejects.toThrow(
      'configmaps is forbidden: User "system:serviceaccount:kube-system:x" cannot list resource "configmaps" in API group "" in the namespace "default"',
    )
  })

  test('applying what does not exist needs the right to create', async () => {
    const authorizer = {
      authorize: ({ verb }: { verb: string }) => ({ allowed: verb === 'patch', reason: '' }),
    }
    const guarded = await testServer({ authorizer })
    const client = inProcessClient(guarded.server, admin)
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace: 'default' } }
    const applied = client.patch(configMaps, { name: 'x', namespace: 'default' }, object, { type: 'apply' })
    await expect(applied).rejects.toThrow('User "admin" cannot create resource "configmaps"')
    await guarded.stop()
  })

  test('subresources', async () => {
    const client = inProcessClient(api.server, admin)
    const spec = { containers: [{ name: 'c', image: 'i' }] }
    await client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default' }, spec })
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'p', namespace: 'default' },
      target: { kind: 'Node', name: 'n' },
    }
    await client.create(pods, binding as never, { subresource: 'binding', name: 'p' })
    expect((await client.get(pods, { name: 'p', namespace: 'default' })).spec?.nodeName).toBe('n')
  })

  test('raw paths', async () => {
    const client = inProcessClient(api.server, admin)
    expect(await client.raw('GET', '/version')).toMatchObject({ minor: '36' })
    expect(await client.raw('GET', '/version/')).toMatchObject({ minor: '36' })
    expect(await client.raw('GET', '/apis/apps/')).toMatchObject({ kind: 'APIGroup', name: 'apps' })
    await expect(client.raw('GET', '/nothing')).rejects.toThrow('the server could not find the requested resource')
  })
})
