import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { chartRecord, decodeRelease, encodeRelease, releaseJson } from './encode.ts'
import type { Release } from './release.ts'

const release: Release = {
  name: 'web',
  namespace: 'shop',
  version: 3,
  info: {
    first_deployed: '2026-11-20T14:00:00.5Z',
    last_deployed: '2026-11-20T14:00:01Z',
    deleted: '',
    description: 'Upgrade complete',
    status: 'deployed',
    notes: '',
  },
  chart: chartRecord(
    {
      metadata: { name: 'web', version: '1.0.0', apiVersion: 'v2' },
      values: { z: 1, a: { y: [1e21, true, null], b: 'x' } },
      schema: Buffer.from('{}'),
      templates: [{ name: 'templates/a.yaml', data: Buffer.from('a: 1') }],
      files: [{ name: 'bin', data: new Uint8Array([0, 255, 128]) }],
      dependencies: [],
    },
    {},
  ),
  config: { b: '<1 & 2>', a: {} },
  manifest: '---\na: 1\n',
  hooks: [
    {
      name: 'h',
      kind: 'Job',
      path: 'web/templates/h.yaml',
      manifest: 'kind: Job',
      events: ['pre-install'],
      last_run: { started_at: '', completed_at: '', phase: '' },
      weight: 0,
      delete_policies: [],
    },
  ],
  apply_method: 'ssa',
  labels: { team: 'red' },
}

test('the JSON is what Go writes: order, omissions, base64, escapes', () => {
  expect(releaseJson(release)).toBe(
    [
      '{"name":"web",',
      '"info":{"first_deployed":"2026-11-20T14:00:00.5Z","last_deployed":"2026-11-20T14:00:01Z","description":"Upgrade complete","status":"deployed"},',
      '"chart":{"metadata":{"name":"web","version":"1.0.0","apiVersion":"v2"},"lock":null,"templates":[{"name":"templates/a.yaml","data":"YTogMQ=="}],',
      '"values":{"a":{"b":"x","y":[1e+21,true,null]},"z":1},"schema":"e30=","schemamodtime":"0001-01-01T00:00:00Z","files":[{"name":"bin","data":"AP+A"}]},',
      '"config":{"a":{},"b":"\\u003c1 \\u0026 2\\u003e"},"manifest":"---\\na: 1\\n",',
      '"hooks":[{"name":"h","kind":"Job","path":"web/templates/h.yaml","manifest":"kind: Job","events":["pre-install"],"last_run":{"phase":""}}],',
      '"version":3,"namespace":"shop","apply_method":"ssa"}',
    ].join(''),
  )
})

test('what was written is read again; labels live elsewhere', async () => {
  const text = await encodeRelease(release)
  expect(Buffer.from(text, 'base64').subarray(0, 3)).toEqual(Buffer.from([0x1f, 0x8b, 8]))
  expect(JSON.parse(gunzipSync(Buffer.from(text, 'base64')).toString())).toEqual(JSON.parse(releaseJson(release)))
  const { labels: _, info, hooks: __, ...rest } = release
  const { notes: ___, ...kept } = info
  expect(await decodeRelease(text)).toMatchObject({ ...rest, info: kept })
})

describe('older forms', () => {
  const helm3 = {
    name: 'web',
    info: { first_deployed: '2022-01-01T00:00:00.123456789+02:00', last_deployed: '', deleted: '', status: 'deployed' },
    chart: { metadata: null, files: null },
    hooks: [{ name: 'h', last_run: { started_at: '', completed_at: '0001-01-01T00:00:00Z', phase: '' } }],
    version: 1,
  }

  test.each([
    ['compressed', gzipSync(JSON.stringify(helm3))],
    ['from before compression', Buffer.from(JSON.stringify(helm3))],
  ])('%s', async (_, bytes) => {
    expect(await decodeRelease(bytes.toString('base64'))).toEqual({
      name: 'web',
      namespace: '',
      version: 1,
      manifest: '',
      chart: { metadata: null, files: null },
      info: {
        first_deployed: '2022-01-01T00:00:00.123456789+02:00',
        last_deployed: '',
        deleted: '',
        description: '',
        status: 'deployed',
      },
      hooks: [{ name: 'h', events: [], last_run: { started_at: '', completed_at: '', phase: '' } }],
    })
  })

  test('fields nobody here knows survive a rewrite', async () => {
    const strange = { ...helm3, later: { a: 1 }, info: { ...helm3.info, resources: { x: [] } } }
    const read = await decodeRelease(Buffer.from(JSON.stringify(strange)).toString('base64'))
    expect(JSON.parse(releaseJson(read))).toMatchObject({ later: { a: 1 } })
  })

  test('what is no release is refused', async () => {
    await expect(decodeRelease(Buffer.from('nothing').toString('base64'))).rejects.toThrow('JSON')
  })
})
