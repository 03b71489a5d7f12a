/** K3s' surface for joining nodes, by HTTPS requests to a real server process. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type Answer, type Ask, HttpClient } from './http-client.ts'
import { basic, nodeHeaders, ownKey } from './joining.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(60_000)

let server: RunningServer
let admin: HttpClient
let nobody: HttpClient
beforeAll(async () => {
  server = await startServer(['--token', 'server-secret', '--agent-token', 'agent-secret'])
  admin = new HttpClient(server)
  nobody = new HttpClient({ url: server.url, tls: { ca: server.tls.ca } })
})
afterAll(async () => {
  admin?.close()
  nobody?.close()
  await server?.remove()
})

const asNode = basic('node', 'agent-secret')
const own = ownKey()
const der = 'application/octet-stream'

const ask = (path: string, headers: Ask['headers'] = asNode) => nobody.get(path, { headers: headers! })
const post = (path: string, headers: Ask['headers'], body: Uint8Array = own.request) =>
  nobody.post(path, body, { type: der, headers: { ...asNode, ...headers } })

function expectStatus(answer: Answer, code: number, message: string | RegExp): void {
  const { status, body, headers } = answer
  expect({ status, kind: body?.kind, code: body?.code, outcome: body?.status }).toEqual({
    status: code,
    kind: 'Status',
    code,
    outcome: 'Failure',
  })
  if (typeof message === 'string') expect(body.message).toBe(message)
  else expect(body.message).toMatch(message)
  expect(headers.connection).toBe('close')
}

const certificateIn = (text: string) => new X509Certificate(text)

test('the open routes', async () => {
  expect((await nobody.get('/ping')).text).toBe('pong')
  const ca = await nobody.get('/cacerts')
  expect(ca.headers['content-type']).toBe('text/plain')
  expect(ca.text).toBe(await readFile(join(server.dataDir, 'server/tls/server-ca.crt'), 'utf8'))
})

describe('who is let in', () => {
  test.each(['config', 'apiservers', 'client-ca.crt', 'server-ca.crt', 'readyz'])('/v1-k3s/%s', async name => {
    const path = `/v1-k3s/${name}`
    expect((await ask(path)).status).toBe(200)
    expectStatus(await ask(path, {}), 403, 'forbidden')
    expectStatus(await ask(path, basic('node', 'wrong')), 401, 'not authorized')
    expectStatus(await ask(path, basic('somebody', 'agent-secret')), 401, 'not authorized')
    expectStatus(await ask(path, { Authorization: 'Bearer nonsense' }), 401, 'not authorized')
    expectStatus(await ask(path, basic('server', 'server-secret')), 403, 'forbidden')
    expectStatus(await admin.get(path), 403, 'forbidden')
  })

  test('the password of servers is none for agents when these have their own', async () => {
    expectStatus(await ask('/v1-k3s/config', basic('node', 'server-secret')), 401, 'not authorized')
  })

  test('other paths are the API server’s', async () => {
    expect((await ask('/v1-k3s/nothing')).status).toBe(401)
    expect((await ask('/api/v1/nodes')).status).toBe(401)
  })
})

test('what agents are told', async () => {
  const { body } = await ask('/v1-k3s/config')
  expect(body).toMatchObject({
    ClusterDNS: '10.43.0.10',
    ClusterIPRange: { IP: '10.42.0.0', Mask: '//8AAA==' },
    FlannelBackend: 'vxlan',
    DisableNPC: false,
  })
  expect(JSON.stringify(body)).not.toContain('secret')
  const port = new URL(server.url).port
  expect((await ask('/v1-k3s/apiservers')).body).toEqual([expect.stringMatching(new RegExp(`^[0-9.]+:${port}$`))])
  expect((await ask('/v1-k3s/readyz')).text).toBe('ok')
})

describe('certificates', () => {
  const headers = nodeHeaders('Worker-1', 'p'.repeat(32), '198.51.100.21,fd00::21')

  test("the kubelet's", async () => {
    const serving = await post('/v1-k3s/serving-kubelet.crt', headers)
    expect(serving.status).toBe(200)
    const leaf = certificateIn(serving.text)
    expect(leaf.subject).toBe('CN=worker-1')
    expect(leaf.subjectAltName).toBe(
      'DNS:worker-1, DNS:localhost, IP Address:127.0.0.1, IP Address:198.51.100.21, IP Address:FD00:0:0:0:0:0:0:21',
    )
    expect(serving.text).toContain(server.tls.ca.trim())
    expect(serving.text).not.toContain('PRIVATE KEY')
    const client = certificateIn((await post('/v1-k3s/client-kubelet.crt', headers)).text)
    expect(client.subject).toBe('O=system:nodes\nCN=system:node:worker-1')
    expect(client.publicKey.export({ type: 'spki', format: 'pem' })).toBe(
      leaf.publicKey.export({ type: 'spki', format: 'pem' }),
    )
    const days = (client.validToDate.getTime() - Date.now()) / 86_400_000
    expect(Math.round(days)).toBe(365)
  })

  test.each([
    ['client-kube-proxy', 'CN=system:kube-proxy'],
    ['client-k3s-controller', 'CN=system:k3s-controller'],
  ])('%s needs no node', async (name, subject) => {
    const { status, text } = await post(`/v1-k3s/${name}.crt`, {})
    expect([status, certificateIn(text).subject]).toEqual([200, subject])
  })

  test('an agent of old gets the key, too: the same for all', async () => {
    const [first, second] = [
      await ask('/v1-k3s/client-kube-proxy.crt'),
      await ask('/v1-k3s/client-kube-proxy.crt'),
    ] as const
    const keyOf = (text: string) => /-----BEGIN EC PRIVATE KEY-----.*/s.exec(text)?.[0]
    expect(keyOf(first.text)).toBeDefined()
    expect(keyOf(second.text)).toBe(keyOf(first.text))
    expect(certificateIn(first.text).subject).toBe('CN=system:kube-proxy')
  })

  test('what is no certificate request, and what is no address', async () => {
    expectStatus(await post('/v1-k3s/client-kube-proxy.crt', {}, Buffer.from('x')), 400, /not a certificate request/)
    expectStatus(await post('/v1-k3s/client-kube-proxy.crt', {}, Buffer.alloc(4 << 20)), 413, /too large/)
    const wrong = { ...headers, 'k3s-Node-IP': 'here' }
    expectStatus(await post('/v1-k3s/serving-kubelet.crt', wrong), 500, /invalid node IP address here/)
  })
})

describe('node passwords', () => {
  const path = '/v1-k3s/client-kubelet.crt'
  const password = 'a'.repeat(32)
  const secretPath = (name: string) => `/api/v1/namespaces/kube-system/secrets/${name}.node-password.k3s`
  const asCertificate = (text: string) =>
    new HttpClient({ url: server.url, tls: { ca: server.tls.ca, cert: text, key: own.key } })

  test.each([
    [{}, 'node name not set'],
    [{ 'k3s-Node-Name': 'lost' }, 'node password not set'],
  ])('headers %j', async (headers, message) => expectStatus(await post(path, headers), 400, message))

  test('the first password is the one', async () => {
    expect((await post(path, nodeHeaders('kept', password))).status).toBe(200)
    const { body } = await admin.get(secretPath('kept'))
    expect(body).toMatchObject({ type: 'k3s.cattle.io/node-password', immutable: true })
    const hash = Buffer.from(body.data.hash, 'base64').toString()
    expect(hash).toMatch(/^\$1:[0-9a-f]{16}:15:8:1:[A-Za-z0-9+/]{86}$/)
    expect((await post(path, nodeHeaders('KEPT', password))).status).toBe(200)
    const rejected = /^Node password rejected, duplicate hostname or contents of '\/etc\/rancher\/node\/password'/
    expectStatus(await post(path, nodeHeaders('kept', 'b'.repeat(32))), 403, rejected)
    expect((await admin.delete(secretPath('kept'))).status).toBe(200)
    expect((await post(path, nodeHeaders('kept', 'b'.repeat(32)))).status).toBe(200)
  })

  test('a certificate speaks for its own node, as long as that is there', async () => {
    const { text } = await post(path, nodeHeaders('certified', password))
    const node = asCertificate(text)
    const send = (headers: { [name: string]: string }) => node.post(path, own.request, { type: der, headers })
    try {
      expectStatus(await send(nodeHeaders('other', password)), 400, 'header node name does not match auth node name')
      expectStatus(await send(nodeHeaders('certified', password)), 401, /unable to verify node identity/)
      const created = await admin.post('/api/v1/nodes', { metadata: { name: 'certified' } })
      expect(created.status).toBe(201)
      expect((await send(nodeHeaders('certified', password))).status).toBe(200)
      expectStatus(await send(nodeHeaders('certified', 'c'.repeat(32))), 403, /^Node password rejected/)
      expect((await node.get('/v1-k3s/config')).status).toBe(200)
      const withToken = { ...nodeHeaders('other', password), ...asNode }
      expectStatus(await send(withToken), 400, 'header node name does not match auth node name')
    } finally {
      node.close()
      await admin.delete('/api/v1/nodes/certified')
    }
  })

  test('a Secret that cannot be stored keeps nobody out', async () => {
    const policy = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'
    const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] }]
    const clientConfig = { url: 'https://127.0.0.1:1/down' }
    const webhook = {
      name: 'down.example.com',
      rules,
      clientConfig,
      failurePolicy: 'Fail',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    }
    expect((await admin.post(policy, { metadata: { name: 'down' }, webhooks: [webhook] })).status).toBe(201)
    try {
      await admin.until(secretPath('unstored'), ({ status }) => status === 404)
      expect((await post(path, nodeHeaders('unstored', password))).status).toBe(200)
    } finally {
      await admin.delete(`${policy}/down`)
    }
  })
})

describe('bootstrap tokens', () => {
  const token = (id: string, expiration?: string) => ({
    metadata: { name: `bootstrap-token-${id}` },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      'token-id': id,
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      ...(expiration === undefined ? {} : { expiration }),
    },
  })
  const path = '/v1-k3s/config'

  test('let agents in until they expire', async () => {
    const secrets = '/api/v1/namespaces/kube-system/secrets'
    expect((await admin.post(secrets, token('abcdef'))).status).toBe(201)
    expect((await ask(path, basic('abcdef', '0123456789abcdef'))).status).toBe(200)
    expect((await ask(path, { Authorization: 'Bearer abcdef.0123456789abcdef' })).status).toBe(200)
    expectStatus(await ask(path, basic('abcdef', '0123456789abcdee')), 401, 'not authorized')
    expect((await admin.post(secrets, token('aaaaaa', '2020-01-01T00:00:00Z'))).status).toBe(201)
    expectStatus(await ask(path, basic('aaaaaa', '0123456789abcdef')), 401, 'not authorized')
  })
})

test('beyond its limit the server tells agents to come back', async () => {
  const many = Array.from({ length: 40 }, (_, at) =>
    post('/v1-k3s/client-kubelet.crt', nodeHeaders(`crowd-${at}`, 'd'.repeat(32))),
  )
  const answers = await Promise.all(many)
  const refused = answers.filter(({ status }) => status === 429)
  expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(10)
  expect(refused.length).toBeGreaterThan(0)
  expect(refused[0]!.text).toBe('Too many requests, please try again later.\n')
  expect(refused[0]!.headers['retry-after']).toBe('1')
})
