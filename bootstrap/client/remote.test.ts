import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { errors, isStatusError } from '../api/errors.ts'
import { remoteClient } from './remote.ts'
import { configMaps, pods } from './resources.ts'
import { clientContract } from './testing/client-contract.ts'
import { MemoryClient } from './testing/memory-client.ts'
import { type MemoryServer, serveMemory } from './testing/memory-server.ts'

clientContract('the in-memory client', async () => ({ client: new MemoryClient(), close: async () => {} }))

clientContract('the remote client', async () => {
  const server = await serveMemory(new MemoryClient())
  const client = remoteClient({ server: server.url })
  return {
    client,
    close: async () => {
      client.close()
      await server.close()
    },
  }
})

let memory: MemoryClient
let server: MemoryServer
let client: ReturnType<typeof remoteClient>

beforeEach(async () => {
  memory = new MemoryClient()
  server = await serveMemory(memory)
  client = remoteClient({ server: server.url, token: async () => 'secret' })
})
afterEach(async () => {
  client.close()
  await server.close()
})

test('sends its token, and whom it acts for', async () => {
  await client.list(pods)
  await client.as('jane', ['dev', 'ops']).list(pods)
  expect(server.requests).toMatchObject([
    { authorization: 'Bearer secret', ':path': '/api/v1/pods' },
    { authorization: 'Bearer secret', 'impersonate-user': 'jane', 'impersonate-group': 'dev, ops' },
  ])
})

test('a watch that is too old fails with 410', async () => {
  await memory.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'x' } })
  await memory.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b', namespace: 'x' } })
  memory.store.compact()
  const watched = client.watch(configMaps, { resourceVersion: '1' }, new AbortController().signal)
  const first = watched[Symbol.asyncIterator]().next()
  await expect(first).rejects.toThrow('too old resource version: 1 (2)')
  expect(isStatusError(await first.catch(error => error), 'Expired')).toBe(true)
})

test('connects anew after the connection is lost', async () => {
  await client.list(pods)
  client.close()
  expect((await client.list(pods)).items).toEqual([])
})

test('a failure without a Status keeps its text', async () => {
  memory.before = () => {
    throw errors.serviceUnavailable('not now')
  }
  await expect(client.list(pods)).rejects.toMatchObject({ code: 503, reason: 'ServiceUnavailable', message: 'not now' })
})

test('a server that cannot be reached is an error, not a crash', async () => {
  const lost = remoteClient({ server: 'http://127.0.0.1:1' })
  await expect(lost.list(pods)).rejects.toThrow('ECONNREFUSED')
})

test('a path that answers with text, as logs do', async () => {
  const plain = createServer()
  plain.on('stream', stream => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' })
    stream.end('a line\n')
  })
  await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
  const lines = remoteClient({ server: `http://127.0.0.1:${(plain.address() as AddressInfo).port}` })
  expect(await lines.raw('GET', '/log')).toBe('a line\n')
  lines.close()
  await new Promise(resolve => plain.close(resolve))
})
