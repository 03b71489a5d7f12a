import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { HttpClient } from '../integration/http-client.ts'
import { type RunningServer, startServer } from '../integration/server.ts'

/** The same operator, by the library's import and by ours. */
const root = join(import.meta.dirname, '../..')
const libraries = [
  ['@dot-i/k8s-operator', join(root, 'node_modules/@dot-i/k8s-operator')],
  ['skiff/operator', join(root, 'dist/operator.mjs')],
] as const

const group = 'dot-i.example.com'
const properties = {
  spec: { type: 'object', properties: { size: { type: 'integer' } } },
  status: { type: 'object', properties: { observedGeneration: { type: 'integer' }, phase: { type: 'string' } } },
}
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `things.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'things', kind: 'Thing' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', properties } },
      },
    ],
  },
}

let server: RunningServer
let api: HttpClient
beforeAll(async () => {
  server = await startServer()
  api = new HttpClient(server)
  await writeFile(join(server.dataDir, 'definition.json'), JSON.stringify(definition))
}, 60_000)
afterAll(async () => {
  api.close()
  await server.remove()
})

/** A running operator program, and what it has said. */
class Program {
  readonly child: ChildProcessWithoutNullStreams
  output = ''

  constructor(args: readonly string[], kubeconfig = server.kubeconfig) {
    this.child = spawn(process.execPath, ['--no-deprecation', ...args], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
    })
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', chunk => (this.output += chunk))
  }

  async says(line: string): Promise<void> {
    while (!this.output.includes(`${line}\n`)) {
      if (this.child.exitCode !== null) throw new Error(`the operator ended: ${this.output}`)
      await Promise.race([once(this.child.stdout, 'data'), once(this.child, 'exit')])
    }
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode
    const ended = once(this.child, 'exit')
    this.child.kill(signal)
    const [code] = await ended
    return code
  }
}

const things = `/apis/${group}/v1/namespaces/default/things`
const thing = (name: string) => ({ apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name }, spec: { size: 1 } })
const merge = 'application/merge-patch+json'
const start = (library: string, kubeconfig?: string) =>
  new Program(
    [join(import.meta.dirname, 'dot-i-operator.cjs'), library, join(server.dataDir, 'definition.json')],
    kubeconfig,
  )

test.each(libraries)(
  'an operator on %s registers its kind, follows objects, writes status, cleans up',
  async (_, library) => {
    const operator = start(library)
    try {
      await operator.says('ready')
      expect((await api.post(things, thing('one'))).status).toBe(201)
      await operator.says('ADDED one 1')
      const seen = await api.until(`${things}/one`, ({ body }) => body.status?.phase === 'Seen')
      expect(seen.body.metadata.finalizers).toEqual(['things.dot-i.example.com/cleanup'])
      await api.patch(`${things}/one`, merge, { spec: { size: 2 } })
      await api.until(`${things}/one`, ({ body }) => body.status?.observedGeneration === 2)
      expect((await api.delete(`${things}/one`)).status).toBe(200)
      await operator.says('cleaned up')
      await operator.says('DELETED one 3')
      expect((await api.get(`${things}/one`)).status).toBe(404)
      expect(operator.output).not.toContain('rror')
    } finally {
      await operator.end()
    }
  },
  30_000,
)

test('on ours it outlives lost connections and hears of what it missed', async () => {
  const sockets = new Set<Socket>()
  let open = true
  const proxy = createServer(inbound => {
    if (!open) return void inbound.destroy()
    const outbound = connect(Number(new URL(server.url).port), '127.0.0.1')
    for (const socket of [inbound, outbound]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => [inbound, outbound].map(end => end.destroy()))
    }
    inbound.pipe(outbound).pipe(inbound)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo
  const kubeconfig = join(server.dataDir, 'proxy.yaml')
  await writeFile(
    kubeconfig,
    (await readFile(server.kubeconfig, 'utf8')).replace(server.url, `https://127.0.0.1:${port}`),
  )
  const operator = start(libraries[1][1], kubeconfig)
  try {
    await operator.says('ready')
    await api.post(things, thing('stays'))
    await api.post(things, thing('changes'))
    await api.until(`${things}/changes`, ({ body }) => body.status?.phase === 'Seen')
    open = false
    for (const socket of sockets) socket.destroy()
    await api.post(things, thing('comes'))
    await api.patch(`${things}/changes`, merge, { spec: { size: 7 } })
    open = true
    await api.until(`${things}/comes`, ({ body }) => body.status?.phase === 'Seen')
    await api.until(`${things}/changes`, ({ body }) => body.status?.observedGeneration === 2)
    expect(operator.output.match(/ADDED stays/g)).toHaveLength(1)
  } finally {
    await operator.end()
    for (const socket of sockets) socket.destroy()
    proxy.close()
    for (const name of ['stays', 'changes', 'comes'])
      await api
        .patch(`${things}/${name}`, merge, { metadata: { finalizers: null } })
        .then(() => api.delete(`${things}/${name}`))
  }
}, 60_000)

describe('the example of docs/operators.md', () => {
  const program = join(root, 'examples/operator/website-operator.ts')
  const sites = '/apis/example.com/v1/namespaces/default/websites'
  const site = {
    apiVersion: 'example.com/v1',
    kind: 'Website',
    metadata: { name: 'home' },
    spec: { html: '<h1>hi</h1>' },
  }

  test('makes what a Website needs, tells its address, and takes it off the list at the end; a second one takes over', async () => {
    const first = new Program([program])
    const second = new Program([program])
    try {
      await api.until(
        '/apis/coordination.k8s.io/v1/namespaces/default/leases/website-operator',
        ({ status }) => status === 200,
      )
      await api.until(sites, ({ status }) => status === 200)
      await api.post(sites, site)
      const ready = await api.until(`${sites}/home`, ({ body }) => body.status?.address === 'http://home.default')
      const deployment = await api.get('/apis/apps/v1/namespaces/default/deployments/home')
      expect(deployment.body.spec.replicas).toBe(1)
      expect(deployment.body.metadata.ownerReferences[0].uid).toBe(ready.body.metadata.uid)
      const list = '/api/v1/namespaces/default/configmaps/sites'
      expect((await api.get(list)).body.data).toEqual({ home: 'http://home.default' })

      const leader = first.output.includes('became leader') ? first : second
      expect(await leader.end('SIGTERM')).toBe(0)
      await api.patch(`${sites}/home`, merge, { spec: { replicas: 3 } })
      await api.until('/apis/apps/v1/namespaces/default/deployments/home', ({ body }) => body.spec.replicas === 3)
      await api.delete(`${sites}/home`)
      await api.until(`${sites}/home`, ({ status }) => status === 404)
      await api.until(list, ({ body }) => body.data?.home === undefined)
      await api.until('/api/v1/namespaces/default/services/home', ({ status }) => status === 404)
    } finally {
      await first.end()
      await second.end()
    }
  }, 60_000)
})
