import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseYaml } from '../../bootstrap/api/yaml.ts'
import { type TestServer, testServer } from '../../bootstrap/apiserver/testing.ts'

let api: TestServer
const base = '/api/v1/namespaces/lists/configmaps'

beforeAll(async () => {
  api = await testServer()
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    const labels = { name, parity: 'ace'.includes(name) ? 'odd' : 'even' }
    await api.request('POST', base, { metadata: { name, labels }, data: { name } })
  }
})
afterAll(() => api.stop())

const names = (list: { items: { metadata: { name: string } }[] }) => list.items.map(item => item.metadata.name)
const get = async (query: string) => (await api.request('GET', `${base}${query}`)).json

describe('lists', () => {
  test('carry kind, version and an empty array when nothing is there', async () => {
    const { json } = await api.request('GET', '/api/v1/namespaces/none/configmaps')
    expect(json).toEqual({
      kind: 'ConfigMapList',
      apiVersion: 'v1',
      metadata: { resourceVersion: expect.stringMatching(/^\d+$/) },
      items: [],
    })
  })

  test.each([
    ['?labelSelector=parity%3Dodd', ['a', 'c', 'e']],
    ['?labelSelector=parity!%3Dodd', ['b', 'd']],
    ['?labelSelector=name+in+(a,b),parity', ['a', 'b']],
    ['?fieldSelector=metadata.name%3Dc', ['c']],
    ['?fieldSelector=metadata.name!%3Dc,metadata.namespace%3Dlists', ['a', 'b', 'd', 'e']],
  ])('%s selects %j', async (query, expected) => {
    expect(names(await get(query))).toEqual(expected)
  })

  test.each([
    ['?labelSelector=a+b+c', 400, 'BadRequest'],
    ['?fieldSelector=spec.x%3D1', 400, 'BadRequest'],
    ['?limit=x', 400, 'BadRequest'],
    ['?resourceVersion=abc', 422, 'Invalid'],
    ['?resourceVersionMatch=Exact', 422, 'Invalid'],
    ['?resourceVersion=0&resourceVersionMatch=Exact', 422, 'Invalid'],
    ['?resourceVersion=1&resourceVersionMatch=Other', 422, 'Invalid'],
    ['?sendInitialEvents=true', 422, 'Invalid'],
    ['?continue=nonsense', 400, 'BadRequest'],
  ])('%s is refused with %i %s', async (query, code, reason) => {
    expect(await get(query)).toMatchObject({ kind: 'Status', code, reason })
  })

  test('an unknown field says which are known', async () => {
    expect((await get('?fieldSelector=spec.x%3D1')).message).toMatch(/spec\.x/)
    const { message } = (await api.request('GET', '/api/v1/pods?fieldSelector=spec.x%3D1')).json
    expect(message).toBe('field label not supported: spec.x')
  })
})

describe('pages', () => {
  test("show the first page's snapshot to the end", async () => {
    const first = await get('?limit=2')
    expect(names(first)).toEqual(['a', 'b'])
    expect(first.metadata.remainingItemCount).toBe(3)
    await api.request('POST', base, { metadata: { name: 'bb' } })
    const second = await get(`?limit=2&continue=${first.metadata.continue}`)
    expect(names(second)).toEqual(['c', 'd'])
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
    const third = await get(`?limit=2&continue=${second.metadata.continue}`)
    expect(names(third)).toEqual(['e'])
    expect(third.metadata).toEqual({ resourceVersion: first.metadata.resourceVersion })
    await api.request('DELETE', `${base}/bb`)
  })

  test('count matches, not rows scanned, and keep quiet about what remains', async () => {
    const first = await get('?limit=2&labelSelector=parity%3Dodd')
    expect(names(first)).toEqual(['a', 'c'])
    expect(first.metadata.remainingItemCount).toBeUndefined()
    expect(names(await get(`?limit=2&labelSelector=parity%3Dodd&continue=${first.metadata.continue}`))).toEqual(['e'])
  })

  test("the token is upstream's", async () => {
    const { metadata } = await get('?limit=1')
    const token = JSON.parse(Buffer.from(metadata.continue, 'base64url').toString())
    expect(token).toEqual({ v: 'meta.k8s.io/v1', rv: Number(metadata.resourceVersion), start: 'a\u0000' })
  })

  test('continue excludes a version', async () => {
    const { metadata } = await get('?limit=1')
    expect(await get(`?continue=${metadata.continue}&resourceVersion=5`)).toMatchObject({
      code: 400,
      message: 'specifying resource version is not allowed when using continue',
    })
  })
})

describe('versions', () => {
  test('an exact one shows the past', async () => {
    const { metadata } = await get('')
    await api.request('POST', base, { metadata: { name: 'later' } })
    const past = await get(`?resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=Exact`)
    expect(names(past)).not.toContain('later')
    expect(past.metadata.resourceVersion).toBe(metadata.resourceVersion)
    const notOlder = await get(`?resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=NotOlderThan`)
    expect(names(notOlder)).toContain('later')
    expect(names(await get('?resourceVersion=0'))).toContain('later')
    await api.request('DELETE', `${base}/later`)
  })

  test('an exact one of the future is too large', async () => {
    expect(await get('?resourceVersion=999999&resourceVersionMatch=Exact')).toMatchObject({
      code: 504,
      reason: 'Timeout',
      message: expect.stringMatching(/^Timeout: Too large resource version: 999999, current: \d+$/),
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 },
    })
  })
})

describe('after compaction', () => {
  test('a token of the past says where to go on from', async () => {
    const { metadata } = await get('?limit=2')
    await api.request('PUT', `${base}/d`, { metadata: { name: 'd', labels: { parity: 'even' } }, data: { new: '1' } })
    await api.request('PUT', `${base}/d`, { metadata: { name: 'd', labels: { parity: 'even' } }, data: { new: '2' } })
    await api.compact()
    const expired = await get(`?limit=2&continue=${metadata.continue}`)
    expect(expired).toMatchObject({ code: 410, reason: 'Expired' })
    expect(expired.message).toMatch(/^The provided continue parameter is too old to display a consistent list result/)
    const rest = await get(`?limit=9&continue=${expired.metadata.continue}`)
    expect(names(rest)).toEqual(['c', 'd', 'e'])
    const past = await get(`?resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=Exact`)
    expect(past).toMatchObject({ code: 410, reason: 'Expired' })
  })
})

describe('kinds that share storage', () => {
  test('an event of one group shows in the other', async () => {
    const events = '/api/v1/namespaces/lists/events'
    const involvedObject = { kind: 'Pod', name: 'p', namespace: 'lists' }
    await api.request('POST', events, {
      metadata: { name: 'e' },
      involvedObject,
      reason: 'R',
      message: 'm',
      type: 'Normal',
    })
    const other = '/apis/events.k8s.io/v1/namespaces/lists/events'
    const { json } = await api.request('GET', other)
    expect(json).toMatchObject({ kind: 'EventList', apiVersion: 'events.k8s.io/v1' })
    expect(json.items[0]).toMatchObject({ apiVersion: 'events.k8s.io/v1', regarding: { name: 'p' }, note: 'm' })
    const selected = await api.request('GET', `${events}?fieldSelector=involvedObject.name%3Dp,reason%3DR`)
    expect(names(selected.json)).toEqual(['e'])
    const [seen] = await api.watch(other, 1)
    expect(seen).toMatchObject({ type: 'ADDED', object: { apiVersion: 'events.k8s.io/v1', note: 'm' } })
  })
})

describe('forms', () => {
  const tableType = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const asked = async (url: string, accept: string) => await api.request('GET', url, undefined, { accept })

  test('a table', async () => {
    const { json } = await asked(`${base}?limit=2`, tableType)
    expect(json).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: { remainingItemCount: 3 } })
    expect(json.columnDefinitions.map((column: { name: string }) => column.name)).toEqual(['Name', 'Data', 'Age'])
    expect(json.rows[0].cells.slice(0, 2)).toEqual(['a', 1])
    expect(json.rows[0].object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } })
  })

  test.each([
    ['None', undefined],
    ['Object', 'ConfigMap'],
  ])('includeObject=%s', async (include, kind) => {
    const { json } = await asked(`${base}/a?includeObject=${include}`, tableType)
    expect(json.rows[0].object?.kind).toBe(kind)
  })

  test('includeObject of another value', async () => {
    const { json } = await asked(`${base}?includeObject=x`, tableType)
    expect(json).toMatchObject({ code: 400, message: 'unrecognized includeObject value: "x"' })
  })

  test('metadata alone', async () => {
    const type = (as: string) => `application/json;as=${as};v=v1;g=meta.k8s.io`
    const list = await asked(base, type('PartialObjectMetadataList'))
    expect(list.json).toMatchObject({ kind: 'PartialObjectMetadataList', items: expect.any(Array) })
    expect(list.json.items[0]).not.toHaveProperty('data')
    expect((await asked(`${base}/a`, type('PartialObjectMetadata'))).json.kind).toBe('PartialObjectMetadata')
    expect((await asked(base, type('PartialObjectMetadata'))).status).toBe(406)
    expect((await asked(`${base}/a`, type('PartialObjectMetadataList'))).status).toBe(406)
  })

  test('whole lists in YAML and pretty JSON say the same', async () => {
    await api.request('POST', base, { metadata: { name: 'text' }, data: { lines: 'one\n  two\n\nthree\n', empty: '' } })
    const { json } = await api.request('GET', base)
    expect(parseYaml((await asked(base, 'application/yaml')).text)).toEqual(json)
    const pretty = await asked(`${base}?pretty=true`, 'application/json')
    expect(pretty.json).toEqual(json)
    expect(pretty.text).toContain('\n  "metadata": {')
    const none = await asked('/api/v1/namespaces/none/configmaps', 'application/yaml')
    expect(none.text).toContain('items: []')
  })

  test('YAML, and nothing unknown', async () => {
    const yaml = await asked(`${base}/a`, 'application/yaml')
    expect(yaml.headers['content-type']).toBe('application/yaml')
    expect(yaml.text).toContain('kind: ConfigMap')
    expect((await asked(base, 'text/html')).status).toBe(406)
  })
})
