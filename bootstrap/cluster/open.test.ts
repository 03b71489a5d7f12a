/** Servers, each with its own folder, over one datastore. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '../client/clock.ts'
import { FakeClock } from '../client/testing/fake-clock.ts'
import type { Datastore } from '../datastore/datastore.ts'
import { openSqlite } from '../datastore/sqlite/sqlite.ts'
import { FaultyDatastore } from '../datastore/testing/faulty.ts'
import { ensurePki } from '../pki/pki.ts'
import { parsePasswd } from '../pki/token.ts'
import { type ClusterParts, openCluster } from './open.ts'
import { announcedPassword, announceRotation, rotationKey } from './rotation.ts'
import { seal, sealedKey, sealedPrefix, unseal } from './seal.ts'
import { moveBundle } from './stored.ts'

let base: string
let datastore: Datastore
let clock: FakeClock
const logged: string[] = []
const log = {
  info: (_: object, message: string) => void logged.push(message),
  warn: (_: object, message: string) => void logged.push(message),
}

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'skiff-cluster-'))
  datastore = await openSqlite({ file: join(base, 'state.db'), clock: systemClock, log })
  clock = new FakeClock()
  logged.length = 0
})
afterEach(async () => {
  await datastore.close()
  await rm(base, { recursive: true })
})

const start = (name: string, more: Partial<ClusterParts> = {}) => {
  const dataDir = join(base, name)
  return openCluster({
    dataDir,
    token: 'secret',
    agentToken: undefined,
    shared: true,
    isNew: async () => false,
    openPki: () =>
      ensurePki({
        dir: dataDir,
        nodeName: name,
        nodeIps: ['192.0.2.1'],
        serviceIps: ['10.43.0.1'],
        clusterDomain: 'cluster.local',
        tlsSans: [],
        clock: systemClock,
      }),
    openData: async () => datastore,
    clock,
    log,
    signal: new AbortController().signal,
    ...more,
  })
}

interface StoredBundle {
  readonly ServerCA: { readonly Timestamp: string }
}

const keys = async () => (await datastore.read(sealedPrefix)).entries.map(({ key }) => key)
const file = (server: string, path: string) => readFile(join(base, server, 'server', path), 'utf8')
const serverCa = 'tls/server-ca.crt'

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}

test('the first server stores what it made, sealed with the token; the second takes it over', async () => {
  const first = await start('a')
  expect(await keys()).toEqual([sealedKey('secret')])
  const [entry] = (await datastore.read(sealedPrefix)).entries
  const stored = JSON.parse((await unseal('secret', entry!.value)).toString())
  expect(Object.keys(stored)).toEqual([
    'ClientCA',
    'ClientCAKey',
    'ETCDPeerCA',
    'ETCDPeerCAKey',
    'ETCDServerCA',
    'ETCDServerCAKey',
    'IPSECKey',
    'PasswdFile',
    'RequestHeaderCA',
    'RequestHeaderCAKey',
    'ServerCA',
    'ServerCAKey',
    'ServiceKey',
  ])
  expect(entry!.value.toString()).not.toContain('PRIVATE')
  const second = await start('b')
  for (const path of [serverCa, 'tls/client-ca.key', 'tls/etcd/peer-ca.key', 'tls/service.key', 'cred/ipsec.psk'])
    expect(await file('b', path)).toBe(await file('a', path))
  expect(second.pki.serverCa.cert).toBe(first.pki.serverCa.cert)
  expect(second.pki.kubelet.cert).not.toBe(first.pki.kubelet.cert)
  expect(second.tokens.current()).toEqual(first.tokens.current())
})

test('a start that finds everything as it was writes nothing', async () => {
  await start('a')
  const before = await datastore.revision()
  await start('a', { token: undefined })
  await start('b')
  expect(await datastore.revision()).toBe(before)
})

test('two servers that start at once make one cluster', async () => {
  const [a, b] = await Promise.all([start('a'), start('b')])
  expect(logged).toContain('Bootstrap key is locked - waiting for data to be populated by another server')
  expect(a.pki.clientCa.cert).toBe(b.pki.clientCa.cert)
  expect(await keys()).toHaveLength(1)
})

test('the lock of a server that died is broken after 25 seconds', async () => {
  await datastore.commit({ op: 'create', key: sealedKey('secret'), value: Buffer.alloc(0) })
  const starting = start('a')
  for (let waited = 0; waited < 4; waited++) {
    await until(() => clock.pending === 1)
    await clock.advance(5000)
  }
  await starting
  expect(logged).toContain('Bootstrap key lock timed out - deleting lock and retrying')
  const [entry] = (await datastore.read(sealedPrefix)).entries
  expect(entry!.value.length).toBeGreaterThan(1000)
})

describe('tokens', () => {
  const other = 'bootstrap data already found and encrypted with different token'

  test('a wrong one, and none at all, make nothing', async () => {
    await start('a')
    await expect(start('b', { token: 'wrong' })).rejects.toThrow(other)
    await expect(start('b', { token: undefined })).rejects.toThrow(other)
    await expect(start('b', { token: 'abcdef.0123456789abcdef' })).rejects.toThrow(
      'failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>',
    )
    expect(existsSync(join(base, 'b/server/tls'))).toBe(false)
  })

  test('the whole token of the first server is as good as its password', async () => {
    const { tokens } = await start('a')
    await expect(start('b', { token: tokens.current().token })).resolves.toBeDefined()
  })

  test('data sealed with nothing, by very old servers, is sealed with the token', async () => {
    await start('a')
    const [entry] = (await datastore.read(sealedPrefix)).entries
    await datastore.commit({ op: 'delete', key: entry!.key, revision: entry!.revision })
    const value = await seal('', await unseal('secret', entry!.value))
    await datastore.commit({ op: 'create', key: sealedKey(''), value })
    await start('b')
    expect(await keys()).toEqual([sealedKey('secret')])
    expect(await file('b', serverCa)).toBe(await file('a', serverCa))
  })

  test('rotated: sealed anew, known here at once, and elsewhere with the new one only', async () => {
    const { tokens } = await start('a')
    await tokens.rotate('changed')
    expect(await keys()).toEqual([sealedKey('changed')])
    expect(await file('a', 'token')).toMatch(/::server:changed\n$/)
    expect(tokens.current().passwd.map(({ password }) => password)).toEqual(['changed', 'changed'])
    await expect(start('b')).rejects.toThrow(other)
    await start('b', { token: 'changed' })
    expect(parsePasswd(await file('b', 'cred/passwd'))).toEqual(parsePasswd(await file('a', 'cred/passwd')))
    await start('a', { token: undefined })
    await expect(tokens.rotate('abcdef.0123456789abcdef')).rejects.toThrow('failed to normalize server token')
    await tokens.rotate('')
    expect(await file('a', 'token')).toMatch(/::server:[0-9a-f]{32}\n$/)
  })

  test('a rotation that was cut short leaves servers that start with either token', async () => {
    await start('a')
    await moveBundle({ datastore }, 'secret', 'changed')
    await start('a')
    expect(logged).toContain('found multiple bootstrap keys in storage: rotate the token again')
    const { tokens } = await start('b', { token: 'changed' })
    expect(await file('b', serverCa)).toBe(await file('a', serverCa))
    await tokens.rotate('again')
    expect(await keys()).toContain(sealedKey('again'))
    expect(await keys()).not.toContain(sealedKey('changed'))
  })

  describe('rotated through another server', () => {
    const shared = { openData: async () => new FaultyDatastore(datastore) }
    const passwords = ({ tokens }: Awaited<ReturnType<typeof start>>) =>
      tokens.current().passwd.map(({ password }) => password)
    const stop = new AbortController()
    afterAll(() => stop.abort())
    const follow = ({ tokens }: Awaited<ReturnType<typeof start>>) =>
      void tokens.follow({ clock: systemClock, log, signal: stop.signal })

    test('taken over by the others while they run, on disk too, and so the next time', async () => {
      const [a, b] = [await start('a', shared), await start('b', shared)]
      follow(a)
      follow(b)
      await a.tokens.rotate('changed')
      await until(() => passwords(b).every(password => password === 'changed'))
      expect(await file('b', 'token')).toBe(await file('a', 'token'))
      await b.tokens.rotate('again')
      await until(() => passwords(a).every(password => password === 'again'))
      expect(await keys()).toEqual([sealedKey('again')])
      await start('a', { ...shared, token: undefined })
    })

    test('agents keep a token of their own', async () => {
      const own = { ...shared, agentToken: 'agents' }
      const [a, b] = [await start('a', own), await start('b', own)]
      follow(b)
      await a.tokens.rotate('changed')
      await until(() => passwords(b).includes('changed'))
      expect(passwords(b)).toEqual(['agents', 'changed'])
    })

    test('what was announced tells nothing to who has the old token or the agents’, and is nothing once it is of the past', async () => {
      const { tokens, pki } = await start('a', shared)
      await tokens.rotate('changed')
      const [entry] = (await datastore.read(rotationKey)).entries
      for (const password of ['secret', 'changed', '']) await expect(unseal(password, entry!.value)).rejects.toThrow()
      await tokens.rotate('newest')
      await datastore.commit({
        op: 'update',
        key: rotationKey,
        value: entry!.value,
        revision: (await datastore.read(rotationKey)).entries[0]!.revision,
      })
      const parts = { datastore, caKey: pki.serverCa.key }
      expect(await announcedPassword(parts, 'newest')).toBeUndefined()
      expect(await announcedPassword(parts, 'secret')).toBeUndefined()
      await announceRotation(parts, 'newest')
      expect(await announcedPassword(parts, 'secret')).toBe('newest')
    })
  })

  test("agents' own token stays when the servers' is rotated", async () => {
    const { tokens } = await start('a', { agentToken: 'agents' })
    await tokens.rotate('changed')
    const passwords = Object.fromEntries(tokens.current().passwd.map(({ name, password }) => [name, password]))
    expect(passwords).toEqual({ node: 'agents', server: 'changed' })
  })
})

test("agents' own token is that of all servers, even of those that are not told it", async () => {
  await start('a', { agentToken: 'agents' })
  const before = await datastore.revision()
  const { tokens } = await start('b')
  expect(tokens.current().passwd.find(({ name }) => name === 'node')?.password).toBe('agents')
  expect(await file('b', 'agent-token')).toMatch(/::node:agents\n$/)
  expect(await datastore.revision()).toBe(before)
})

describe('files that differ', () => {
  const path = (server: string) => join(base, server, 'server', serverCa)
  /** Makes the file that much younger than what the datastore has of it. */
  const age = async (server: string, seconds: number) => {
    const [entry] = (await datastore.read(sealedPrefix)).entries
    const stored = JSON.parse((await unseal('secret', entry!.value)).toString()) as StoredBundle
    const time = Date.parse(stored.ServerCA.Timestamp) / 1000 + seconds
    return utimes(path(server), time, time)
  }

  test('are replaced when they are older, or as old', async () => {
    const { pki } = await start('a')
    for (const seconds of [-100, 1]) {
      await writeFile(path('a'), 'something else')
      await age('a', seconds)
      const again = await start('a')
      expect(again.pki.serverCa.cert).toBe(pki.serverCa.cert)
    }
  })

  test('are replaced whatever their age, where they only hold passwords', async () => {
    await start('a')
    const { tokens } = await start('b')
    const ahead = Date.now() / 1000 + 3600
    await utimes(join(base, 'a/server/cred/passwd'), ahead, ahead)
    await tokens.rotate('changed')
    await start('a', { token: 'changed' })
    expect(await file('a', 'cred/passwd')).toBe(await file('b', 'cred/passwd'))
  })

  test('and newer by three seconds end the start, nothing written', async () => {
    await start('a')
    await writeFile(path('a'), 'something else')
    await age('a', 4)
    const cut = await file('a', 'tls/client-ca.crt')
    await rm(join(base, 'a/server/tls/client-ca.crt'))
    await expect(start('a')).rejects.toThrow(
      `${path('a')} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.`,
    )
    expect(existsSync(join(base, 'a/server/tls/client-ca.crt'))).toBe(false)
    await rm(path('a'))
    await start('a')
    expect(await file('a', 'tls/client-ca.crt')).toBe(cut)
  })
})
