import { createPublicKey } from 'node:crypto'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { WebSocket } from 'ws'
import type { Listening } from '../../bootstrap/apiserver/http/listener.ts'
import { type TestServer, testServer } from '../../bootstrap/apiserver/testing.ts'
import { issueCertificate, keyPem, newKey } from '../../bootstrap/pki/certificate.ts'

let api: TestServer
let listening: Listening
let session: ClientHttp2Session
const upgraded: { node: string; path: string; head: string }[] = []

function material() {
  const key = newKey()
  const day = 86_400_000
  const spec = {
    commonName: 'server',
    sans: ['127.0.0.1', 'localhost'],
    usages: ['server'] as const,
    notBefore: Date.now() - day,
    notAfter: Date.now() + day,
  }
  return { key: keyPem(key), cert: issueCertificate(spec, createPublicKey(key), key) }
}

beforeAll(async () => {
  api = await testServer({
    nodeConnect: {
      request: async () => {
        throw new Error('not asked for')
      },
      upgrade(node: string, path: string, _headers: object, socket: Duplex, head: Buffer) {
        upgraded.push({ node, path, head: head.toString() })
        socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: Upgrade\r\n\r\nbytes')
      },
    },
  })
  listening = await api.server.listen({ port: 0, host: '127.0.0.1', ...material() })
  session = connectHttp2(`https://127.0.0.1:${listening.port}`, { rejectUnauthorized: false, maxSessionMemory: 1000 })
  const pod = { metadata: { name: 'p' }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] } }
  await api.request('POST', '/api/v1/namespaces/net/pods', pod)
})
afterAll(async () => {
  session.close()
  await listening.close()
  await api.stop()
})

interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: unknown }
  readonly body: Buffer
}

function h2(method: string, path: string, body?: string | Buffer, headers: object = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path, 'content-type': 'application/json', ...headers })
    const chunks: Buffer[] = []
    let answered: { [name: string]: unknown } = {}
    stream.on('response', all => (answered = all))
    stream.on('data', chunk => chunks.push(chunk))
    stream.on('end', () =>
      resolve({ status: answered[':status'] as number, headers: answered, body: Buffer.concat(chunks) }),
    )
    stream.on('error', reject)
    stream.end(body)
  })
}

function h1(method: string, path: string, headers: { [name: string]: string } = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: listening.port,
      method,
      path,
      headers,
      rejectUnauthorized: false,
      agent: false,
    }
    const request = httpsRequest(options as object, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    request.on('upgrade', (response, socket, head) => {
      socket.destroy()
      resolve({ status: 101, headers: response.headers, body: head })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const maps = '/api/v1/namespaces/net/configmaps'
const json = (answer: Answer) => JSON.parse(answer.body.toString())

describe('both protocols', () => {
  test('serve the same', async () => {
    const created = await h2('POST', maps, JSON.stringify({ metadata: { name: 'wire' } }))
    expect(created.status).toBe(201)
    const got = await h1('GET', `${maps}/wire`)
    expect(json(got)).toEqual(json(created))
    expect(got.headers).toMatchObject({
      'cache-control': 'no-cache, private',
      'content-type': 'application/json',
      'content-length': String(got.body.length),
      'audit-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  })

  test("HEAD has no body, errors are not to be sniffed, the audit ID is the client's", async () => {
    const head = await h2('HEAD', `${maps}/wire`)
    expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) })
    const absent = await h1('GET', `${maps}/absent`, { 'audit-id': 'mine' })
    expect(absent.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'audit-id': 'mine' })
  })
})

describe('limits', () => {
  test('a body of more than 3 MiB', async () => {
    const big = JSON.stringify({ metadata: { name: 'big' }, data: { x: 'x'.repeat(3 * 1024 * 1024) } })
    const refused = {
      code: 413,
      reason: 'RequestEntityTooLarge',
      message: 'Request entity too large: limit is 3145728',
    }
    expect(json(await h2('POST', maps, big))).toMatchObject(refused)
    expect(json(await h1('POST', maps, { 'content-type': 'application/json' }, big))).toMatchObject(refused)
  })

  test('long answers are compressed when asked for, short ones never', async () => {
    const data = { x: 'y'.repeat(200_000) }
    await h2('POST', maps, JSON.stringify({ metadata: { name: 'long' }, data }))
    const packed = await h2('GET', `${maps}/long`, undefined, { 'accept-encoding': 'gzip' })
    expect(packed.headers['content-encoding']).toBe('gzip')
    expect(JSON.parse(gunzipSync(packed.body).toString()).data).toEqual(data)
    const short = await h2('GET', `${maps}/wire`, undefined, { 'accept-encoding': 'gzip' })
    expect(short.headers).not.toHaveProperty('content-encoding')
  })

  test('250 watches share a connection', async () => {
    const watch = () =>
      new Promise<number>(resolve => {
        const stream = session.request({ ':path': `${maps}?watch=true&resourceVersion=1&timeoutSeconds=1` })
        stream.on('response', headers => resolve(headers[':status'] as number))
        stream.resume()
      })
    const statuses = await Promise.all(Array.from({ length: 250 }, watch))
    expect(new Set(statuses)).toEqual(new Set([200]))
  })
})

describe('a watch over WebSocket', () => {
  const open = (query: string) =>
    new WebSocket(`wss://127.0.0.1:${listening.port}${maps}?watch=true${query}`, { rejectUnauthorized: false })

  test('is a message per event, closed at the end', async () => {
    const socket = open('&fieldSelector=metadata.name%3Dwire&timeoutSeconds=1')
    const messages: { type: string; object: { metadata: { name: string } } }[] = []
    socket.on('message', data => messages.push(JSON.parse(String(data))))
    const code = await new Promise(resolve => socket.once('close', resolve))
    expect(messages).toMatchObject([{ type: 'ADDED', object: { metadata: { name: 'wire' } } }])
    expect(code).toBe(1000)
  })

  test('that is refused says why', async () => {
    const socket = open('&labelSelector=a+b+c')
    const status = await new Promise(resolve =>
      socket.once('unexpected-response', (_request, response) => {
        response.resume()
        resolve(response.statusCode)
      }),
    )
    socket.on('error', () => {})
    socket.terminate()
    expect(status).toBe(400)
  })
})

describe('upgrades', () => {
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1' }

  test("go to the pod's node", async () => {
    const path = '/api/v1/namespaces/net/pods/p/exec?command=sh&command=-c&stdin=true&stdout=true&tty=true'
    expect(await h1('POST', path, headers)).toMatchObject({ status: 101 })
    expect(upgraded.at(-1)).toMatchObject({
      node: 'n1',
      path: '/exec/net/p/c?input=1&output=1&tty=1&command=sh&command=-c',
    })
    await h1('POST', '/api/v1/namespaces/net/pods/p/portforward?ports=80', headers)
    expect(upgraded.at(-1)).toMatchObject({ path: '/portForward/net/p?port=80' })
  })

  test('are answered like other requests when they fail', async () => {
    const answer = await h1('GET', '/api/v1/namespaces/net/pods/absent/exec?command=sh', headers)
    expect(json(answer)).toMatchObject({ kind: 'Status', code: 404, message: 'pods "absent" not found' })
  })
})

describe('the process', () => {
  test('health, version, metrics', async () => {
    expect((await h1('GET', '/readyz')).body.toString()).toBe('ok')
    expect((await h1('GET', '/livez?verbose')).body.toString()).toContain('[+]ping ok\n')
    expect((await h1('GET', '/readyz/etcd')).body.toString()).toBe('ok')
    expect(json(await h1('GET', '/version'))).toMatchObject({ major: '1', minor: '36', gitVersion: 'v1.36.4+skiff1' })
    expect((await h1('GET', '/metrics')).body.toString()).toMatch(
      /apiserver_request_total\{verb="GET",[^}]*resource="configmaps",[^}]*code="404"\} 1/,
    )
  })

  test('a new certificate takes effect for new connections', async () => {
    const before = await fingerprint()
    listening.setCertificate(material())
    expect(await fingerprint()).not.toBe(before)
  })

  test('closing ends watches cleanly', async () => {
    const other = await api.server.listen({ port: 0, host: '127.0.0.1', ...material() })
    const client = connectHttp2(`https://127.0.0.1:${other.port}`, { rejectUnauthorized: false })
    const stream = client.request({ ':path': `${maps}?watch=true&resourceVersion=1` })
    stream.resume()
    await new Promise(resolve => stream.once('response', resolve))
    const ended = new Promise(resolve => stream.once('end', () => resolve(stream.rstCode)))
    await other.close()
    expect(await ended).toBe(0)
    client.close()
  })
})

function fingerprint(): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: listening.port, path: '/livez', rejectUnauthorized: false, agent: false }
    httpsRequest(options as object, response => {
      const { socket } = response as unknown as { socket: { getPeerCertificate(): { fingerprint256: string } } }
      const print = socket.getPeerCertificate().fingerprint256
      response.resume().on('end', () => resolve(print))
    })
      .on('error', reject)
      .end()
  })
}
