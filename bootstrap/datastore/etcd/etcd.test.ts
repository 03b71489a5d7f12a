import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { systemClock } from '../../client/clock.ts'
import { FakeClock, turns } from '../../client/testing/fake-clock.ts'
import { freePort } from '../../client/testing/ports.ts'
import { datastoreContract, type OpenedStore, openedBy } from '../contract.ts'
import { type ChangeBatch, CompactedError, ConflictError, type Datastore, UnavailableError } from '../datastore.ts'
import { answerEater } from '../testing/answer-eater.ts'
import { type EtcdServer, type EtcdServerOptions, etcdInstalled, startEtcdServer } from '../testing/etcd-server.ts'
import { type EtcdOptions, openEtcd } from './etcd.ts'

jest.setTimeout(60_000)

const describeWithEtcd = etcdInstalled ? describe : describe.skip

async function opened(serverOptions: EtcdServerOptions, tls?: EtcdOptions['tls']): Promise<OpenedStore> {
  const server = await startEtcdServer(serverOptions)
  const open = () => openEtcd({ endpoints: [server.endpoint], clock: systemClock, ...(tls ? { tls } : {}) })
  return openedBy(open, () => server.destroy())
}

describeWithEtcd('over http', () => {
  datastoreContract('etcd', () => opened({}))
})

describeWithEtcd('over https with client certificates', () => {
  let dir: string
  const file = (name: string) => join(dir, name)
  const pem = (name: string) => readFileSync(file(name), 'utf8')
  const clientTls = () => ({ ca: pem('ca.crt'), cert: pem('client.crt'), key: pem('client.key') })

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skiff-etcd-tls-'))
    makeCertificates(dir)
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))

  const serverTls = () => ({ tls: { ca: file('ca.crt'), cert: file('server.crt'), key: file('server.key') } })

  datastoreContract('etcd with TLS', () => opened(serverTls(), clientTls()))

  test('a client without a certificate, or of another CA, is told what failed', async () => {
    const server = await startEtcdServer(serverTls())
    const open = (tls: EtcdOptions['tls']) =>
      openEtcd({ endpoints: [server.endpoint], clock: systemClock, limitMs: 2000, ...(tls ? { tls } : {}) })
    await expect(open(undefined)).rejects.toThrow(/connecting to https:.*(certificate|unable to verify)/)
    await expect(open({ ca: pem('ca.crt') })).rejects.toThrow(UnavailableError)
    await server.destroy()
  })
})

function makeCertificates(dir: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  const subject = (name: string) => [
    '-subj',
    `/CN=${name}`,
    '-nodes',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
  ]
  openssl('req', '-x509', ...subject('ca'), '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2')
  for (const name of ['server', 'client']) {
    const san = ['-addext', 'subjectAltName=IP:127.0.0.1']
    openssl('req', '-new', ...subject(name), ...san, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    const sign = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copy', '-days', '2']
    openssl('x509', '-req', '-in', `${name}.csr`, ...sign, '-out', `${name}.crt`)
  }
}

const create = (store: Datastore, key: string, value = 'x') =>
  store.commit({ op: 'create', key, value: Buffer.from(value) })

describeWithEtcd('when etcd is away', () => {
  let server: EtcdServer
  let store: Datastore

  beforeAll(async () => {
    server = await startEtcdServer()
  })
  afterAll(async () => {
    await store.close()
    await server.destroy()
  })

  test('for a moment, writes and watches wait and go on by themselves', async () => {
    store = await openEtcd({ endpoints: [server.endpoint], clock: systemClock })
    const stop = new AbortController()
    const seen: string[] = []
    const start = await store.revision()
    const watching = (async () => {
      for await (const { changes } of store.watch('/r/', start, stop.signal))
        for (const change of changes) seen.push(change.type === 'put' ? change.entry.key : change.key)
    })()
    await create(store, '/r/before')
    await server.stop(true)
    const during = Promise.all([create(store, '/r/during'), store.revision(), store.read('/r/')])
    await server.start()
    await during
    await create(store, '/r/after')
    expect(seen).toEqual(['/r/before', '/r/during', '/r/after'])
    stop.abort()
    await watching
  })

  test('for longer, callers learn why, in bounded time, and it recovers', async () => {
    const impatient = await openEtcd({ endpoints: [server.endpoint], clock: systemClock, limitMs: 300 })
    await server.stop(true)
    await expect(create(impatient, '/r/lost')).rejects.toThrow(
      /datastore unavailable: etcd, writing \/r\/lost: .*ECONNREFUSED/,
    )
    await expect(impatient.revision()).rejects.toThrow(UnavailableError)
    await expect(impatient.read('/r/')).rejects.toThrow(UnavailableError)
    expect(await impatient.health()).toMatchObject({ ok: false })
    await server.start()
    for (;;) if ((await impatient.health()).ok) break
    await create(impatient, '/r/back')
    await impatient.close()
  })
})

describeWithEtcd('a cluster that comes back without its newest writes', () => {
  test('makes watches start over', async () => {
    const ports = [await freePort(), await freePort()] as const
    const first = await startEtcdServer({ ports })
    const store = await openEtcd({ endpoints: [first.endpoint], clock: systemClock })
    for (let i = 0; i < 5; i++) await create(store, `/r/${i}`)
    const watching = store.watch('/r/', await store.revision(), new AbortController().signal)[Symbol.asyncIterator]()
    const next = watching.next()
    next.catch(() => undefined)
    await first.destroy()
    const second = await startEtcdServer({ ports })
    await expect(next).rejects.toThrow(CompactedError)
    const again = store
      .watch('/r/', await store.revision(), new AbortController().signal)
      [Symbol.asyncIterator]()
      .next()
    const revision = await create(store, '/r/new')
    expect((await again).value).toMatchObject({ revision })
    await store.close()
    await second.destroy()
  })
})

describeWithEtcd('two servers', () => {
  test('compact once, to where the round began, and again only in the next', async () => {
    const server = await startEtcdServer()
    const [clockA, clockB] = [new FakeClock(), new FakeClock()]
    const [a, b] = await Promise.all([clockA, clockB].map(clock => openEtcd({ endpoints: [server.endpoint], clock })))
    const minutes = 60_000
    const round = async (...clocks: FakeClock[]) => {
      for (const clock of clocks) {
        await clock.advance(5 * minutes)
        // The round is over when the next one is being waited for.
        while (clock.pending === 0) await turns(1)
      }
    }
    const oldestReadable = async (from: number) => {
      for (let at = from; ; at++)
        if (
          await a!.read('/r/', { at }).then(
            () => true,
            () => false,
          )
        )
          return at
    }
    const first = await create(a!, '/r/1')
    await round(clockA, clockB)
    expect(await oldestReadable(1)).toBe(1)
    const second = await create(b!, '/r/2')
    await round(clockB, clockA)
    const kept = await oldestReadable(1)
    expect(kept).toBeGreaterThanOrEqual(first)
    expect(kept).toBeLessThan(second)
    await Promise.all([a!.close(), b!.close()])
    await server.destroy()
  })
})

describeWithEtcd('a snapshot', () => {
  test('is what etcd restores from: its file, and the checksum at the end', async () => {
    const server = await startEtcdServer()
    const store = await openEtcd({ endpoints: [server.endpoint], clock: systemClock })
    const revision = await create(store, '/r/a')
    const parts: Buffer[] = []
    const to = new Writable({
      write(part: Buffer, _, done) {
        parts.push(part)
        done()
      },
    })
    const info = await store.snapshot(to, new AbortController().signal)
    const all = Buffer.concat(parts)
    expect(info).toEqual({ revision, bytes: all.length })
    expect(createHash('sha256').update(all.subarray(0, -32)).digest()).toEqual(all.subarray(-32))
    await expect(store.snapshot(new Writable(), AbortSignal.abort())).rejects.toThrow('aborted')
    await store.close()
    await server.destroy()
  })
})

describeWithEtcd('a value that is too large', () => {
  test('is refused in the words clients know, and nothing else is', async () => {
    const server = await startEtcdServer()
    const store = await openEtcd({ endpoints: [server.endpoint], clock: systemClock })
    for (const size of [1_600_000, 3_000_000])
      await expect(store.commit({ op: 'create', key: '/r/a', value: Buffer.alloc(size) })).rejects.toThrow(
        /^etcdserver: request is too large$/,
      )
    await create(store, '/r/a')
    await store.close()
    await server.destroy()
  })
})

describeWithEtcd('a write whose answer is lost', () => {
  test('does not bring back what others have deleted meanwhile', async () => {
    const server = await startEtcdServer()
    const proxy = await answerEater(Number(new URL(server.endpoint).port))
    const store = await openEtcd({ endpoints: [`http://127.0.0.1:${proxy.port}`], clock: systemClock })
    const other = await openEtcd({ endpoints: [server.endpoint], clock: systemClock })
    const watch = other.watch('/r/', await other.revision(), new AbortController().signal)[Symbol.asyncIterator]()
    try {
      for (let round = 0; round < 3; round++) {
        const key = `/r/${round}`
        proxy.eatNextAnswer()
        const creating = create(store, key)
        for (let shown = false; !shown; ) {
          const { changes } = (await watch.next()).value as ChangeBatch
          shown = changes.some(change => change.type === 'put' && change.entry.key === key)
        }
        const { entries } = await other.read(key)
        await other.commit({ op: 'delete', key, revision: entries[0]!.revision })
        expect(await creating).toBe(entries[0]!.revision)
        expect((await other.read(key)).entries).toEqual([])
      }
    } finally {
      await Promise.all([store.close(), other.close()])
      proxy.close()
      await server.destroy()
    }
  })

  test('is not taken for a conflict with itself', async () => {
    const server = await startEtcdServer()
    const proxy = await answerEater(Number(new URL(server.endpoint).port))
    const store = await openEtcd({ endpoints: [`http://127.0.0.1:${proxy.port}`], clock: systemClock })
    try {
      const first = await create(store, '/r/a', '1')
      proxy.eatNextAnswer()
      const second = await store.commit({ op: 'update', key: '/r/a', value: Buffer.from('2'), revision: first })
      expect(second).toBe(first + 1)
      expect(proxy.eaten()).toBe(1)
      proxy.eatNextAnswer()
      // Whose deletion the watch has shown cannot be told.
      const deletion = store.commit({ op: 'delete', key: '/r/a', revision: second })
      await expect(deletion).rejects.toThrow(UnavailableError)
      proxy.eatNextAnswer()
      const third = await create(store, '/r/a', '3')
      expect((await store.read('/r/a')).entries).toMatchObject([{ revision: third, createRevision: third }])
      expect(proxy.eaten()).toBe(3)
      proxy.eatNextAnswer()
      await expect(create(store, '/r/a', '4')).rejects.toThrow(ConflictError)
    } finally {
      await store.close()
      proxy.close()
      await server.destroy()
    }
  })
})
