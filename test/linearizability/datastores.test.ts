/**
 * Registers in every datastore, through several processes at once, while processes are killed, lines break or stand still, and
 * the engine dies or holds its breath: histories stay linearizable, watches complete.
 */
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { DatastoreStore } from './datastore-store.ts'
import { type Engine, engines, folder } from './engines.ts'
import { Line } from './line.ts'
import { anomaliesOf, seeded, summary } from './verdict.ts'
import { runWorkload } from './workload.ts'

const now = () => performance.now()
const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const rounds = Number(process.env.ROUNDS ?? 1)

describe('sqlite', () => {
  test(
    'killed and started again',
    async () => {
      const { path, remove } = folder()
      const store = new DatastoreStore('', join(path, 'state.db'))
      await store.start()
      const random = seeded(seed)
      const faults = async () => {
        for (let n = 0; n < 5 * rounds; n++) {
          await pause(300 + random() * 300)
          await store.kill()
          await store.start()
        }
      }
      try {
        const run = await runWorkload({ stores: [store], clients: 8, registers: 4, random, now, faults })
        console.log(`seed ${seed}: ${summary(run)}`)
        expect(anomaliesOf(run)).toEqual([])
      } finally {
        await store.kill()
        remove()
      }
    },
    60_000 * rounds,
  )
})

describe.each(Object.entries(engines))('%s', (_, start) => {
  const suite = start ? test : test.skip
  suite(
    'several servers, lines and engine failing',
    async () => {
      const engine = await start!()
      const lines = await Promise.all([1, 2, 3].map(() => Line.to(engine.port)))
      const stores = lines.map(({ port }) => new DatastoreStore(engine.endpoint(port), ''))
      const random = seeded(seed)
      try {
        await stores[0]!.start() // it creates the tables
        await Promise.all(stores.slice(1).map(store => store.start()))
        const faults = () => inject(engine, lines, stores, random)
        const run = await runWorkload({ stores, clients: 9, registers: 4, random, now, faults })
        console.log(`seed ${seed}: ${summary(run)}`)
        expect(anomaliesOf(run)).toEqual([])
      } finally {
        await Promise.all(stores.map(store => store.kill()))
        for (const line of lines) line.close()
        await engine.destroy()
      }
    },
    60_000 * rounds,
  )
})

/** Every fault once a round, in an order of chance. */
async function inject(engine: Engine, lines: readonly Line[], stores: readonly DatastoreStore[], random: () => number) {
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const faults = [
    async () => {
      const store = one(stores)
      await store.kill()
      await pause(200 * random())
      await store.start()
    },
    async () => {
      const line = one(lines)
      line.hold()
      await pause(400 + 1000 * random())
      line.open()
    },
    async () => {
      const line = one(lines)
      line.break()
      await pause(500 * random())
      line.open()
    },
    async () => {
      for (const line of lines) line.break()
      for (const line of lines) line.open()
    },
    async () => {
      await engine.kill()
      await pause(300 * random())
      await engine.start()
    },
    async () => {
      engine.freeze(true)
      await pause(300 + 700 * random())
      engine.freeze(false)
    },
  ]
  for (let round = 0; round < rounds; round++)
    for (const fault of faults.toSorted(() => random() - 0.5)) {
      await pause(300 + 300 * random())
      await fault()
    }
}
