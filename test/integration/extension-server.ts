/** A small aggregated API server: one resource, kept in memory, open to the front proxy alone. */
import { createPublicKey, X509Certificate } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { issueCertificate, keyPem, newKey } from '../../bootstrap/pki/certificate.ts'

interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly repeated: readonly string[]
}

export interface ExtensionServer {
  readonly port: number
  /** PEM of the CA that signed the server's certificate. */
  readonly ca: string
  /** Requests of users, oldest first; the API server's own checks are left out. */
  readonly seen: Seen[]
  /** How often the API server has asked on its own. */
  readonly checks: number
  /** Answers failures of several kinds to everything while set. */
  broken: boolean
  /** Sends one more line to these. */
  event(name: string): void
  /** How many watches with a selector are open. */
  readonly watches: number
  close(): Promise<void>
}

export const extension = { group: 'wardle.example.com', version: 'v1alpha1', resource: 'flunders' }
const { group, version } = extension
const groupVersion = `${group}/${version}`

/** `clientCa` signs the front proxy's certificate. */
export async function extensionServer(clientCa: string, name: string, port = 0): Promise<ExtensionServer> {
  const { ca, cert, key } = identity(name)
  const seen: Seen[] = []
  const objects = new Map<string, object>()
  const open = new Set<ServerResponse>()
  const state = { broken: false, checks: 0 }
  const server = createServer({ cert, key, ca: clientCa, requestCert: true, rejectUnauthorized: false })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { pathname: path, searchParams } = new URL(request.url ?? '/', 'https://x')
    const { method = '' } = request
    const socket = request.socket as TLSSocket
    if (!socket.authorized || socket.getPeerCertificate().subject.CN !== 'system:auth-proxy')
      return json(response, 401, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 401 })
    const user = request.headers['x-remote-user']
    if (user === 'system:kube-aggregator') state.checks++
    if (state.broken) return json(response, 500 + (state.checks % 4), {})
    if (user !== 'system:kube-aggregator') {
      const repeated = (request.headersDistinct['x-remote-group'] ?? []) as string[]
      seen.push({ method, path: request.url ?? '', headers: request.headers, repeated })
    }
    if (path === '/apis') return json(response, 200, { kind: 'APIGroupList', apiVersion: 'v1', groups: [] })
    if (path === `/apis/${groupVersion}`) return json(response, 200, resourceList())
    if (path === '/openapi/v3') {
      const url = `/openapi/v3/apis/${groupVersion}?hash=1`
      return json(response, 200, { paths: { [`apis/${groupVersion}`]: { serverRelativeURL: url } } })
    }
    if (path === `/openapi/v3/apis/${groupVersion}`) return json(response, 200, openApi())
    if (path === '/openapi/v2') return json(response, 200, openApiV2())
    const [, namespace, object] =
      new RegExp(`^/apis/${groupVersion}/(?:namespaces/([^/]+)/)?flunders(?:/([^/]+))?$`).exec(path) ?? []
    if (searchParams.get('watch')) {
      response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
      response.flushHeaders()
      // The garbage collector watches too, everything.
      if (searchParams.get('labelSelector')) open.add(response)
      response.once('close', () => open.delete(response))
      return
    }
    void collected(request).then(body => {
      if (method === 'POST') {
        const created = JSON.parse(body) as { metadata: { name: string } }
        objects.set(`${namespace}/${created.metadata.name}`, created)
        return json(response, 201, created)
      }
      if (method === 'DELETE') {
        for (const key of [...objects.keys()])
          if (key.startsWith(`${namespace}/`) && (!object || key === `${namespace}/${object}`)) objects.delete(key)
        return json(response, 200, { kind: 'Status', apiVersion: 'v1', status: 'Success' })
      }
      if (object) {
        const found = objects.get(`${namespace}/${object}`)
        return json(response, found ? 200 : 404, found ?? { kind: 'Status', apiVersion: 'v1', code: 404 })
      }
      const items = [...objects].filter(([key]) => !namespace || key.startsWith(`${namespace}/`))
      json(response, 200, {
        apiVersion: groupVersion,
        kind: 'FlunderList',
        metadata: { resourceVersion: '1' },
        items: items.map(([, item]) => item),
      })
    })
  })
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    ca,
    seen,
    get broken() {
      return state.broken
    },
    set broken(value) {
      state.broken = value
    },
    get checks() {
      return state.checks
    },
    event(name) {
      const object = { apiVersion: groupVersion, kind: 'Flunder', metadata: { name, namespace: 'default' } }
      for (const response of open) response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`)
    },
    get watches() {
      return open.size
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function collected(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function resourceList(): object {
  const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'watch']
  const flunders = { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs }
  const resources = [{ ...flunders, shortNames: ['fl'] }]
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources }
}

function openApi(): object {
  const schema = {
    type: 'object',
    description: 'Flunder flunds.',
    properties: { spec: { type: 'object', description: 'What to flund.' } },
    'x-kubernetes-group-version-kind': [{ group, version, kind: 'Flunder' }],
  }
  const operation = {
    'x-kubernetes-action': 'list',
    'x-kubernetes-group-version-kind': { group, version, kind: 'Flunder' },
  }
  const paths = { [`/apis/${groupVersion}/namespaces/{namespace}/flunders`]: { get: operation } }
  return { openapi: '3.0.0', info: { title: 'x', version: '1' }, paths, components: { schemas: { Flunder: schema } } }
}

function openApiV2(): object {
  const kind = { group, version, kind: 'Flunder' }
  const ref = { $ref: '#/definitions/com.example.wardle.Flunder' }
  const get = { responses: { 200: { description: 'OK', schema: ref } }, parameters: [{ $ref: '#/parameters/pretty' }] }
  const pretty = { name: 'pretty', in: 'query', type: 'string', uniqueItems: true }
  const mine = { type: 'object', description: 'Flunder flunds.', 'x-kubernetes-group-version-kind': [kind] }
  return {
    swagger: '2.0',
    paths: { [`/apis/${groupVersion}/flunders`]: { get }, '/apis/apps/v1/stolen': { get } },
    definitions: { 'com.example.wardle.Flunder': mine, 'io.k8s.api.core.v1.Pod': mine },
    parameters: { pretty },
  }
}

function identity(name: string): { ca: string; cert: string; key: string } {
  const day = 86_400_000
  const dates = { notBefore: Date.now() - day, notAfter: Date.now() + day }
  const caKey = newKey()
  const ca = issueCertificate({ commonName: 'extension-ca', isCa: true, ...dates }, createPublicKey(caKey), caKey)
  const key = newKey()
  const spec = { commonName: name, sans: [name], usages: ['server'] as const, ...dates }
  const cert = issueCertificate(spec, createPublicKey(key), { certificate: new X509Certificate(ca), key: caKey })
  return { ca, cert, key: keyPem(key) }
}
