/** The joining side's first steps against a real server: whom it trusts, and what it says when it does not. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { accessServer } from '../../bootstrap/join/server-access.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(60_000)

let server: RunningServer
let token: string
beforeAll(async () => {
  server = await startServer()
  token = (await readFile(join(server.dataDir, 'server/token'), 'utf8')).trim()
})
afterAll(() => server?.remove())

const warnings: string[] = []
const log = { warn: (_: object, message: string) => void warnings.push(message) }
const access = (text: string, url = server.url) => accessServer(`${url}/`, text, { user: 'node', log })

test('the token’s hash is checked, and its password is that of any user', async () => {
  const node = await access(token)
  expect(node.ca).toBe(server.tls.ca)
  expect(JSON.parse((await node.get('/v1-k3s/config')).toString())).toMatchObject({ ClusterDomain: 'cluster.local' })
  expect(warnings).toEqual([])
})

test('a token of another cluster is not shown to this one', async () => {
  const other = token.replace(/^K10[0-9a-f]{4}/, 'K100000')
  await expect(access(other)).rejects.toThrow(
    /^token CA hash does not match the Cluster CA certificate hash: 0000[0-9a-f]{60} != [0-9a-f]{64}$/,
  )
})

test('a bare password works, with a warning', async () => {
  const { get } = await access(token.slice(token.lastIndexOf(':') + 1))
  expect((await get('/v1-k3s/readyz')).toString()).toBe('ok')
  expect(warnings.pop()).toContain('does not include a CA hash')
})

test.each([
  ['K10abc::node:x', undefined, 'invalid token CA hash length'],
  ['secret', 'http://127.0.0.1:6443', 'only https:// URLs are supported, invalid scheme: http://127.0.0.1:6443/'],
  ['secret', 'https://127.0.0.1:1', 'failed to get CA certs: '],
])('%s at %s: %s', async (text, url, message) => {
  await expect(access(text, url)).rejects.toThrow(message)
})

test('a wrong password is told with the server’s own words', async () => {
  const { get } = await access('wrong')
  await expect(get('/v1-k3s/config')).rejects.toThrow(`${server.url}/v1-k3s/config: 401 not authorized`)
})
