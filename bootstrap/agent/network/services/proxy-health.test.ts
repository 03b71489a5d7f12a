import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test } from '@jest/globals'
import { freePort } from '../../../client/testing/ports.ts'
import { type ProxyHealth, serveProxyHealth } from './proxy-health.ts'

const stop = new AbortController()
afterAll(() => stop.abort())

test('healthy while changes reach the kernel', async () => {
  const port = await freePort()
  const now = 1_800_000_000_000
  let state: ProxyHealth = { updatedAt: 0, pendingSince: undefined }
  serveProxyHealth(port, { health: () => state, now: () => now, log: { warn: () => {} } }, stop.signal)
  const status = async (path = '/healthz') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return [response.status, await response.text()]
  }
  expect((await status())[0]).toBe(503)
  state = { updatedAt: now - 500_000, pendingSince: undefined }
  const current = new Date(now).toISOString()
  expect(await status()).toEqual([
    200,
    JSON.stringify({ lastUpdated: current, currentTime: current, nodeEligible: true }),
  ])
  expect((await status('/livez'))[0]).toBe(200)
  state = { updatedAt: now - 500_000, pendingSince: now - 59_000 }
  expect((await status())[0]).toBe(200)
  state = { updatedAt: now - 500_000, pendingSince: now - 61_000 }
  expect((await status())[0]).toBe(503)
  expect((await status('/'))[0]).toBe(404)
})

test('a taken port is a line in the log', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const warned = new Promise(resolve => {
    const health = () => ({ updatedAt: 1, pendingSince: undefined })
    serveProxyHealth(port, { health, now: () => 1, log: { warn: fields => resolve(fields) } }, stop.signal)
  })
  expect(await warned).toMatchObject({ port, error: expect.stringContaining('EADDRINUSE') })
  server.close()
})
