/** A server process reaches a node, and what runs on it, through the node's tunnel and in no other way. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ClientRequest, IncomingMessage, RequestListener } from 'node:http'
import { request } from 'node:https'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { selfSigned } from '../../bootstrap/pki/self-signed.ts'
import { HttpClient } from './http-client.ts'
import { outermost } from './kubectl.ts'
import { nodeIp, podIp, type RemoteNode, startRemoteNode } from './remote-node.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(60_000)

const logs = '/api/v1/namespaces/default/pods/web/log'
let server: RunningServer
let http: HttpClient
let node: RemoteNode
let written = 0
const flood = Buffer.alloc(64 * 1024, 'x')

const kubelet: RequestListener = (incoming, response) => {
  const { pathname, searchParams } = new URL(incoming.url ?? '', 'https://kubelet')
  if (pathname === '/containerLogs/default/web/web' && searchParams.get('follow') === 'true') {
    const more = () => {
      do written += flood.length
      while (response.write(flood))
    }
    response.on('drain', more)
    more()
  } else if (pathname === '/containerLogs/default/web/web') response.end('hello from afar\n')
  else response.end(`${incoming.method} ${incoming.url}`)
}

const reviews: RequestListener = (incoming, response) => {
  const chunks: Buffer[] = []
  incoming.on('data', chunk => chunks.push(chunk))
  incoming.on('end', () => {
    if (incoming.method === 'GET') {
      response.end(`pod answers ${incoming.url}`)
      return
    }
    const { apiVersion, kind, request: asked } = JSON.parse(Buffer.concat(chunks).toString())
    const status = { message: 'no, says the pod' }
    response.end(JSON.stringify({ apiVersion, kind, response: { uid: asked.uid, allowed: false, status } }))
  })
}

beforeAll(async () => {
  server = await startServer(['--token', 'server-secret', '--egress-selector-mode', 'cluster'])
  http = new HttpClient(server)
  const tls = selfSigned(['hooks.default.svc', 'web'], Date.now())
  const onUpgrade = (socket: Duplex) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n')
    socket.pipe(socket)
  }
  node = await startRemoteNode(server, {
    name: 'edge',
    mode: 'cluster',
    kubelet,
    onUpgrade,
    pod: { tls, serve: reviews },
  })
  const webhook = {
    name: 'hooks.example.com',
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Ignore',
    timeoutSeconds: 2,
    clientConfig: {
      caBundle: Buffer.from(tls.cert).toString('base64'),
      service: { namespace: 'default', name: 'hooks', port: 443 },
    },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
  }
  await http.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'hooks' },
    spec: { ports: [{ port: 443 }] },
  })
  await http.post('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { name: 'hooks', labels: { 'kubernetes.io/service-name': 'hooks' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 443 }],
    endpoints: [{ addresses: [podIp], conditions: { ready: true } }],
  })
  await http.post('/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
    metadata: { name: 'hooks' },
    webhooks: [webhook],
  })
})
afterAll(async () => {
  http?.close()
  await node?.remove()
  await server?.remove()
})

function upgrade(path: string): ClientRequest {
  const { ca, cert, key } = server.tls
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' }
  const call = request(`${server.url}${path}`, { method: 'POST', ca, cert, key, headers, agent: false })
  call.end()
  return call
}

const exec = '/api/v1/namespaces/default/pods/web/exec?command=true&stdout=1'

describe('without a tunnel', () => {
  const dialling = (port: string) =>
    `proxy error from 127\\.0\\.0\\.1:${new URL(server.url).port} while dialing ${nodeIp}:${port}, code 502: 502 Bad Gateway`

  test.each(outermost.map(kubectl => [kubectl.version, kubectl.path] as const))(
    'kubectl %s says so',
    async (_, path) => {
      const { execFile } = await import('node:child_process')
      const run = (...args: string[]) =>
        new Promise<string>(resolve =>
          execFile(path, ['--kubeconfig', server.kubeconfig, ...args], (_error, _out, err) => resolve(err)),
        )
      const url = `https://${nodeIp}:\\d+/containerLogs/default/web/web`
      expect(await run('logs', 'web')).toMatch(new RegExp(`^Error from server: Get "${url}": ${dialling('\\d+')}\\n$`))
      expect(await run('exec', 'web', '--', 'true')).toMatch(
        new RegExp(
          `(Error from server|error: unable to upgrade connection): error dialing backend: ${dialling('\\d+')}\\n$`,
        ),
      )
    },
  )

  test('so does a node proxy', async () => {
    const { status, body } = await http.get('/api/v1/nodes/edge/proxy/healthz')
    expect(status).toBe(503)
    expect(body.message).toMatch(new RegExp(`^error trying to reach service: ${dialling('\\d+')}$`))
    expect(server.log()).toContain('failed to find Session for client edge')
  })
})

describe('with a tunnel', () => {
  beforeAll(() => node.connect())

  test('logs, and the node proxy', async () => {
    expect((await http.get(logs)).text).toBe('hello from afar\n')
    expect((await http.get('/api/v1/nodes/edge/proxy/stats/summary?x=1')).text).toBe('GET /stats/summary?x=1')
    const posted = await http.post('/api/v1/nodes/edge/proxy/run', 'data', { type: 'text/plain' })
    expect(posted.text).toBe('POST /run')
  })

  test('an upgraded connection', async () => {
    const [, socket] = (await once(upgrade(exec), 'upgrade')) as [IncomingMessage, Duplex]
    const sent = randomBytes(2_000_000)
    socket.write(sent)
    const chunks: Buffer[] = []
    for (let size = 0; size < sent.length; size += chunks.at(-1)!.length) chunks.push((await once(socket, 'data'))[0])
    expect(Buffer.concat(chunks).equals(sent)).toBe(true)
    const open = node.open()
    socket.destroy()
    await until(() => node.open() === open - 1)
  })

  test('a webhook in a pod of the node, and the proxies of pods and services', async () => {
    const { status, body } = await http.post('/api/v1/namespaces/default/configmaps', { metadata: { name: 'a' } })
    expect([status, body.message]).toEqual([
      400,
      'admission webhook "hooks.example.com" denied the request: no, says the pod',
    ])
    expect((await http.get('/api/v1/namespaces/default/pods/web/proxy/a?b=c')).text).toBe('pod answers /a?b=c')
    expect((await http.get('/api/v1/namespaces/default/services/https:hooks:443/proxy/d')).text).toBe('pod answers /d')
  })

  test('a log nobody reads costs no memory, and nobody waits for it', async () => {
    const { ca, cert, key } = server.tls
    const [before, idle] = [rssOf(server.pid), node.open()]
    written = 0
    const calls = Array.from({ length: 20 }, () =>
      request(`${server.url}${logs}?follow=true`, { ca, cert, key, agent: false }).on('error', () => {}),
    )
    for (const call of calls) call.end()
    const answers = await Promise.all(calls.map(async call => (await once(call, 'response'))[0] as IncomingMessage))
    for (const answer of answers) answer.pause().on('error', () => {})
    for (let last = -1; last !== written; await delay(500)) last = written
    const grown = rssOf(server.pid) - before
    // It stands still: the kernel holds most of it, for the clients' own connections.
    expect(written).toBeLessThan(20 * 20_000_000)
    expect(grown).toBeLessThan(150_000_000)
    for (let i = 0; i < 10; i++) expect((await http.get(logs)).text).toBe('hello from afar\n')
    for (const call of calls) call.destroy()
    await until(() => node.open() <= idle)
  })

  test('what was on its way ends with the tunnel, and all is well once it is back', async () => {
    const [, socket] = (await once(upgrade(exec), 'upgrade')) as [IncomingMessage, Duplex]
    socket.on('error', () => {})
    const closed = once(socket.resume(), 'close')
    await node.cut()
    await closed
    expect((await http.get(logs)).status).toBe(500)
    await node.connect()
    expect((await http.get(logs)).text).toBe('hello from afar\n')
  })

  test('metrics', async () => {
    const { text } = await http.get('/metrics')
    expect(text).toContain('skiff_tunnel_sessions{node="edge"} 1')
    expect(text).toMatch(/apiserver_egress_dialer_dial_start_total\{protocol="http_connect",transport="tcp"\} \d+/)
    expect(text).toMatch(
      /apiserver_egress_dialer_dial_failure_count\{protocol="http_connect",stage="proxy",transport="tcp"\} \d+/,
    )
  })

  test('the server ends at once although tunnels are open', async () => {
    const began = Date.now()
    expect(await server.stop()).toBe(0)
    expect(Date.now() - began).toBeLessThan(10_000)
    expect(server.log()).not.toMatch(/cannot stop cleanly|still holds/)
  })
})

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !condition(); await delay(10))
    if (Date.now() > end) throw new Error(`never: ${condition}`)
}

function rssOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}
