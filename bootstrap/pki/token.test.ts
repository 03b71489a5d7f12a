import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { issueCertificate, newKey } from './certificate.ts'
import {
  caHashOf,
  checkCaHash,
  ensureToken,
  formatToken,
  generateBootstrapToken,
  parsePasswd,
  parseToken,
  serverPassword,
} from './token.ts'

const hash = 'a'.repeat(64)
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')

const ca = (() => {
  const key = newKey()
  const spec = { commonName: 'root', isCa: true, notBefore: 0, notAfter: 86_400_000 }
  return { key, pem: issueCertificate(spec, createPublicKey(key), key) }
})()

describe('token forms', () => {
  test.each([
    [`K10${hash}::server:secret`, { caHash: hash, username: 'server', password: 'secret' }],
    [`K10${hash}::node:a:b`, { caHash: hash, username: 'node', password: 'a:b' }],
    [`K10${hash}::abcdef.0123456789abcdef`, { caHash: hash, bootstrap: { id: 'abcdef', secret: '0123456789abcdef' } }],
    ['abcdef.0123456789abcdef', { bootstrap: { id: 'abcdef', secret: '0123456789abcdef' } }],
    ['secret', { password: 'secret' }],
    ['K10secret', { password: 'K10secret' }],
  ])('%s', (text, token) => {
    expect(parseToken(`${text}\n`)).toEqual(token)
    expect(formatToken(token)).toBe(text)
  })

  test.each([[''], ['K10abc::server:x'], [`K10${hash}::server`], [`K10${hash}:::x`], [`K10${hash}::server:`]])(
    'refuses %p',
    text => expect(() => parseToken(text)).toThrow(),
  )

  test('a bootstrap token is no server token', () => {
    expect(() => serverPassword('abcdef.0123456789abcdef')).toThrow(/^failed to normalize server token/)
  })

  test('a generated bootstrap token has the form', () => {
    expect(parseToken(generateBootstrapToken()).bootstrap).toBeDefined()
  })
})

describe('the CA hash', () => {
  test('of one certificate covers the PEM as served', () => {
    expect(caHashOf(ca.pem)).toBe(sha256(ca.pem))
    expect(caHashOf(`${ca.pem}\n`)).toBe(sha256(`${ca.pem}\n`))
  })

  test('of a chain covers the DER of its root', () => {
    const key = newKey()
    const spec = { commonName: 'intermediate', isCa: true, notBefore: 0, notAfter: 86_400_000 }
    const issuer = { certificate: new X509Certificate(ca.pem), key: ca.key }
    const chain = issueCertificate(spec, createPublicKey(key), issuer) + ca.pem
    expect(caHashOf(chain)).toBe(sha256(new X509Certificate(ca.pem).raw))
  })

  test('a mismatch names both', () => {
    expect(() => checkCaHash({ caHash: hash }, ca.pem)).toThrow(
      `token CA hash does not match the Cluster CA certificate hash: ${hash} != ${sha256(ca.pem)}`,
    )
    expect(() => checkCaHash({}, ca.pem)).not.toThrow()
  })
})

describe('token files', () => {
  let dataDir: string
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'skiff-token-'))
  })
  afterEach(() => rmSync(dataDir, { recursive: true }))
  const read = (file: string) => readFileSync(join(dataDir, 'server', file), 'utf8')

  test('a random token is made once and kept', async () => {
    const first = await ensureToken({ dataDir, serverCaPem: ca.pem })
    const second = await ensureToken({ dataDir, serverCaPem: ca.pem })
    expect(second).toEqual(first)
    expect(first.token).toMatch(new RegExp(`^K10${sha256(ca.pem)}::server:[0-9a-f]{32}$`))
    expect(read('token')).toBe(`${first.token}\n`)
    expect(readlinkSync(join(dataDir, 'server/node-token'))).toBe('token')
    expect(read('agent-token')).toBe(read('token'))
    expect(statSync(join(dataDir, 'server/token')).mode & 0o777).toBe(0o600)
  })

  test('configured tokens, one for agents', async () => {
    const files = await ensureToken({ dataDir, serverCaPem: ca.pem, token: 'top, secret', agentToken: 'less' })
    expect(files.token).toBe(`K10${sha256(ca.pem)}::server:top, secret`)
    expect(files.agentToken).toBe(`K10${sha256(ca.pem)}::node:less`)
    expect(read('cred/passwd')).toBe('less,node,node,k3s:agent\n"top, secret",server,server,k3s:server\n')
    expect(parsePasswd(read('cred/passwd'))).toEqual(files.passwd)
    const after = await ensureToken({ dataDir, serverCaPem: ca.pem })
    expect(after.agentToken).toBe(files.token)
    expect(readlinkSync(join(dataDir, 'server/agent-token'))).toBe('token')
  })
})
