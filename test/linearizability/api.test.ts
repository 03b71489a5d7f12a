/**
 * ConfigMaps through the API of several servers on one datastore, while servers are killed, cut off from the datastore or see it
 * die: what one server has acknowledged every other shows, nothing is lost, watchers miss nothing.
 */
import { describe, expect, test } from '@jest/globals'
import { type RunningServer, startServer } from '../integration/server.ts'
import { ApiStore } from './api-store.ts'
import { type Engine, engines } from './engines.ts'
import { Line } from './line.ts'
import { anomaliesOf, seeded, summary } from './verdict.ts'
import { runWorkload } from './workload.ts'

const now = () => performance.now()
const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const rounds = Number(process.env.ROUNDS ?? 1)
const flags = ['--token', 'linearizability', '--disable', 'coredns,local-storage,metrics-server,servicelb,traefik']

/** A server that is killed and started again, and the way to its API. */
class Server {
  readonly store = new ApiStore()
  readonly #flags: readonly string[]
  #running: RunningServer | undefined

  constructor(more: readonly string[]) {
    this.#flags = [...flags, ...more]
  }

  async start(): Promise<void> {
    this.#running = await startServer(this.#flags, this.#running?.dataDir)
    this.store.connect(this.#running)
  }

  kill(): Promise<void> {
    return this.#running!.kill9()
  }

  async remove(): Promise<void> {
    this.store.close()
    await this.#running?.remove()
  }
}

test(
  'sqlite: one server, killed and started again',
  async () => {
    const server = new Server([])
    const random = seeded(seed)
    const faults = async () => {
      for (let n = 0; n < 3 * rounds; n++) {
        await pause(500 + random() * 500)
        await server.kill()
        await server.start()
      }
    }
    try {
      await server.start()
      const run = await runWorkload({ stores: [server.store], clients: 8, registers: 4, random, now, faults })
      console.log(`seed ${seed}: ${summary(run)}`)
      expect(anomaliesOf(run)).toEqual([])
    } finally {
      await server.remove()
    }
  },
  90_000 * rounds,
)

describe.each(Object.entries(engines))('%s', (_, start) => {
  const suite = start ? test : test.skip
  suite(
    'three servers',
    async () => {
      const engine = await start!()
      const lines = await Promise.all([1, 2, 3].map(() => Line.to(engine.port)))
      const servers = lines.map(({ port }) => new Server(['--datastore-endpoint', engine.endpoint(port)]))
      const random = seeded(seed)
      try {
        await servers[0]!.start()
        await Promise.all(servers.slice(1).map(server => server.start()))
        const stores = servers.map(({ store }) => store)
        const faults = () => inject(engine, lines, servers, random)
        const run = await runWorkload({ stores, clients: 9, registers: 4, random, now, faults })
        console.log(`seed ${seed}: ${summary(run)}`)
        expect(anomaliesOf(run)).toEqual([])
      } finally {
        await Promise.all(servers.map(server => server.remove()))
        for (const line of lines) line.close()
        await engine.destroy()
      }
    },
    120_000 * rounds,
  )
})

async function inject(engine: Engine, lines: readonly Line[], servers: readonly Server[], random: () => number) {
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const faults = [
    async () => {
      const server = one(servers)
      await server.kill()
      await server.start()
    },
    async () => {
      const line = one(lines)
      line.hold()
      await pause(1000 + 1000 * random())
      line.open()
    },
    async () => {
      const line = one(lines)
      line.break()
      await pause(1000 * random())
      line.open()
    },
    async () => {
      await engine.kill()
      await pause(500 * random())
      await engine.start()
    },
    async () => {
      engine.freeze(true)
      await pause(500 + 1000 * random())
      engine.freeze(false)
    },
  ]
  for (let round = 0; round < rounds; round++)
    for (const fault of faults.toSorted(() => random() - 0.5)) {
      await pause(500 + 500 * random())
      await fault()
    }
}
