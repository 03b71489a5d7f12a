/**
 * The cache plugin: answers of others, kept for as long as they allow, negative ones by their SOA (RFC 2308). Answers that
 * are made from memory are passed through, so that a changed service is seen at once; their TTL is bounded all the same.
 */
import { labelText } from '../../../../bootstrap/metrics.ts'
import { types } from '../../wire/constants.ts'
import { within, zoneOf } from '../../wire/names.ts'
import type { ResourceRecord } from '../../wire/records.ts'
import { classify, type ReplyKind } from '../classify.ts'
import { type Block, type Handler, type Plugin, type Reply, type Request, withReply } from '../plugin.ts'
import { only } from '../settings.ts'
import { type CacheConfig, cacheConfig, type Share } from './config.ts'

export const cachePlugin: Plugin = {
  name: 'cache',
  setup(directives, block) {
    const config = cacheConfig(only(directives), block)
    const cache = new Cache(config, block)
    return next => request => cache.serve(request, next)
  },
}

interface Item {
  readonly reply: Reply
  readonly kind: 'success' | 'denial'
  /** Seconds. */
  readonly ttl: number
  readonly storedAt: number
  hits: number
  hitSince: number
}

class Cache {
  readonly #config: CacheConfig
  readonly #block: Block
  readonly #items = { success: new Map<string, Item>(), denial: new Map<string, Item>() }
  readonly #refreshing = new Set<string>()
  readonly #labels: string
  readonly #typedLabels: { readonly success: string; readonly denial: string }

  constructor(config: CacheConfig, block: Block) {
    this.#config = config
    this.#block = block
    const zones = config.zones.join(',')
    const labels = (type?: string) =>
      labelText({ server: block.server, ...(type === undefined ? {} : { type }), zones, view: '' })
    this.#labels = labels()
    this.#typedLabels = { success: labels('success'), denial: labels('denial') }
  }

  serve(request: Request, next: Handler): Reply | Promise<Reply> {
    const transfer = request.type === types.AXFR || request.type === types.IXFR
    if (transfer || zoneOf(request.name, this.#config.zones) === undefined) return next(request)
    this.#count('requests_total', 'The count of cache requests.', this.#labels)
    const now = this.#block.effects.now()
    const key = keyOf(request)
    const item = this.#find(key, now)
    if (!item) {
      this.#count(
        'misses_total',
        'The count of cache misses. Deprecated, derive misses from cache hits/requests counters.',
        this.#labels,
      )
      return withReply(next(request), answer => this.#keep(key, request, answer))
    }
    this.#hit(item.kind)
    const left = remaining(item, now)
    if (left > 0) {
      this.#maybePrefetch(key, item, request, next, now)
      return this.#fromItem(item, request, left, now)
    }
    return this.#stale(key, item, request, next, now)
  }

  #find(key: string, now: number): Item | undefined {
    for (const kind of ['denial', 'success'] as const) {
      const item = this.#items[kind].get(key)
      if (!item) continue
      const left = remaining(item, now)
      if (left > 0 || -left < (this.#config.stale?.seconds ?? 0)) return item
      this.#items[kind].delete(key)
    }
    return undefined
  }

  #fromItem(item: Item, request: Request, left: number, now: number): Reply {
    const { keepTtl } = this.#config
    const ttl = keepTtl ? item.ttl : Math.max(0, left)
    const expires = item.storedAt + item.ttl * 1000
    // The TTL shrinks when the next second of its life begins.
    const sameUntil = keepTtl ? expires : now + 1000 - ((now - item.storedAt) % 1000)
    const aged = withTtl(item.reply, ttl)
    return {
      ...aged,
      answers: inCaseOf(request, aged.answers),
      authoritative: true,
      authenticData: item.reply.authenticData && wantsAuthentic(request),
      reusableUntil: left > 0 ? sameUntil : 0,
      reused: () => {
        item.hits++
        this.#count('requests_total', 'The count of cache requests.', this.#labels)
        this.#hit(item.kind)
      },
    }
  }

  /** What has expired goes out with TTL 0, while (or, with `verify`, only if not) a new answer can be had. */
  #stale(key: string, item: Item, request: Request, next: Handler, now: number): Reply | Promise<Reply> {
    const served = (): Reply => {
      this.#count('served_stale_total', 'The number of requests served from stale cache entries.', this.#labels)
      return this.#fromItem(item, request, 0, now)
    }
    if (!this.#config.stale?.verify) {
      this.#refresh(key, request, next)
      return served()
    }
    return withReply(next(request), answer => {
      const kind = classify(answer)
      return kind === 'serverError' || kind === 'otherError' ? served() : this.#keep(key, request, answer)
    })
  }

  #maybePrefetch(key: string, item: Item, request: Request, next: Handler, now: number): void {
    const { amount, windowMs, percentage } = this.#config.prefetch
    if (amount === 0) return
    if (now - item.hitSince > windowMs) item.hits = 0
    item.hits++
    item.hitSince = now
    if (item.hits < amount || remaining(item, now) > Math.ceil((percentage / 100) * item.ttl)) return
    this.#refresh(key, request, next, item.hits)
  }

  #refresh(key: string, request: Request, next: Handler, hits = 0): void {
    if (this.#refreshing.has(key)) return
    this.#refreshing.add(key)
    this.#count('prefetch_total', 'The number of times the cache has prefetched a cached item.', this.#labels)
    const answer = Promise.resolve(next(request))
    void answer
      .then(found => this.#keep(key, request, found, hits))
      .catch(() => {})
      .finally(() => this.#refreshing.delete(key))
  }

  #keep(key: string, request: Request, answer: Reply, hits = 0): Reply {
    const kind = classify(answer)
    const share = shareOf(kind)
    const ttl = this.#ttlFor(answer, kind)
    const capped = answer.plugin === '' ? answer : withTtl(answer, ttl)
    const found = wantsAuthentic(request) ? capped : { ...capped, authenticData: false }
    if (answer.live) return { ...found, reused: () => this.#reusedLive(share ?? 'success') }
    if (share === undefined || answer.truncated || ttl <= 0 || answer.plugin === '') return found
    const { capacity, except } = this.#config[share]
    if (capacity === 0 || except.some(zone => within(request.name, zone))) return found
    this.#store(
      share,
      key,
      { reply: found, kind: share, ttl, storedAt: this.#block.effects.now(), hits, hitSince: 0 },
      capacity,
    )
    return found
  }

  #reusedLive(kind: 'success' | 'denial'): void {
    this.#count('requests_total', 'The count of cache requests.', this.#labels)
    this.#hit(kind)
  }

  #store(kind: 'success' | 'denial', key: string, item: Item, capacity: number): void {
    const items = this.#items[kind]
    this.#items[kind === 'success' ? 'denial' : 'success'].delete(key)
    items.delete(key)
    if (items.size >= capacity) {
      items.delete(items.keys().next().value!)
      this.#count('evictions_total', 'The count of cache evictions.', this.#typedLabels[kind])
    }
    items.set(key, item)
    for (const type of ['success', 'denial'] as const)
      this.#block.effects.metrics.gauge(
        'coredns_cache_entries',
        'The number of elements in the cache.',
        this.#typedLabels[type],
        this.#items[type].size,
      )
  }

  #ttlFor(answer: Reply, kind: ReplyKind): number {
    if (kind === 'serverError') return this.#config.failTtl
    const { minTtl, maxTtl }: Share = this.#config[kind === 'nameError' || kind === 'noData' ? 'denial' : 'success']
    return Math.min(maxTtl, Math.max(minTtl, ownTtl(answer, kind)))
  }

  #hit(kind: 'success' | 'denial'): void {
    this.#count('hits_total', 'The count of cache hits.', this.#typedLabels[kind])
  }

  #count(name: string, help: string, labels: string): void {
    this.#block.effects.metrics.count(`coredns_cache_${name}`, help, labels)
  }
}

const keyOf = (request: Request): string =>
  `${request.name} ${request.type} ${request.class} ${request.edns?.dnssecOk === true ? 1 : 0}${request.checkingDisabled ? 1 : 0}`

/** The name comes back in the case it was asked in, whoever asked first. */
const inCaseOf = ({ name, asked }: Request, records: readonly ResourceRecord[]): readonly ResourceRecord[] =>
  records.map(one => (one.name !== asked && one.name.toLowerCase() === name ? { ...one, name: asked } : one))

const wantsAuthentic = (request: Request): boolean => request.authenticData || request.edns?.dnssecOk === true

/** Seconds left, negative once it has expired. */
const remaining = (item: Item, now: number): number => item.ttl - Math.floor((now - item.storedAt) / 1000)

function shareOf(kind: ReplyKind): 'success' | 'denial' | undefined {
  switch (kind) {
    case 'noError':
    case 'delegation':
      return 'success'
    case 'nameError':
    case 'noData':
    case 'serverError':
      return 'denial'
    case 'otherError':
      return undefined
  }
}

/** The least TTL of an answer's records; of a denial the SOA's, which also says how long "no" is true. */
function ownTtl({ answers, authorities, additionals }: Reply, kind: ReplyKind): number {
  if (kind === 'nameError' || kind === 'noData') {
    const soa = authorities.find(({ type }) => type === types.SOA)
    const numbers = soa?.data[2]
    if (soa && Buffer.isBuffer(numbers) && numbers.length === 20) return Math.min(soa.ttl, numbers.readUInt32BE(16))
  }
  const all = [...answers, ...authorities, ...additionals]
  return all.length === 0 ? 5 : Math.min(3600, ...all.map(({ ttl }) => ttl))
}

function withTtl(answer: Reply, ttl: number): Reply {
  const aged = (records: readonly ResourceRecord[]) => records.map(one => (one.ttl === ttl ? one : { ...one, ttl }))
  return {
    ...answer,
    answers: aged(answer.answers),
    authorities: aged(answer.authorities),
    additionals: aged(answer.additionals),
  }
}
