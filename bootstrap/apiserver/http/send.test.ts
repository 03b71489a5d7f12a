import { createPublicKey, randomBytes } from 'node:crypto'
import { connect } from 'node:http2'
import { request } from 'node:https'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { issueCertificate, keyPem, newKey } from '../../pki/certificate.ts'
import { type Listening, listen } from './listener.ts'

const mebibyte = 1024 * 1024
/** As a list has them: many small parts, ends that fall into a part, one part longer than a piece, an empty one. */
const bodies: { readonly [path: string]: readonly Buffer[] } = {
  '/many': Array.from({ length: 3000 }, () => randomBytes(1111)),
  '/long': [randomBytes(10), randomBytes(3 * mebibyte + 5), Buffer.alloc(0), randomBytes(7)],
  '/even': [randomBytes(mebibyte), randomBytes(mebibyte)],
  '/short': [randomBytes(100), randomBytes(200)],
}
const day = 86_400_000
let listening: Listening

beforeAll(async () => {
  const key = newKey()
  const validity = { notBefore: Date.now() - day, notAfter: Date.now() + day }
  const spec = { commonName: 'server', sans: ['127.0.0.1'], usages: ['server'] as const, ...validity }
  const cert = issueCertificate(spec, createPublicKey(key), key)
  const handle = async ({ path }: { path: string }) => ({ status: 200, headers: {}, body: bodies[path] })
  listening = await listen(handle, { port: 0, host: '127.0.0.1', key: keyPem(key), cert })
})
afterAll(() => listening.close())

function overHttp1(path: string, headers: object): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const url = `https://127.0.0.1:${listening.port}${path}`
    request(url, { headers: { ...headers }, rejectUnauthorized: false }, answer => resolve(buffer(answer)))
      .on('error', reject)
      .end()
  })
}

async function overHttp2(path: string, headers: object): Promise<Buffer> {
  const session = connect(`https://127.0.0.1:${listening.port}`, { rejectUnauthorized: false })
  try {
    return await buffer(session.request({ ':path': path, ...headers }) as Readable)
  } finally {
    session.close()
  }
}

for (const path of Object.keys(bodies))
  for (const [protocol, get] of Object.entries({ 'HTTP/1.1': overHttp1, 'HTTP/2': overHttp2 }))
    test(`${path} arrives whole over ${protocol}, compressed and not`, async () => {
      const sent = Buffer.concat(bodies[path]!)
      expect((await get(path, {})).equals(sent)).toBe(true)
      const packed = await get(path, { 'accept-encoding': 'gzip' })
      expect((path === '/short' ? packed : gunzipSync(packed)).equals(sent)).toBe(true)
    })

test('many clients at once, some of which leave halfway', async () => {
  const session = connect(`https://127.0.0.1:${listening.port}`, { rejectUnauthorized: false })
  const leave = (i: number) =>
    new Promise(resolve => {
      const stream = session.request({ ':path': '/long', ...(i % 2 === 0 ? { 'accept-encoding': 'gzip' } : {}) })
      stream.once('data', () => stream.close())
      stream.on('error', () => undefined)
      stream.once('close', resolve)
    })
  const stay = async () => expect((await overHttp2('/long', {})).equals(Buffer.concat(bodies['/long']!))).toBe(true)
  await Promise.all([...Array.from({ length: 8 }, (_, i) => leave(i)), ...Array.from({ length: 4 }, stay)])
  session.close()
})
