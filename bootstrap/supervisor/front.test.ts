import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { HttpClient } from '../../test/integration/http-client.ts'
import { textResponse } from '../apiserver/http/message.ts'
import { systemClock } from '../client/clock.ts'
import { freePort } from '../client/testing/ports.ts'
import { ensurePki, type Pki } from '../pki/pki.ts'
import { type Front, frontOf } from './front.ts'

let base: string
let port: number
let front: Front
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'skiff-front-'))
  port = await freePort()
  front = frontOf('127.0.0.1', port)
})
afterEach(async () => {
  await front.close()
  await rm(base, { recursive: true })
})

const pkiOf = (name: string): Promise<Pki> =>
  ensurePki({
    dir: join(base, name),
    nodeName: name,
    nodeIps: ['127.0.0.1'],
    serviceIps: ['10.43.0.1'],
    clusterDomain: 'cluster.local',
    tlsSans: [],
    clock: systemClock,
  })

const identityOf = ({ serving: { key, cert }, clientCa }: Pki) => ({ key, cert, clientCa: clientCa.cert })

async function ask(pki: Pki, path: string) {
  const { cert, key } = pki.admin
  const client = new HttpClient({ url: `https://127.0.0.1:${port}`, tls: { ca: pki.serverCa.cert, cert, key } })
  const answer = await client.get(path)
  client.close()
  return answer
}

const api = {
  handle: async () => textResponse(200, 'the API'),
  upgrade: () => {},
}

test('until the API is there, whatever is asked for is told to wait', async () => {
  const pki = await pkiOf('a')
  await expect(front.handOver(api)).rejects.toThrow('was not opened')
  await front.open(identityOf(pki))
  for (const path of ['/ping', '/cacerts', '/v1-k3s/config', '/api/v1/nodes']) {
    const { status, body, headers } = await ask(pki, path)
    expect([status, body.message, body.reason, headers.connection]).toEqual([
      503,
      'starting',
      'ServiceUnavailable',
      'close',
    ])
  }
  const listening = await front.handOver(api)
  expect(listening.port).toBe(port)
  expect((await ask(pki, '/ping')).text).toBe('the API')
})

test('other certificates than the first are taken', async () => {
  await front.open(identityOf(await pkiOf('a')))
  const other = await pkiOf('b')
  await expect(ask(other, '/ping')).rejects.toThrow()
  await front.open(identityOf(other))
  expect((await ask(other, '/ping')).status).toBe(503)
})

test('a port that is taken is an error', async () => {
  const taken = createServer().listen(port, '127.0.0.1')
  await new Promise(resolve => taken.once('listening', resolve))
  await expect(front.open(identityOf(await pkiOf('a')))).rejects.toThrow('EADDRINUSE')
  taken.close()
})
