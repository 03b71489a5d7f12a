/** Routing of a thousand Ingresses is computed in slices, and what a change overtakes is not served. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import { type Clock, systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { type Ingress, ingresses, type Service, services } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { Controller } from './controller.ts'
import { DataPlane } from './haproxy/data-plane.ts'
import type { Plane } from './haproxy/plane.ts'
import type { Model } from './model/model.ts'
import { parseSettings } from './settings.ts'
import { sliceMs } from './slices.ts'

const count = 1000
const settings = parseSettings(['--entryPoints.web.address=:8000/tcp', '--providers.kubernetesingress'])
const log = { debug() {}, info() {}, warn() {}, error() {} }
const life: AbortController[] = []
afterEach(() => life.splice(0).forEach(one => void one.abort()))

/** A clock on which every look takes a millisecond, so that a slice is a number of steps; and how many were in a turn. */
function workClock() {
  let looks = 0
  let most = 0
  let turns = 0
  let atTurn = 0
  const clock: Clock = { now: () => ++looks, sleep: systemClock.sleep }
  const count = () => {
    most = Math.max(most, looks - atTurn)
    if (looks > atTurn) turns++
    atTurn = looks
  }
  /** Counts turns until the promise is done. */
  const during = async (work: Promise<unknown>) => {
    let done = false
    void work.finally(() => (done = true)).catch(() => {})
    while (!done) {
      await turn()
      count()
    }
    await work
  }
  return { clock, during, most: () => most, turns: () => turns, looks: () => looks }
}

const ingress = (index: number, host: string) =>
  ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: `i${index}`, namespace: 'default' },
    spec: {
      rules: [
        {
          host,
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }],
          },
        },
      ],
    },
  }) as Ingress

async function started(work: ReturnType<typeof workClock>) {
  const client = new MemoryClient({ now: () => 0 })
  const metadata = { name: 's', namespace: 'default' }
  await client.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { ports: [{ port: 80 }] },
  } as Service)
  for (let index = 0; index < count; index++) await client.create(ingresses, ingress(index, `h${index}.org`))
  const end = new AbortController()
  life.push(end)
  const effects = { clock: systemClock, log, signal: end.signal, random: Math.random }
  const served: Model[] = []
  const controller = new Controller({
    cluster: {
      ...effects,
      client,
      clock: work.clock,
      informers: createInformers(client, effects),
      events: { event() {} },
    },
    settings,
    serve: async model => void served.push(model),
    log: () => {},
  })
  await work.during(controller.start())
  const rename = async (index: number, host: string) => {
    const { metadata } = await client.get(ingresses, { name: `i${index}`, namespace: 'default' })
    await client.update(ingresses, { ...ingress(index, host), metadata })
  }
  const hosts = (model: Model | undefined) =>
    (model?.routers ?? []).flatMap(({ matches }) => matches.map(match => (match.type === 'simple' ? match.host : '')))
  return { served, rename, hosts }
}

test('no turn of the event loop sees more than a slice', async () => {
  const work = workClock()
  const { served, hosts } = await started(work)
  expect(served).toHaveLength(1)
  expect(hosts(served[0])).toHaveLength(count)
  expect(work.most()).toBeLessThanOrEqual(sliceMs + 2)
  expect(work.turns()).toBeGreaterThanOrEqual(count / (sliceMs + 2))
})

test('a routing that a change overtakes is not served', async () => {
  const work = workClock()
  const { served, rename, hosts } = await started(work)
  const before = work.looks()
  await rename(0, 'first.org')
  while (work.looks() < before + 100) await turn()
  await rename(count - 1, 'second.org')
  while (served.length < 2) await turn()
  expect(served).toHaveLength(2)
  expect(hosts(served[1])).toEqual(expect.arrayContaining(['first.org', 'second.org']))
})

test('changes without end do not keep all routing from being served', async () => {
  const work = workClock()
  const { served, rename } = await started(work)
  let changes = 0
  for (; served.length < 2 && changes < 5000; changes++) {
    await rename(0, `n${changes}.org`)
    await turn()
  }
  expect(served).toHaveLength(2)
})

test('the data plane compiles in slices and gives up what is overtaken', async () => {
  const work = workClock()
  const { served } = await started(work)
  const applied: Plane[] = []
  const plane = new DataPlane({
    applier: {
      apply: async next => {
        applied.push(next)
        return { type: 'patched' }
      },
      accepts: async () => true,
    },
    settings,
    surface: { addresses: ['127.0.0.1'], runDir: '/run/none', hostname: 'h' },
    log: () => {},
    now: work.clock.now,
    applied: () => {},
  })
  const [model] = served
  await work.during(turn().then(() => plane.serve(model!)))
  expect(work.most()).toBeLessThanOrEqual(sliceMs + 2)
  void plane.serve(model!)
  await turn()
  await plane.serve({ ...model!, routers: model!.routers.slice(1) })
  expect(applied.map(({ maps }) => maps.get('web.prefix')!.size)).toEqual([count, count - 1])
})
