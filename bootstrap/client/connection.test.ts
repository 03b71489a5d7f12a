import { createPublicKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { issueCertificate, keyPem, newKey } from '../pki/certificate.ts'
import { selfSigned } from '../pki/self-signed.ts'
import { Connection } from './connection.ts'

const caKey = newKey()
const now = Date.now()
const life = { notBefore: now - 60_000, notAfter: now + 3_600_000 }
const ca = issueCertificate({ commonName: 'ca', isCa: true, ...life }, createPublicKey(caKey), caKey)

function client(commonName: string): { cert: string; key: string } {
  const key = newKey()
  const issuer = { certificate: new X509Certificate(ca), key: caKey }
  const cert = issueCertificate({ commonName, usages: ['client'], ...life }, createPublicKey(key), issuer)
  return { cert, key: keyPem(key) }
}

const serving = selfSigned(['127.0.0.1'], now)
let server: Http2SecureServer
let sockets: Set<Socket>
let url: string

beforeEach(async () => {
  sockets = new Set()
  server = createSecureServer({ ...serving, ca, requestCert: true, rejectUnauthorized: false })
  server.on('connection', socket => sockets.add(socket))
  server.on('stream', (stream, headers) => {
    const socket = stream.session!.socket as TLSSocket
    stream.respond({ ':status': 200 })
    if (headers[':path'] === '/whole') stream.end('all of it')
    else if (headers[':path'] === '/empty') stream.end()
    else stream.write(socket.getPeerCertificate().subject?.CN ?? 'nobody')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.close()
  for (const socket of sockets) socket.destroy()
})

/** What the server says first, who it is talking to, and then. */
async function ask(connection: Connection) {
  const { stream } = await connection.send({ method: 'GET', path: '/', headers: {} })
  const body = stream[Symbol.asyncIterator]()
  return { name: String((await body.next()).value), next: body.next() }
}

describe('a body', () => {
  /** Read after `ms`. */
  const bodyAt = async (path: string, ms: number) => {
    const connection = new Connection({ server: url, ca: serving.cert })
    const { stream } = await connection.send({ method: 'GET', path, headers: {} })
    await new Promise(resolve => setTimeout(resolve, ms))
    const chunks: Buffer[] = []
    try {
      for await (const chunk of stream) chunks.push(chunk)
    } finally {
      connection.close()
    }
    return Buffer.concat(chunks).toString()
  }

  test.each([0, 100])('that has come before it is read (%d ms) is whole', async ms => {
    expect(await bodyAt('/whole', ms)).toBe('all of it')
    expect(await bodyAt('/empty', ms)).toBe('')
  })
})

test('a renewed connection has the identity of that moment, and ends what ran on the old one', async () => {
  let identity = client('before')
  const connection = new Connection({ server: url, identity: () => ({ ca: serving.cert, ...identity }) })
  const first = await ask(connection)
  expect(first.name).toBe('before')
  identity = client('after')
  connection.renew()
  await first.next.catch(() => {})
  expect((await ask(connection)).name).toBe('after')
  connection.renew()
})

test('a server that is not there is said to refuse', async () => {
  server.close()
  await once(server, 'close')
  const connection = new Connection({ server: url })
  await expect(connection.send({ method: 'GET', path: '/', headers: {} })).rejects.toThrow(/^connect ECONNREFUSED 127/)
})

test('a server that falls silent is given up', async () => {
  const connection = new Connection({ server: url, ca: serving.cert, pingEveryMs: () => 20, pingTimeoutMs: 50 })
  const { next } = await ask(connection)
  const failed = expect(next).rejects.toThrow('ping timed out')
  // What is sent arrives nowhere, as behind a firewall that swallows.
  for (const socket of sockets) socket.pause()
  for (const socket of sockets) (socket as unknown as { _handle: { readStop(): void } })._handle.readStop()
  await failed
})

test('so is one that takes the connection and never says a word', async () => {
  const mute = createServer(socket => sockets.add(socket))
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const connection = new Connection({
    server: `https://127.0.0.1:${(mute.address() as AddressInfo).port}`,
    pingTimeoutMs: 50,
  })
  await expect(connection.send({ method: 'GET', path: '/', headers: {} })).rejects.toThrow('ping timed out')
  mute.close()
})
