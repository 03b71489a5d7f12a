/** Servers that share a datastore share everything else through it: CAs, keys, passwords, tokens. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { type EtcdServer, etcdInstalled, startEtcdServer } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { type Answer, HttpClient } from './http-client.ts'
import { basic, nodeHeaders, ownKey } from './joining.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(60_000)

const suite = etcdInstalled ? describe : describe.skip
if (!etcdInstalled) console.log('two servers: skipped, needs etcd')

/** Rejects when the server ends instead of listening. */
async function firstAnswer(client: HttpClient, starting: Promise<RunningServer>): Promise<Answer> {
  for (;;) {
    const answer = await client.get('/readyz').catch(() => undefined)
    if (answer) return answer
    await Promise.race([starting, delay(20)])
  }
}

suite('two servers on one datastore', () => {
  let etcd: EtcdServer
  let flags: string[]
  const servers: RunningServer[] = []
  const file = (at: number, path: string) => readFile(join(servers[at]!.dataDir, 'server', path), 'utf8')

  beforeAll(async () => {
    etcd = await startEtcdServer()
    flags = ['--datastore-endpoint', etcd.endpoint]
    // At once, as after a power cut: one of them makes the cluster.
    const both = await Promise.all([1, 2].map(() => startServer([...flags, '--token', 'secret'])))
    servers.push(...both)
  })
  afterAll(async () => {
    await Promise.all(servers.map(server => server.remove()))
    await etcd?.destroy()
  })

  test('are one cluster', async () => {
    for (const path of ['tls/server-ca.crt', 'tls/client-ca.key', 'tls/service.key', 'token', 'cred/passwd'])
      expect(await file(1, path)).toBe(await file(0, path))
    const [first, second] = servers
    const admin = new HttpClient({ url: second!.url, tls: first!.tls })
    expect((await admin.get('/api/v1/namespaces/default')).status).toBe(200)
    const account = '/api/v1/namespaces/default/serviceaccounts/default/token'
    const { body } = await admin.post(account, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {},
    })
    const elsewhere = new HttpClient({ url: first!.url, tls: { ca: first!.tls.ca } }, body.status.token)
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
    const who = await elsewhere.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', review)
    expect(who.body.status.userInfo.username).toBe('system:serviceaccount:default:default')
    admin.close()
    elsewhere.close()
  })

  test('a name that one has given away is taken on the other', async () => {
    const { request } = ownKey()
    const answers: number[] = []
    for (const [at, password] of [
      ['0', 'a'],
      ['1', 'b'],
      ['1', 'a'],
    ] as const) {
      const client = new HttpClient({ url: servers[Number(at)]!.url, tls: { ca: servers[0]!.tls.ca } })
      const headers = { ...basic('node', 'secret'), ...nodeHeaders('web', password.repeat(32)) }
      const ask = { type: 'application/octet-stream', headers }
      answers.push((await client.post('/v1-k3s/client-kubelet.crt', request, ask)).status)
      client.close()
    }
    expect(answers).toEqual([200, 403, 200])
  })

  test('a third one needs their token', async () => {
    await expect(startServer([...flags, '--token', 'other'])).rejects.toThrow(
      'skiff: bootstrap data already found and encrypted with different token',
    )
    await expect(startServer(flags)).rejects.toThrow('encrypted with different token')
  })

  test('what one of them lost it gets back', async () => {
    const ca = await file(0, 'tls/server-ca.crt')
    const { dataDir } = servers[1]!
    await servers[1]!.stop()
    await rm(join(dataDir, 'server/tls'), { recursive: true })
    servers[1] = await startServer([...flags, '--token', 'secret'], dataDir)
    expect(await file(1, 'tls/server-ca.crt')).toBe(ca)
    const client = new HttpClient({ url: servers[1]!.url, tls: servers[0]!.tls })
    expect((await client.get('/readyz')).status).toBe(200)
    client.close()
  })

  test('a server that starts while the datastore is away says so, and goes on when it is back', async () => {
    const { dataDir } = servers[1]!
    await servers[1]!.stop()
    await etcd.stop()
    const port = await freePort()
    const where = ['--https-listen-port', String(port)]
    const starting = startServer([...flags, '--token', 'secret', ...where], dataDir)
    const client = new HttpClient({ url: `https://127.0.0.1:${port}`, tls: servers[0]!.tls })
    const answer = await firstAnswer(client, starting)
    expect(answer.body).toMatchObject({ kind: 'Status', message: 'starting' })
    await etcd.start()
    servers[1] = await starting
    expect((await client.get('/readyz')).status).toBe(200)
    client.close()
  })

  test('a token that is rotated through one is that of the other, without a restart, also after an outage', async () => {
    const config = async (at: number, password: string) => {
      const client = new HttpClient({ url: servers[at]!.url, tls: { ca: servers[0]!.tls.ca } })
      const { status } = await client.get('/v1-k3s/config', { headers: basic('node', password) })
      client.close()
      return status
    }
    const rotate = async (at: number, password: string, newToken: string) => {
      const client = new HttpClient({ url: servers[at]!.url, tls: { ca: servers[0]!.tls.ca } })
      const headers = basic('server', password)
      expect((await client.put('/v1-k3s/token', { newToken }, { headers })).status).toBe(200)
      client.close()
    }
    const until = async (at: number, password: string) => {
      while ((await config(at, password)) !== 200) await delay(50)
    }
    // Where everybody knows it to listen.
    await servers[1]!.stop()
    servers[1] = await startServer([...flags, '--token', 'secret'], servers[1]!.dataDir)
    await rotate(0, 'secret', 'changed')
    await until(1, 'changed')
    expect([await config(1, 'secret'), await config(0, 'secret')]).toEqual([401, 401])
    expect(await file(1, 'token')).toBe(await file(0, 'token'))
    await etcd.stop()
    await etcd.start()
    for (const { url, tls } of servers) {
      const client = new HttpClient({ url, tls })
      await client.until('/readyz', ({ status }) => status === 200)
      client.close()
    }
    await rotate(1, 'changed', 'again')
    await until(0, 'again')
    expect(await config(0, 'changed')).toBe(401)
  })
})
