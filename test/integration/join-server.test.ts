/** A server that takes over the secrets of another, and what keeps it from doing so. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { type AssembledServer, assembleApiServer } from '../../bootstrap/apiserver/assemble.ts'
import type { Listening } from '../../bootstrap/apiserver/http/listener.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { FakeClock } from '../../bootstrap/client/testing/fake-clock.ts'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { joinServer } from '../../bootstrap/cluster/join.ts'
import type { OpenedCluster } from '../../bootstrap/cluster/open.ts'
import { serverFlags } from '../../bootstrap/config/flags.ts'
import { parseFlags } from '../../bootstrap/config/parse.ts'
import { type ServerConfig, serverConfig } from '../../bootstrap/config/server-config.ts'
import { createLogger } from '../../bootstrap/log.ts'
import { openShared } from '../../bootstrap/open-shared.ts'
import { Stages } from '../../bootstrap/stages.ts'
import { answeredRoutes } from '../../bootstrap/supervisor/answered.ts'
import { controlOf } from '../../bootstrap/supervisor/control.ts'
import { frontOf } from '../../bootstrap/supervisor/front.ts'
import { supervisorRoutes } from '../../bootstrap/supervisor/supervisor.ts'
import { type Answer, HttpClient } from './http-client.ts'
import { basic, nodeHeaders, ownKey } from './joining.ts'

jest.setTimeout(60_000)

const logged: string[] = []
const log = createLogger({
  debug: false,
  pretty: true,
  stream: { write: (line: string) => logged.push(line) } as unknown as NodeJS.WritableStream,
})
const stages = new Stages(log)
const stop = new AbortController()
let base: string
let cluster: OpenedCluster
let api: AssembledServer
let listening: Listening
let early: readonly Answer[]

function configOf(name: string, ...flags: readonly string[]): ServerConfig {
  const args = ['--data-dir', join(base, name), '--node-name', name, '--node-ip', '192.0.2.1', ...flags]
  return serverConfig(parseFlags(serverFlags, [], args, {}), { hostname: name, primaryAddress: undefined })
}

/** What the port answers between listening and the API being there. */
async function beforeReady({ serverCa, admin }: OpenedCluster['pki']): Promise<readonly Answer[]> {
  const url = `https://127.0.0.1:${listening.port}`
  const client = new HttpClient({ url, tls: { ca: serverCa.cert, cert: admin.cert, key: admin.key } })
  const node = new HttpClient({ url, tls: { ca: serverCa.cert } })
  const headers = basic('node', 'agents')
  const answers = [
    await client.get('/api/v1/nodes'),
    await node.get('/v1-k3s/readyz', { headers }),
    await node.post('/v1-k3s/client-kubelet.crt', ownKey().request, {
      type: 'application/octet-stream',
      headers: { ...headers, ...nodeHeaders('early', 'p'.repeat(32)) },
    }),
    await node.get('/v1-k3s/config', { headers }),
  ]
  client.close()
  node.close()
  return answers
}

/** A server whose joining peers are given its secrets, as those with an etcd of their own do. */
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'skiff-join-'))
  const config = configOf('first', '--token', 'secret', '--agent-token', 'agents')
  await mkdir(join(config.dataDir, 'server/db'), { recursive: true })
  cluster = await openShared(config, { stages, log, port: { open: async () => {} }, signal: stop.signal })
  const { pki, datastore, tokens, bundle } = cluster
  const issuer = 'https://kubernetes.default.svc.cluster.local'
  let core: AssembledServer | undefined
  api = core = await assembleApiServer({
    datastore,
    clock: systemClock,
    clientCa: pki.clientCa.cert,
    passwd: () => tokens.current().passwd,
    serviceAccounts: { issuer, audiences: [issuer, 'k3s'], keys: pki.serviceKeys },
    serviceCidrs: ['10.43.0.0/16'],
    routes: supervisorRoutes({
      answered: answeredRoutes(),
      dataDir: config.dataDir,
      pki,
      control: () => controlOf(config),
      tokens,
      bundle,
      members: async () => ({ members: [] }),
      core: () => (starting ? undefined : core),
      clock: systemClock,
      random: Math.random,
      log,
      signal: stop.signal,
    }),
    signal: stop.signal,
  })
  listening = await api.server.listen({ port: 0, host: '127.0.0.1', ...pki.serving, clientCa: pki.clientCa.cert })
  early = await beforeReady(pki)
  await api.start({ servicePort: 443, securePort: listening.port, advertiseAddresses: ['192.0.2.1'] })
})
afterAll(async () => {
  await listening?.close()
  stop.abort()
  await api?.close()
  await stages.stop()
  await rm(base, { recursive: true, force: true })
})

type Parts = Parameters<typeof joinServer>[0]
/** As if the server had only begun to start. */
let starting = false

function joining(name: string, flags: readonly string[] = [], more: Partial<Parts> = {}) {
  const config = configOf(name, ...flags)
  return joinServer({
    url: `https://127.0.0.1:${listening.port}`,
    dataDir: config.dataDir,
    token: cluster.tokens.current().token,
    agentToken: undefined,
    control: controlOf(config),
    node: { name, password: async () => 'p'.repeat(32) },
    member: false,
    clock: systemClock,
    log,
    signal: stop.signal,
    ...more,
  })
}

const file = (name: string, path: string) => readFile(join(base, name, 'server', path), 'utf8')

test('before the API is there, nodes are told what they can be told', () => {
  expect(early.map(({ status, body }) => [status, body.message])).toEqual([
    [503, 'apiserver not ready'],
    [503, 'runtime core not ready'],
    [503, 'runtime core not ready'],
    [200, undefined],
  ])
})

test('a server that joins has the secrets before it makes any', async () => {
  const server = await joining('second')
  for (const path of ['tls/server-ca.crt', 'tls/client-ca.key', 'tls/service.key', 'cred/passwd', 'cred/ipsec.psk'])
    expect(await file('second', path)).toBe(await file('first', path))
  const before = logged.length
  await expect(joining('bare', [], { token: 'secret' })).resolves.toBeDefined()
  expect(logged.slice(before).filter(line => line.includes('does not include a CA hash'))).toHaveLength(1)
  expect(JSON.parse((await server!.get('/db/info')).toString())).toEqual({ members: [] })
})

test.each([
  [['--cluster-cidr', '10.44.0.0/16'], 'cluster-cidr (here 10.44.0.0/16, there 10.42.0.0/16)'],
  [['--cluster-domain', 'other.local'], 'cluster-domain (here other.local, there cluster.local)'],
  [['--disable', 'servicelb'], 'disable servicelb (here true, there false)'],
  [['--flannel-backend', 'host-gw'], 'flannel-backend (here host-gw, there vxlan)'],
  [['--egress-selector-mode', 'pod'], 'egress-selector-mode (here pod, there agent)'],
  [['--disable-network-policy'], 'disable-network-policy (here true, there false)'],
  [
    ['--service-cidr', '10.45.0.0/16'],
    'cluster-dns (here 10.45.0.10, there 10.43.0.10), service-cidr (here 10.45.0.0/16, there 10.43.0.0/16)',
  ],
])('%j is refused', async (flags, why) => {
  await expect(joining('differing', flags)).rejects.toThrow(
    `failed to validate server configuration: critical configuration value mismatch between servers: ${why}`,
  )
  expect(existsSync(join(base, 'differing/server/tls'))).toBe(false)
})

test('a server that only starts is waited for, but not for ever', async () => {
  starting = true
  const clock = new FakeClock()
  const hopeless = joining('hopeless', [], { clock })
  const waiting = async (count: number) => {
    while (clock.pending < count) await new Promise(resolve => setTimeout(resolve, 5))
  }
  await waiting(1)
  expect(existsSync(join(base, 'hopeless/server/tls'))).toBe(false)
  await clock.advance(60_000)
  await expect(hopeless).rejects.toThrow(/^cannot join https:.*: 503 starting$/)
  const lucky = joining('lucky', [], { clock })
  await waiting(1)
  starting = false
  await clock.advance(1000)
  await expect(lucky).resolves.toBeDefined()
  expect(logged.filter(line => line.includes('waiting for https'))).toHaveLength(2)
})

test('one that has its port and nothing else yet is waited for, too', async () => {
  const port = await freePort()
  const front = frontOf('127.0.0.1', port)
  await front.open({ ...cluster.pki.serving, clientCa: cluster.pki.clientCa.cert })
  const clock = new FakeClock()
  const waiting = joining('early', [], { clock, url: `https://127.0.0.1:${port}` })
  while (clock.pending < 1) await new Promise(resolve => setTimeout(resolve, 5))
  await front.handOver(api.server)
  await clock.advance(1000)
  await expect(waiting).resolves.toBeDefined()
  await front.close()
})

test('what may differ does not keep it out', async () => {
  await expect(joining('third', ['--tls-san', 'api.example.com', '--disable', 'coredns'])).resolves.toBeDefined()
})

test('tokens that are none', async () => {
  await expect(joining('tokens', [], { token: undefined })).rejects.toThrow('token is required to join a cluster')
  await expect(joining('tokens', [], { token: 'abcdef.0123456789abcdef' })).rejects.toThrow(
    /^failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>$/,
  )
  await expect(joining('tokens', [], { token: 'wrong' })).rejects.toThrow(
    /failed to validate token: .*: 401 not authorized: want the one in server\/token/,
  )
  await expect(joining('tokens', [], { agentToken: 'wrong' })).rejects.toThrow(
    /v1-k3s\/config: 401 not authorized: want the one in server\/agent-token/,
  )
  const other = cluster.tokens.current().token.replace(/^K10..../, 'K100000')
  await expect(joining('tokens', [], { token: other })).rejects.toThrow(
    /^failed to validate token: token CA hash does not match the Cluster CA certificate hash: /,
  )
})

test('the name of a node that is there is not taken over', async () => {
  const node = (password: string) => ({ name: 'taken', password: async () => password })
  await joining('taken', [], { node: node('a'.repeat(32)) })
  await expect(joining('other', [], { node: node('b'.repeat(32)) })).rejects.toThrow(
    /^Node password rejected, duplicate hostname/,
  )
})

test('a member does not wait long for a machine that does not answer', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`
  await expect(joining('second', [], { url, member: true, patienceMs: 200 })).resolves.toBeUndefined()
  expect(logged.at(-1)).toContain('no answer within 200 ms')
  silent.close()
})

test('a member starts while the others are away', async () => {
  const url = 'https://127.0.0.1:1'
  await expect(joining('second', [], { url, member: true })).resolves.toBeUndefined()
  expect(logged.at(-1)).toContain('Unable to reconcile with remote datastore')
  await expect(joining('lonely', [], { url })).rejects.toThrow(
    /cannot join https:\/\/127.0.0.1:1: failed to get CA certs/,
  )
})
