/** What the SQL datastores promise beyond the common contract: several servers on one log, and a database that goes away. */
import { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ConflictError, type Datastore, type Revision, UnavailableError } from '../datastore.ts'
import type { Limits } from '../sql/limits.ts'
import type { TlsMaterial } from '../tls-files.ts'
import { crashContract } from './crash-contract.ts'
import { type Acknowledged, load, writtenIn } from './crash-load.ts'
import type { ServerProcess } from './processes.ts'
import { type Relay, startRelay } from './relay.ts'

/** A real database server in a folder of its own. */
export interface DatabaseServer {
  readonly process: ServerProcess
  readonly port: number
  source(database: string, port?: number): string
  run(statement: string, database?: string): Promise<readonly unknown[]>
  destroy(): Promise<void>
}

export interface Engine {
  readonly scheme: string
  readonly installed: boolean
  start(durable: boolean): Promise<DatabaseServer>
  open(source: string, tls: TlsMaterial, limits?: Partial<Limits>): Promise<Datastore>
  /** Statements that make a database look like one of K3s. */
  readonly kine: readonly string[]
}

/** Short enough for a test, long enough for a busy machine. */
const limits = { connectMs: 1000, answerMs: 1000, giveUpMs: 2500 }

const bytes = (text: string) => Buffer.from(text)

/** Follows everything under /r/ as lines; `gaps` has what did not follow the revision before. */
function follow(store: Datastore, after: Revision, signal: AbortSignal) {
  const lines: string[] = []
  const gaps: string[] = []
  let last = after
  const done = (async () => {
    while (!signal.aborted) {
      try {
        for await (const batch of store.watch('/r/', last, signal)) {
          for (const change of batch.changes) {
            const { key, revision } = change.type === 'put' ? change.entry : change
            if (revision !== last + 1) gaps.push(`${last} -> ${revision}`)
            last = revision
            lines.push(`${revision} ${key} ${change.type === 'put' ? String(change.entry.value).split('|')[0] : '-'}`)
          }
        }
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    }
  })()
  const reached = async (revision: Revision) => {
    while (last < revision) await new Promise(resolve => setTimeout(resolve, 10))
  }
  return { lines, gaps, reached, done }
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise(resolve => setTimeout(resolve, 20))
}

export function sqlContract(engine: Engine): void {
  const { scheme, open } = engine

  ;(engine.installed ? describe : describe.skip)(`${scheme} shared and under stress`, () => {
    let server: DatabaseServer
    let count = 0
    const source = () => server.source(`stress_${++count}`)

    beforeAll(async () => {
      server = await engine.start(true)
    }, 60_000)

    afterAll(async () => {
      await server?.destroy()
    }, 30_000)

    describe('several servers', () => {
      test('lose no update of the same keys, and both see every change in one order', async () => {
        const at = source()
        const stores = await Promise.all([open(at, {}), open(at, {})])
        const stop = new AbortController()
        const watches = stores.map(store => follow(store, 0, stop.signal))
        const keys = ['/r/a', '/r/b', '/r/c']
        for (const key of keys) await stores[0].commit({ op: 'create', key, value: bytes('0|') })
        let conflicts = 0
        const rounds = 25
        const increment = async (store: Datastore, key: string) => {
          for (let done = 0; done < rounds; ) {
            const { entries } = await store.read(key)
            const { value, revision } = entries[0]!
            const next = bytes(`${Number.parseInt(String(value), 10) + 1}|`)
            try {
              await store.commit({ op: 'update', key, revision, value: next })
              done++
            } catch (error) {
              if (!(error instanceof ConflictError)) throw error
              conflicts++
            }
          }
        }
        const clients = stores.flatMap(store => keys.flatMap(key => [increment(store, key), increment(store, key)]))
        await Promise.all(clients)
        expect(conflicts).toBeGreaterThan(0)
        const newest = await stores[1].revision()
        expect(newest).toBe(keys.length * (1 + 4 * rounds))
        for (const store of stores)
          for (const key of keys) expect(String((await store.read(key)).entries[0]!.value)).toBe(`${4 * rounds}|`)
        await Promise.all(watches.map(watch => watch.reached(newest)))
        expect(watches[0]!.lines).toHaveLength(newest)
        expect(watches[0]!.gaps).toEqual([])
        expect(watches[1]!.lines).toEqual(watches[0]!.lines)
        stop.abort()
        await Promise.all([...watches.map(watch => watch.done), ...stores.map(store => store.close())])
      }, 60_000)

      test('read at once what another one was told is written', async () => {
        const at = source()
        const [one, other] = await Promise.all([open(at, {}), open(at, {})])
        for (let i = 0; i < 20; i++) {
          const written = await one.commit({ op: 'create', key: `/r/${i}`, value: bytes('x|') })
          const [revision, page] = await Promise.all([other.revision(), other.read(`/r/${i}`)])
          expect(revision).toBe(written)
          expect(page.entries).toHaveLength(1)
        }
        await Promise.all([one.close(), other.close()])
      })

      test('compact one log together, while it is written', async () => {
        const at = source()
        const stores = await Promise.all([open(at, {}), open(at, {})])
        const stop = new AbortController()
        const loading = stores.map((store, i) => load(store, `c${i}`, { acknowledged: () => undefined }, stop.signal))
        await until(async () => (await stores[0].revision()) > 1500)
        const target = (await stores[0].revision()) - 100
        const kept = (await stores[0].read('/r/', { at: target })).entries.map(
          entry => `${entry.key}@${entry.revision}`,
        )
        await Promise.all(stores.map(store => store.compact(target)))
        stop.abort()
        await Promise.all(loading)
        await expect(stores[1].read('/r/', { at: target - 1 })).rejects.toThrow('has been compacted')
        const page = await stores[1].read('/r/', { at: target })
        expect(page.entries.map(entry => `${entry.key}@${entry.revision}`)).toEqual(kept)
        const rows = await server.run('SELECT COUNT(*) AS n FROM skiff_log', at.replace(/^.*\//, ''))
        const newest = await stores[0].revision()
        expect(Number((rows[0] as { n: unknown }).n)).toBeLessThan(newest - target + kept.length + 1)
        await Promise.all(stores.map(store => store.close()))
      }, 60_000)
    })

    describe('a database that is away', () => {
      let relay: Relay
      let store: Datastore
      let stop: AbortController

      async function openThroughRelay(): Promise<void> {
        relay = await startRelay(server.port)
        store = await open(server.source(`stress_${++count}`, relay.port), {}, limits)
        stop = new AbortController()
      }

      async function close(): Promise<void> {
        stop.abort()
        relay.path('open')
        await store.close()
        await relay.destroy()
      }

      test.each(['cut', 'frozen'] as const)(
        '(%s) fails everything in bounded time, says why, and comes back by itself',
        async path => {
          await openThroughRelay()
          const watch = follow(store, 0, stop.signal)
          await store.commit({ op: 'create', key: '/r/before', value: bytes('before|') })
          relay.path(path)
          const failures = await Promise.all(
            [
              store.commit({ op: 'create', key: '/r/during', value: bytes('during|') }),
              store.read('/r/'),
              store.revision(),
            ].map(call => call.catch((error: unknown) => error)),
          )
          for (const failure of failures) {
            expect(failure).toBeInstanceOf(UnavailableError)
            expect((failure as Error).message).toMatch(/SQL 127\.0\.0\.1/)
          }
          expect(await store.health()).toMatchObject({ ok: false })
          // By now it has been away for long: nobody waits any more.
          await expect(store.commit({ op: 'create', key: '/r/late', value: bytes('late|') })).rejects.toThrow(
            UnavailableError,
          )
          relay.path('open')
          await until(async () => (await store.health()).ok)
          const { entries } = await store.read('/r/')
          expect(entries.map(entry => entry.key)).not.toContain('/r/late')
          const after = await store.commit({ op: 'create', key: '/r/after', value: bytes('after|') })
          await watch.reached(after)
          expect(watch.gaps).toEqual([])
          expect(watch.lines.filter(line => /before|after/.test(line))).toHaveLength(2)
          expect(watch.lines).toHaveLength(after)
          await close()
          await watch.done
        },
        60_000,
      )

      test('(frozen under load) leaves nobody waiting: neither for an answer nor for what others wrote before', async () => {
        const at = source()
        const stores = await Promise.all([open(at, {}, limits), open(at, {}, limits)])
        const end = new AbortController()
        const waiting = new Set<string>()
        const loading = stores.map((server, i) => {
          const failed = (text: string) => void waiting.delete(text.replace(/\.\d+$/, ''))
          return load(server, `f${i}`, { acknowledged: () => undefined, failed }, end.signal)
        })
        await until(async () => (await stores[0].revision()) > 500)
        server.process.freeze(true)
        for (const i of [0, 1]) for (let client = 0; client < 16; client++) waiting.add(`f${i}.${client}`)
        await until(() => waiting.size === 0)
        server.process.freeze(false)
        await until(async () => (await stores[1].health()).ok)
        end.abort()
        await Promise.all(loading)
        await Promise.all(stores.map(each => each.close()))
      }, 60_000)

      test.each(['cut', 'frozen'] as const)(
        '(%s) fails a snapshot in its middle, and nothing hangs on it',
        async path => {
          await openThroughRelay()
          const value = Buffer.alloc(50_000, 'x')
          await Promise.all(
            Array.from({ length: 200 }, (_, i) => store.commit({ op: 'create', key: `/r/${i}`, value })),
          )
          let seen = 0
          const to = new Writable({
            write(part: Buffer, _encoding, done) {
              if (seen === 0) relay.path(path)
              seen += part.length
              done()
            },
          })
          await expect(store.snapshot(to, stop.signal)).rejects.toThrow(UnavailableError)
          expect(to.destroyed).toBe(true)
          expect(seen).toBeLessThan(200 * value.length)
          relay.path('open')
          await until(async () => (await store.health()).ok)
          const whole = new Writable({ write: (_part, _encoding, done) => done() })
          expect((await store.snapshot(whole, stop.signal)).bytes).toBeGreaterThan(200 * value.length)
          await close()
        },
        30_000,
      )

      test('is waited for when it comes back in time', async () => {
        await openThroughRelay()
        relay.path('cut')
        const writing = store.commit({ op: 'create', key: '/r/a', value: bytes('a|') })
        const reading = store.revision()
        await new Promise(resolve => setTimeout(resolve, 300))
        relay.path('open')
        expect(await writing).toBe(1)
        expect(await reading).toBeLessThanOrEqual(1)
        await close()
      }, 30_000)

      test('tells a write that happened unheard from one that conflicts, and does none twice', async () => {
        await openThroughRelay()
        const watch = follow(store, 0, stop.signal)
        const first = await store.commit({ op: 'create', key: '/r/a', value: bytes('1|') })
        relay.path('mute')
        const writing = [
          store.commit({ op: 'update', key: '/r/a', revision: first, value: bytes('2|') }),
          store.commit({ op: 'create', key: '/r/b', value: bytes('b|') }),
          store.commit({ op: 'update', key: '/r/none', revision: 1, value: bytes('x|') }),
        ]
        const results = Promise.allSettled(writing)
        const name = `stress_${count}`
        await until(async () => {
          const [row] = await server.run('SELECT MAX(revision) AS newest FROM skiff_log', name)
          return Number((row as { newest: unknown }).newest) === 3
        })
        relay.path('open')
        const [update, create, missing] = await results
        expect([update, create].map(result => result!.status)).toEqual(['fulfilled', 'fulfilled'])
        expect((missing as PromiseRejectedResult).reason).toBeInstanceOf(ConflictError)
        expect(await store.revision()).toBe(3)
        await watch.reached(3)
        expect(watch.gaps).toEqual([])
        await close()
        await watch.done
      }, 30_000)

      test('leaves open whether a write happened when nobody can tell', async () => {
        await openThroughRelay()
        await store.commit({ op: 'create', key: '/r/0', value: bytes('0|') })
        relay.path('mute')
        const failure = await store.commit({ op: 'create', key: '/r/a', value: bytes('a|') }).catch(String)
        expect(failure).toMatch('whether this was written is not known')
        relay.path('cut')
        await until(async () => !(await store.health()).ok)
        const refused = await store.commit({ op: 'create', key: '/r/b', value: bytes('b|') }).catch(String)
        expect(refused).toMatch('datastore unavailable')
        relay.path('open')
        await until(async () => (await store.health()).ok)
        const { entries } = await store.read('/r/')
        expect(entries.map(entry => entry.key)).toEqual(['/r/0', '/r/a'])
        await close()
      }, 60_000)

      test('that comes back without its newest writes makes watchers start over', async () => {
        await openThroughRelay()
        for (let i = 1; i <= 5; i++) await store.commit({ op: 'create', key: `/r/${i}`, value: bytes('x|') })
        const watching = store.watch('/r/', 5, stop.signal)[Symbol.asyncIterator]().next()
        watching.catch(() => undefined)
        relay.path('cut')
        const name = `stress_${count}`
        await server.run('DELETE FROM skiff_log WHERE revision > 3', name)
        await server.run("UPDATE skiff_meta SET value = 3 WHERE name = 'revision'", name)
        relay.path('open')
        await expect(watching).rejects.toThrow('compacted')
        expect(await store.revision()).toBe(3)
        expect(await store.commit({ op: 'create', key: '/r/4', value: bytes('again|') })).toBe(4)
        await close()
      }, 30_000)
    })

    test('killed over and over, the database loses no acknowledged write and gets none that was refused', async () => {
      const at = source()
      const stores = await Promise.all([open(at, {}, limits), open(at, {}, limits)])
      const stop = new AbortController()
      const watches = stores.map(store => follow(store, 0, stop.signal))
      const acknowledged: Acknowledged[] = []
      const refused: string[] = []
      const loading = stores.map((store, i) =>
        load(
          store,
          `k${i}`,
          {
            acknowledged: write => void acknowledged.push(write),
            failed: (text, error) => {
              if (error.message.includes('nothing was written')) refused.push(text)
            },
          },
          stop.signal,
        ),
      )
      for (let round = 1; round <= 3; round++) {
        const enough = acknowledged.length + 400
        await until(() => acknowledged.length >= enough)
        await server.process.stop('SIGKILL')
        // Longer than anybody waits, once.
        if (round === 2) await new Promise(resolve => setTimeout(resolve, limits.giveUpMs + 1000))
        await server.process.start()
      }
      const enough = acknowledged.length + 400
      await until(() => acknowledged.length >= enough)
      stop.abort()
      await Promise.all(loading)
      await Promise.all(watches.map(watch => watch.done))
      // One may notice a moment before the other that the database is back.
      await until(async () => (await stores[0].health()).ok)
      const { written, newest } = await writtenIn(stores[0])
      expect(written.size).toBe(newest)
      for (const { key, revision, text } of acknowledged) expect(written.get(revision)).toBe(`${key} ${text}`)
      const texts = new Set([...written.values()].map(line => line.split(' ')[1]))
      expect(refused.filter(text => texts.has(text))).toEqual([])
      for (const { gaps, lines } of watches) {
        expect(gaps).toEqual([])
        expect(
          lines.filter(line => !line.startsWith(`${line.split(' ')[0]} ${written.get(Number.parseInt(line, 10))}`)),
        ).toEqual([])
      }
      await Promise.all(stores.map(store => store.close()))
    }, 120_000)

    if (engine.installed)
      crashContract(
        `our process on ${scheme}`,
        async () => {
          const at = source()
          await (await open(at, {})).close()
          return { endpoint: `${scheme}://${at}`, open: () => open(at, {}), destroy: async () => undefined }
        },
        2,
      )

    describe('an endpoint that does not work is refused in one line:', () => {
      const refusal = async (at: string, tls: TlsMaterial = {}) =>
        ((await open(at, tls, { ...limits, giveUpMs: 500 }).catch((error: unknown) => error)) as Error).message

      test('nobody there', async () => {
        const relay = await startRelay(1)
        await relay.destroy()
        expect(await refusal(server.source('x', relay.port))).toMatch(
          new RegExp(`^cannot use \\w+SQL 127\\.0\\.0\\.1:${relay.port}/x: .*ECONNREFUSED`, 'i'),
        )
      })

      test('a wrong password', async () => {
        const message = await refusal(source().replace('secret', 'wrong'))
        expect(message).toMatch(/SQL 127\.0\.0\.1:\d+\/stress_\d+: .*(password authentication failed|Access denied)/)
        expect(message).not.toMatch('wrong@')
      })

      test('a database of K3s, which stays as it is', async () => {
        const at = source()
        const name = at.replace(/^.*\//, '')
        await server.run(`CREATE DATABASE ${name}`)
        for (const statement of engine.kine) await server.run(statement, name)
        expect(await refusal(at)).toMatch(`database "${name}" holds a K3s cluster (table kine)`)
        const tables = await server.run(
          "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'skiff%' AND table_schema NOT LIKE 'stress%'",
          name,
        )
        expect(tables).toEqual([])
      })

      test('a log of a later version', async () => {
        const at = source()
        await (await open(at, {})).close()
        await server.run("UPDATE skiff_meta SET value = 9 WHERE name = 'format'", at.replace(/^.*\//, ''))
        expect(await refusal(at)).toMatch('has format 9, this version reads format 1')
      })
    })
  })
}
