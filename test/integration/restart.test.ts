import { afterEach, expect, test } from '@jest/globals'
import { HttpClient } from './http-client.ts'
import { type RunningServer, startServer } from './server.ts'

const running: RunningServer[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.remove()
})

async function start(dataDir?: string): Promise<{ server: RunningServer; api: HttpClient }> {
  const server = await startServer([], dataDir)
  running.push(server)
  return { server, api: new HttpClient(server) }
}

const maps = '/api/v1/namespaces/default/configmaps'

test('what was acknowledged before a power cut is there afterwards, and versions go on', async () => {
  const { server, api } = await start()
  const acknowledged: string[] = []
  let newest = 0
  const writer = async (lane: number) => {
    for (let index = 0; ; index++) {
      const name = `m-${lane}-${index}`
      const { status, body } = await api.post(maps, {
        metadata: { name, labels: { lane: 'yes' } },
        data: { text: 'x'.repeat(500) },
      })
      if (status !== 201) throw new Error(`${status} ${body?.message}`)
      acknowledged.push(name)
      newest = Math.max(newest, Number(body.metadata.resourceVersion))
    }
  }
  const writers = Array.from({ length: 16 }, (_, lane) => writer(lane).catch(() => {}))
  while (acknowledged.length < 500) await new Promise(resolve => setImmediate(resolve))
  await server.kill9()
  await Promise.all(writers)
  api.close()

  const again = await start(server.dataDir)
  const { body } = await again.api.get(`${maps}?labelSelector=lane`)
  const names = new Set(body.items.map((item: { metadata: { name: string } }) => item.metadata.name))
  expect(acknowledged.filter(name => !names.has(name))).toEqual([])
  expect(Number(body.metadata.resourceVersion)).toBeGreaterThanOrEqual(newest)
  const next = await again.api.post(maps, { metadata: { name: 'after' } })
  expect(Number(next.body.metadata.resourceVersion)).toBeGreaterThan(newest)
  again.api.close()
}, 60_000)

test('a clean stop and start keep identities, tokens, custom kinds and watch positions', async () => {
  const { server, api } = await start()
  const crd = {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  }
  const things = '/apis/example.com/v1/namespaces/default/things'
  await api.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd)
  await api.until(things, ({ status }) => status === 200)
  await api.post(things, { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 't' } })
  await api.until('/api/v1/namespaces/default/serviceaccounts/default', ({ status }) => status === 200)
  const issued = await api.post('/api/v1/namespaces/default/serviceaccounts/default/token', {})
  const before = (await api.post(maps, { metadata: { name: 'before' } })).body.metadata
  await api.post(maps, { metadata: { name: 'between' } })
  const uid = (await api.get('/api/v1/namespaces/kube-system')).body.metadata.uid
  const service = (await api.get('/api/v1/namespaces/default/services/kubernetes')).body
  api.close()
  expect(await server.stop()).toBe(0)

  const again = await start(server.dataDir)
  expect(again.server.tls.ca).toBe(server.tls.ca)
  expect((await again.api.get('/api/v1/namespaces/kube-system')).body.metadata.uid).toBe(uid)
  expect((await again.api.get('/api/v1/namespaces/default/services/kubernetes')).body).toEqual(service)
  expect((await again.api.get(`${things}/t`)).status).toBe(200)
  const robot = new HttpClient(again.server, issued.body.status.token)
  expect((await robot.get('/version')).status).toBe(200)
  robot.close()
  const events = await again.api.events(`${maps}?watch=1&resourceVersion=${before.resourceVersion}&timeoutSeconds=1`)
  expect(events[0]).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'between' } } })
  again.api.close()
}, 60_000)
