/** One server block at work: a query goes through its plugins in CoreDNS' order until one answers. */
import { randomInt } from 'node:crypto'
import * as codec from 'dns-packet'
import { AnswerCache } from './cache.ts'
import type { ZoneServer } from './config.ts'
import { forward, type Upstream, upstreamsOf } from './forward.ts'
import { HostsFile } from './hosts.ts'
import {
  emptyReply,
  encodeReply,
  encodeTruncated,
  type Query,
  type Reply,
  rcodes,
  udpLimit,
  zoneReply,
} from './message.ts'
import { type ClusterView, type Lookup, lookup, reversedAddress, reverseLookup } from './records.ts'

/** Aliases of aliases that are followed. */
const aliasDepth = 8

export interface ResolverDeps {
  readonly view: ClusterView
  readonly hostPath: (path: string) => string
  readonly now: () => number
  readonly random: () => number
  readonly log: (line: string) => void
  readonly signal: AbortSignal
  /** Changes whenever the cluster's records do; becomes the zone's serial. */
  readonly serial: () => number
}

export class Resolver {
  readonly #config: ZoneServer
  readonly #deps: ResolverDeps
  readonly #hosts: HostsFile | undefined
  readonly #cache: AnswerCache | undefined
  readonly #upstreams: readonly Upstream[]

  constructor(config: ZoneServer, deps: ResolverDeps) {
    this.#config = config
    this.#deps = deps
    this.#hosts = config.hosts && new HostsFile(config.hosts, deps.hostPath(config.hosts.file))
    this.#hosts?.refresh()
    this.#cache = config.cacheSeconds === undefined ? undefined : new AnswerCache(config.cacheSeconds, deps.now)
    this.#upstreams = config.forward ? upstreamsOf(config.forward, deps.hostPath) : []
  }

  refreshHosts(): void {
    this.#hosts?.refresh()
  }

  /** The bytes to send back. Never rejects: what goes wrong is SERVFAIL. */
  async answer(query: Query, overTcp: boolean): Promise<Buffer> {
    const started = this.#deps.now()
    const limit = overTcp ? 65_535 : udpLimit(query)
    const own = this.#own(query)
    const bytes = own
      ? encodeReply(query, await this.#withTarget(query, own, aliasDepth), limit)
      : await this.#forwarded(query, overTcp, limit)
    if (this.#config.log)
      this.#deps.log(
        `${query.question.type} ${query.question.name}. ${bytes[3]! & 15} ${bytes.length} ${this.#deps.now() - started}ms`,
      )
    return bytes
  }

  /** Answers from the cluster and the hosts file; undefined when the question is to be passed on. */
  #own(query: Query): Reply | undefined {
    const name = `${query.question.name.toLowerCase().replace(/\.$/, '')}.`
    const { type } = query.question
    const reversed = reversedAddress(name)
    const { kubernetes, hosts, loadbalance } = this.#config
    if (kubernetes) {
      const zone = kubernetes.zones.find(
        candidate => candidate === '.' || name === candidate || name.endsWith(`.${candidate}`),
      )
      const main =
        kubernetes.zones.find(candidate => !candidate.endsWith('.arpa.') && !candidate.endsWith('.arpa')) ??
        'cluster.local.'
      if (zone !== undefined) {
        const result =
          reversed === undefined
            ? lookup(name, type, this.#deps.view, { zone, pods: kubernetes.pods })
            : reverseLookup(name, type, this.#deps.view, main)
        const goesOn =
          result.kind === 'unknown' &&
          kubernetes.fallthrough.some(candidate => candidate === '.' || name.endsWith(candidate))
        if (!goesOn)
          return zoneReply(
            loadbalance ? this.#shuffled(result) : result,
            query,
            zone,
            kubernetes.ttl,
            this.#deps.serial(),
          )
      }
    }
    const fromFile = this.#hosts?.lookup(name, type, reversed)
    if (fromFile) return { ...zoneReply(fromFile, query, name, hosts!.ttl, this.#deps.serial()), authorities: [] }
    return undefined
  }

  /** An alias of the cluster is answered with its target's addresses, ours or anybody's: stub resolvers follow none. */
  async #withTarget(query: Query, reply: Reply, depth: number): Promise<Reply> {
    const alias = reply.answers.at(-1)
    const { type } = query.question
    if (alias?.type !== 'CNAME' || type === 'CNAME' || depth === 0) return reply
    const target: Query = { ...query, question: { name: alias.data, type }, raw: rawQuery(alias.data, type) }
    return { ...reply, answers: [...reply.answers, ...(await this.#answersOf(target, depth - 1))] }
  }

  async #answersOf(query: Query, depth: number): Promise<readonly codec.Answer[]> {
    const own = this.#own(query)
    if (own) return (await this.#withTarget(query, own, depth)).answers
    return codec.decode(await this.#forwarded(query, false, 65_535)).answers ?? []
  }

  async #forwarded(query: Query, overTcp: boolean, limit: number): Promise<Buffer> {
    const { name, type } = query.question
    const key = `${name.toLowerCase()} ${type} ${query.dnssecOk}`
    const known = this.#cache?.get(key, query.id)
    if (known && known.length <= limit) return known
    if (!this.#config.forward) return encodeReply(query, emptyReply(rcodes.refused), limit)
    const answer = await forward(query.raw, this.#order(), overTcp, this.#deps.signal)
    if (!answer) return encodeReply(query, emptyReply(rcodes.serverFailure), limit)
    this.#cache?.set(key, answer)
    return answer.length <= limit ? answer : encodeTruncated(query)
  }

  #order(): readonly Upstream[] {
    if (this.#config.forward?.policy !== 'random' || this.#upstreams.length < 2) return this.#upstreams
    const first = Math.floor(this.#deps.random() * this.#upstreams.length)
    return [...this.#upstreams.slice(first), ...this.#upstreams.slice(0, first)]
  }

  /** Address records in random order, so that clients that take the first spread over all. */
  #shuffled(result: Lookup): Lookup {
    if (result.kind !== 'found' || result.answers.length < 2) return result
    const answers = [...result.answers]
    for (let at = answers.length - 1; at > 0; at--) {
      const other = Math.floor(this.#deps.random() * (at + 1))
      ;[answers[at], answers[other]] = [answers[other]!, answers[at]!]
    }
    return { ...result, answers }
  }
}

function rawQuery(name: string, type: string): Buffer {
  const questions = [{ name, type: type as codec.RecordType }]
  return codec.encode({ id: randomInt(65_536), type: 'query', flags: codec.RECURSION_DESIRED, questions })
}
