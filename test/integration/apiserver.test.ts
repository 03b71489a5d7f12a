import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { apiRequest, type TestServer, testServer } from '../../bootstrap/apiserver/testing.ts'

let api: TestServer
beforeAll(async () => {
  api = await testServer()
})
afterAll(async () => {
  await api.stop()
})

const configMaps = '/api/v1/namespaces/default/configmaps'
const configMap = (name: string, data: object = { a: '1' }) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
})

async function firstEvents(
  url: string,
  count: number,
  act?: () => Promise<unknown>,
): Promise<{ type: string; object: KubeObject }[]> {
  const stop = new AbortController()
  const response = await api.server.handle(apiRequest('GET', url, undefined, {}, stop.signal))
  expect(response.status).toBe(200)
  const iterator = (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  const events: { type: string; object: KubeObject }[] = []
  let pending = iterator.next()
  await act?.()
  while (events.length < count) {
    const { done, value } = await pending
    if (done) break
    for (const line of Buffer.from(value).toString().trimEnd().split('\n')) events.push(JSON.parse(line))
    if (events.length < count) pending = iterator.next()
  }
  stop.abort()
  return events
}

describe('create, get, update, delete', () => {
  test('a whole life', async () => {
    const created = await api.request('POST', configMaps, configMap('life'))
    expect(created.status).toBe(201)
    expect(created.json).toMatchObject({
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: 'life', namespace: 'default' },
    })
    expect(created.json.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(created.json.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    const { resourceVersion } = created.json.metadata

    const got = await api.request('GET', `${configMaps}/life`)
    expect(got.json).toEqual(created.json)

    const same = await api.request('PUT', `${configMaps}/life`, created.json)
    expect(same.json.metadata.resourceVersion).toBe(resourceVersion)

    const changed = await api.request('PUT', `${configMaps}/life`, { ...created.json, data: { a: '2' } })
    expect(changed.status).toBe(200)
    expect(Number(changed.json.metadata.resourceVersion)).toBeGreaterThan(Number(resourceVersion))

    const stale = await api.request('PUT', `${configMaps}/life`, { ...created.json, data: { a: '3' } })
    expect(stale.json).toMatchObject({ code: 409, reason: 'Conflict' })
    expect(stale.json.message).toBe(
      'Operation cannot be fulfilled on configmaps "life": the object has been modified; please apply your changes to the latest version and try again',
    )

    const deleted = await api.request('DELETE', `${configMaps}/life`)
    expect(deleted.json).toMatchObject({ status: 'Success', details: { name: 'life', kind: 'configmaps' } })
    expect((await api.request('GET', `${configMaps}/life`)).json).toMatchObject({
      code: 404,
      reason: 'NotFound',
      message: 'configmaps "life" not found',
      details: { name: 'life', kind: 'configmaps' },
    })
  })
})

describe('watch', () => {
  test('sees what happens after a list', async () => {
    const { resourceVersion } = (await api.request('GET', configMaps)).json.metadata
    const events = await firstEvents(`${configMaps}?watch=true&resourceVersion=${resourceVersion}`, 3, async () => {
      await api.request('POST', configMaps, configMap('seen'))
      await api.request('PUT', `${configMaps}/seen`, configMap('seen', { b: '2' }))
      await api.request('DELETE', `${configMaps}/seen`)
    })
    expect(events.map(event => event.type)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
  })
})
