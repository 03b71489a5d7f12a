import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type TestServer, testServer } from '../../bootstrap/apiserver/testing.ts'

let api: TestServer
const base = '/api/v1/namespaces/watches/configmaps'

beforeAll(async () => {
  api = await testServer()
})
afterAll(() => api.stop())

const object = (name: string, labels = {}, data = {}) => ({ metadata: { name, labels }, data })
const version = async () => (await api.request('GET', base)).json.metadata.resourceVersion as string
const post = (name: string, labels = {}) => api.request('POST', base, object(name, labels))
const put = (name: string, labels = {}, data = {}) => api.request('PUT', `${base}/${name}`, object(name, labels, data))
const remove = (name: string) => api.request('DELETE', `${base}/${name}`)

describe('events', () => {
  test('current state first, when no version is named', async () => {
    await post('state')
    const events = await api.watch(base, 2, () => put('state', {}, { x: '1' }))
    expect(events.map(event => event.type)).toEqual(['ADDED', 'MODIFIED'])
    await remove('state')
  })

  test('deletion carries the last state at its own version', async () => {
    await post('gone', { last: 'state' })
    const [event] = await api.watch(`${base}?resourceVersion=${await version()}`, 1, () => remove('gone'))
    expect(event).toMatchObject({ type: 'DELETED', object: { metadata: { labels: { last: 'state' } } } })
    expect(event!.object.metadata.resourceVersion).toBe(await version())
  })

  test('entering and leaving a selection', async () => {
    await post('selected', { on: 'no' })
    const events = await api.watch(`${base}?labelSelector=on%3Dyes&resourceVersion=${await version()}`, 3, async () => {
      await put('selected', { on: 'no' }, { x: '0' })
      await put('selected', { on: 'yes' }, { x: '1' })
      await put('selected', { on: 'yes' }, { x: '2' })
      await put('selected', { on: 'no' }, { x: '3' })
    })
    expect(events.map(event => [event.type, event.object.data])).toEqual([
      ['ADDED', { x: '1' }],
      ['MODIFIED', { x: '2' }],
      ['DELETED', { x: '2' }],
    ])
    expect(events[2]!.object.metadata.resourceVersion).toBe(await version())
    await remove('selected')
  })

  test('one object by the old path and by field selector', async () => {
    const after = await version()
    const act = async () => {
      await post('other')
      await post('mine')
    }
    const legacy = `/api/v1/watch/namespaces/watches/configmaps/mine?resourceVersion=${after}`
    const [event] = await api.watch(legacy, 1, act)
    expect(event!.object.metadata.name).toBe('mine')
    const [same] = await api.watch(`${base}?fieldSelector=metadata.name%3Dmine&resourceVersion=${after}`, 1)
    expect(same).toEqual(event)
    await remove('mine')
    await remove('other')
  })
})

describe('initial events', () => {
  test('end with a bookmark', async () => {
    await post('first')
    const query = '?allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
    const events = await api.watch(`${base}${query}`, 2)
    expect(events.map(event => event.type)).toEqual(['ADDED', 'BOOKMARK'])
    expect(events[1]!.object).toEqual({
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { resourceVersion: await version(), annotations: { 'k8s.io/initial-events-end': 'true' } },
    })
    await remove('first')
  })

  test.each([
    ['?sendInitialEvents=true', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'],
    [
      '?resourceVersionMatch=NotOlderThan',
      'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    ],
  ])('%s is refused', async (query, message) => {
    const { json } = await api.request('GET', `${base}${query}&watch=true`)
    expect(json).toMatchObject({ code: 422, reason: 'Invalid' })
    expect(json.message).toContain(message)
  })
})

describe('the stream', () => {
  test('ends after timeoutSeconds, with a bookmark when those were asked for', async () => {
    const events = await api.watch(
      `${base}?timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=${await version()}`,
      9,
    )
    expect(events.map(event => event.type)).toEqual(['BOOKMARK'])
  })

  test('a table names its columns once', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const act = async () => {
      await post('row')
      await remove('row')
    }
    const events = await api.watch(`${base}?resourceVersion=${await version()}`, 2, act, { accept })
    const tables = events.map(event => event.object as unknown as { kind: string; columnDefinitions: object[] })
    expect(tables.map(table => table.kind)).toEqual(['Table', 'Table'])
    expect(tables.map(table => table.columnDefinitions.length)).toEqual([3, 0])
  })

  test('YAML cannot be streamed', async () => {
    const answer = await api.request('GET', `${base}?watch=true`, undefined, { accept: 'application/yaml' })
    expect(answer.status).toBe(406)
  })
})
