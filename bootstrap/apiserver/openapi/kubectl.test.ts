/** Real kubectl binaries against a server that has nothing but the documents: they must find what they look for. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { discovery } from '../discovery/discovery.ts'
import { decodeProtobuf } from '../schema/protobuf.ts'
import { kindRegistry } from '../schema/registry.ts'
import { openapi } from './openapi.ts'
import { widgets } from './widget.fixture.ts'

const run = promisify(execFile)

/** The folder with kubectl.1.27 and its successors, beside the kubectl on PATH. */
function folderOfKubectls(): string | undefined {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map(folder => join(folder, 'kubectl'))
    .find(file => existsSync(file))
  return found && dirname(realpathSync(found))
}

const folder = folderOfKubectls()
const versions = ['1.27', '1.28', '1.29', '1.30', '1.31', '1.32', '1.33'].filter(
  version => folder !== undefined && existsSync(join(folder, `kubectl.${version}`)),
)

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web' }] } },
  },
}
const widget = {
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name: 'w', namespace: 'default' },
  spec: { size: 1 },
}

interface Request {
  readonly method: string
  readonly url: URL
  readonly object: unknown
}

/** Serves discovery and OpenAPI; what is posted is answered as it came and remembered. */
function serverOf(requests: Request[]): Server {
  const registry = kindRegistry()
  registry.add(widgets())
  const documents = openapi(registry)
  const discover = discovery(registry)
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const document = await documents(url.pathname, url.searchParams, request.headers)
    if (document) return response.writeHead(document.status, document.headers).end(document.body)
    const found = discover(url.pathname, request.headers.accept ?? '')
    if (found) return response.writeHead(200, { 'content-type': found.contentType }).end(found.body)
    if (request.method !== 'POST') return response.writeHead(404).end()
    const body = await buffer(request)
    const isProtobuf = request.headers['content-type'] === 'application/vnd.kubernetes.protobuf'
    const object = isProtobuf ? decodeProtobuf(body).object : JSON.parse(body.toString())
    requests.push({ method: request.method, url, object })
    return response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(object))
  }
  return createServer((request, response) => {
    handle(request, response).catch(error => response.writeHead(500).end(String(error)))
  })
}

if (versions.length === 0) test.skip('no kubectl.1.xx is beside the kubectl on PATH', () => undefined)
else
  describe.each(versions)('kubectl %s', version => {
    const home = mkdtempSync(join(tmpdir(), 'kubectl-'))
    const requests: Request[] = []
    const server = serverOf(requests)
    beforeAll(() => new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve)))
    afterAll(() => {
      server.closeAllConnections()
      server.close()
      rmSync(home, { recursive: true })
    })

    const kubectl = async (...args: string[]) => {
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const { stdout } = await run(join(folder!, `kubectl.${version}`), ['--server', address, ...args], {
        env: { HOME: home, KUBECONFIG: join(home, 'none') },
      })
      return stdout
    }
    const file = (name: string, object: unknown) => {
      const path = join(home, name)
      writeFileSync(path, JSON.stringify(object))
      return path
    }

    test('explains built-in and custom fields', async () => {
      const containers = await kubectl('explain', 'pod.spec.containers')
      expect(containers).toMatch(/FIELD: containers <\[\]Container>/)
      expect(containers).toMatch(/ {2}image\s+<string>\n {4}Container image name/)
      expect(await kubectl('explain', 'widget.spec.size')).toMatch(/FIELD: size <integer>[\s\S]*How big it is/)
    })

    test('sends a dry run and strict validation, having seen that the server knows both', async () => {
      const create = await kubectl('create', '--dry-run=server', '-f', file('d.json', deployment))
      expect(create).toBe('deployment.apps/web created (server dry run)\n')
      expect(requests.at(-1)?.url.search).toBe('?dryRun=All&fieldManager=kubectl-create&fieldValidation=Strict')
      expect(requests.at(-1)?.object).toEqual(deployment)
      const apply = await kubectl('apply', '--dry-run=server', '-f', file('w.json', widget))
      expect(apply).toBe('widget.example.com/w created (server dry run)\n')
      expect(requests.at(-1)?.url.searchParams.get('fieldValidation')).toBe('Strict')
    })

    test('creates with its typed client', async () => {
      await kubectl('create', 'configmap', 'c', '--from-literal=k=v', '-n', 'default')
      expect(requests.at(-1)?.object).toMatchObject({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'c' },
        data: { k: 'v' },
      })
    })

    test('finds short names and categories', async () => {
      const resources = await kubectl('api-resources', '--no-headers', '--categories=all', '-o', 'name')
      expect(resources.split('\n')).toEqual(expect.arrayContaining(['pods', 'deployments.apps', 'jobs.batch']))
    })
  })
