import { get as open } from 'node:https'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { HttpClient, type Json } from './http-client.ts'
import { type RunningServer, startServer } from './server.ts'

let server: RunningServer
let api: HttpClient
beforeAll(async () => {
  server = await startServer()
  api = new HttpClient(server)
})
afterAll(async () => {
  api.close()
  await server.remove()
})

const maps = '/api/v1/namespaces/default/configmaps'

/** A copy of a selection, kept by a watch as an informer keeps one. */
class Replica {
  readonly objects = new Map<string, Json>()
  /** Of the events after the initial ones, which came up to `since`. */
  readonly versions: number[] = []
  since = 0
  readonly problems: string[] = []
  #look = () => {}
  #close = () => {}

  async follow(query: string): Promise<void> {
    const path = `${server.url}${maps}?watch=1&allowWatchBookmarks=true&${query}`
    await new Promise<void>((resolve, reject) => {
      const request = open(path, { ...server.tls, agent: false }, response => {
        resolve()
        // The stream is cut off when the test is done with it.
        const lines = createInterface({ input: response }).on('error', () => {})
        lines.on('line', line => this.#take(JSON.parse(line)))
        response.on('error', () => {})
      })
      request.on('error', reject)
      this.#close = () => request.destroy()
    })
  }

  #take({ type, object }: Json): void {
    const { name, resourceVersion } = object.metadata
    const version = Number(resourceVersion)
    if (type === 'ADDED' && this.objects.has(name)) this.problems.push(`${name} added twice at ${version}`)
    if ((type === 'MODIFIED' || type === 'DELETED') && !this.objects.has(name)) {
      this.problems.push(`${name} ${type} but unknown at ${version}`)
    }
    if (type === 'ERROR') this.problems.push(object.message)
    if (type === 'DELETED') this.objects.delete(name)
    else if (type !== 'BOOKMARK') this.objects.set(name, object)
    if (type !== 'BOOKMARK') this.versions.push(version)
    else if (object.metadata.annotations?.['k8s.io/initial-events-end']) {
      this.versions.length = 0
      this.since = version
    }
    this.#look()
  }

  /** Resolves once the copy has these versions of these objects. */
  settled(items: Json[]): Promise<void> {
    const text = (objects: Iterable<Json>) =>
      [...objects]
        .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
        .sort()
        .join(' ')
    const wanted = text(items)
    return new Promise(resolve => {
      this.#look = () => {
        if (text(this.objects.values()) === wanted) resolve()
      }
      this.#look()
    })
  }

  close(): void {
    this.#close()
  }
}

/** Repeatable randomness. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return sides => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * sides)
  }
}

test('every watch ends with what a list shows, however it began', async () => {
  const selections = [
    '',
    'labelSelector=color%3Dred',
    'labelSelector=color!%3Dred',
    'fieldSelector=metadata.name%3Dm3',
    'labelSelector=color+in+(red,end)',
  ]
  const initial = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
  const begun: { query: string; replica: Replica }[] = []
  const begin = async (query: string, more = '') => {
    const replica = new Replica()
    begun.push({ query, replica })
    await replica.follow(`${query}&${more}`)
  }
  for (const query of selections) await begin(query)
  const colors = ['red', 'green', 'blue']
  const write = async (lane: number) => {
    const roll = dice(lane + 1)
    for (let step = 0; step < 150; step++) {
      const name = `m${roll(12)}`
      const metadata = { name, labels: { color: colors[roll(3)] } }
      const action = roll(4)
      if (action === 0) await api.post(maps, { metadata })
      else if (action === 1) await api.put(`${maps}/${name}`, { metadata, data: { step: String(step) } })
      else if (action === 2)
        await api.patch(`${maps}/${name}`, 'application/merge-patch+json', { metadata: { labels: metadata.labels } })
      else await api.delete(`${maps}/${name}`)
      if (lane === 0 && step % 40 === 20) for (const query of selections) await begin(query, initial)
      if (lane === 1 && step % 60 === 30) {
        const { body } = await api.get(`${maps}?limit=3`)
        if (!body.metadata.continue) continue
        const rest = (await api.get(`${maps}?continue=${body.metadata.continue}`)).body
        expect(rest.metadata.resourceVersion).toBe(body.metadata.resourceVersion)
        const whole = (
          await api.get(`${maps}?resourceVersion=${body.metadata.resourceVersion}&resourceVersionMatch=Exact`)
        ).body
        expect([...body.items, ...rest.items]).toEqual(whole.items)
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, lane) => write(lane)))
  await api.post(maps, { metadata: { name: 'end', labels: { color: 'end' } } })

  for (const { query, replica } of begun) {
    const { items } = (await api.get(`${maps}?${query}`)).body
    await replica.settled(items)
    const listed = items.map((item: Json) => [item.metadata.name, item.metadata.resourceVersion, item.data]).sort()
    const kept = [...replica.objects.values()]
      .map(item => [item.metadata.name, item.metadata.resourceVersion, item.data])
      .sort()
    expect(replica.problems).toEqual([])
    expect(kept).toEqual(listed)
    replica.close()
  }
  const [first, ...others] = begun.filter(({ query }) => query === '').map(({ replica }) => replica)
  expect(first!.versions).toEqual([...first!.versions].sort((a, b) => a - b))
  for (const { versions, since } of others) expect(versions).toEqual(first!.versions.filter(version => version > since))
}, 60_000)
