/** For tests: a store over a SQLite file of its own, with the helpers every suite needs. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeObject } from '../../api/object.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { openSqlite } from '../../datastore/sqlite/sqlite.ts'
import { ManualClock } from './manual-clock.ts'
import { openStore } from './open-store.ts'
import type { ResourceStore, Store, Stored, StoreEvent } from './store.ts'

export class StoreFixture {
  readonly clock = new ManualClock()
  readonly stop = new AbortController()
  readonly #dir: string
  #open!: { datastore: Datastore; store: Store; maps: ResourceStore }

  private constructor(dir: string) {
    this.#dir = dir
  }

  static async create(): Promise<StoreFixture> {
    const fixture = new StoreFixture(await mkdtemp(join(tmpdir(), 'skiff-store-')))
    await fixture.open()
    return fixture
  }

  get datastore(): Datastore {
    return this.#open.datastore
  }

  get store(): Store {
    return this.#open.store
  }

  /** The store of ConfigMaps. */
  get maps(): ResourceStore {
    return this.#open.maps
  }

  async open(): Promise<void> {
    const { clock } = this
    const datastore = await openSqlite({ file: join(this.#dir, 'state.db'), clock })
    const store = await openStore({ datastore, clock })
    this.#open = { datastore, store, maps: await store.resource('', 'configmaps', true) }
  }

  async close(): Promise<void> {
    await this.store.close()
    await this.datastore.close()
  }

  async reopen(): Promise<void> {
    await this.close()
    await this.open()
  }

  async destroy(): Promise<void> {
    this.stop.abort()
    await this.close()
    await rm(this.#dir, { recursive: true, force: true })
  }

  /** Creates the ConfigMap "namespace/name". */
  create(place: string, value = ''): Promise<Stored> {
    return this.maps.create(configMap(place, value))
  }

  change(stored: Stored, value: string): Promise<Stored> {
    return this.maps.update(configMap(`${stored.namespace}/${stored.name}`, value), stored.revision)
  }

  remove(stored: Stored): Promise<Stored> {
    return this.maps.delete(stored.namespace, stored.name, stored.revision)
  }
}

/** The ConfigMap "namespace/name". */
export function configMap(place: string, value = '', labels?: { [key: string]: string }): KubeObject {
  const [namespace, name] = place.split('/')
  const metadata = { name, namespace, ...(labels ? { labels } : {}) }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { value } }
}

export const places = (items: Iterable<Stored>) => Array.from(items, item => `${item.namespace}/${item.name}`)

/** The next `count` events as lines like "ADDED ns/a=value@1", or fewer when the watch ends. */
export async function take(watching: AsyncIterator<readonly StoreEvent[]>, count: number): Promise<string[]> {
  const taken: string[] = []
  while (taken.length < count) {
    const { done, value } = await watching.next()
    if (done) break
    taken.push(...value.map(lineOf))
  }
  return taken
}

export function lineOf(event: StoreEvent): string {
  if (event.type === 'BOOKMARK') return `BOOKMARK@${event.revision}`
  const { namespace, name, object, revision } = event.stored
  return `${event.type} ${namespace}/${name}=${(object.data as { value: string }).value}@${revision}`
}
