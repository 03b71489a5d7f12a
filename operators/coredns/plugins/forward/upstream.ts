/** One name server: connections that are used again, how often it failed lately, and asking it until it is back. */

import type { ConnectionOptions } from 'node:tls'
import { labelText } from '../../../../bootstrap/metrics.ts'
import { flags, rcodeName, types } from '../../wire/constants.ts'
import { decode, encode, type Message } from '../../wire/message.ts'
import { normal } from '../../wire/names.ts'
import type { Effects, Request } from '../plugin.ts'
import type { ForwardConfig, UpstreamAddress } from './config.ts'
import { ClosedError, type Connection, openTcp, openUdp, type Proto } from './connection.ts'

const readMs = 2000
interface Idle {
  readonly connection: Connection
  readonly since: number
}

/** A server that is down and that nobody asks is probed at 32 times the interval at last: every 16 s by default. */
const slowestProbe = 5

export class Upstream {
  readonly name: string
  readonly #address: UpstreamAddress
  readonly #config: ForwardConfig
  readonly #effects: Effects
  readonly #tls: ConnectionOptions
  readonly #idle: { readonly [proto in Proto]: Idle[] } = { udp: [], tcp: [], 'tcp-tls': [] }
  readonly #labels: string
  #fails = 0
  #probing = false
  /** Probes that failed since somebody last asked: while nobody does, they come ever more seldom. */
  #unasked = 0
  #nextProbe: NodeJS.Timeout | undefined
  #sweeper: NodeJS.Timeout | undefined
  #closed = false

  constructor(address: UpstreamAddress, config: ForwardConfig, tls: ConnectionOptions, effects: Effects) {
    this.#address = address
    this.#config = config
    this.#tls = tls
    this.#effects = effects
    this.name = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    this.#labels = labelText({ proxy_name: 'forward', to: this.name })
  }

  get down(): boolean {
    return this.#config.maxFails > 0 && this.#fails > this.#config.maxFails
  }

  /** Its answer. Rejects when there is none. */
  async ask(request: Request, overTcp: boolean): Promise<Message> {
    this.#asked()
    const started = this.#effects.monotonic()
    const proto: Proto = this.#address.tls ? 'tcp-tls' : overTcp ? 'tcp' : 'udp'
    const answer = await this.#exchange(question(request, this.#effects.random), proto)
    this.#effects.metrics.observe(
      'coredns_proxy_request_duration_seconds',
      'Histogram of the time each request took.',
      labelText({ proxy_name: 'forward', to: this.name, rcode: rcodeName(answer.flags & 15) }),
      (this.#effects.monotonic() - started) / 1000,
    )
    return answer
  }

  /** Asks every now and then until it answers again. */
  probe(): void {
    if (this.#probing || this.#closed || this.#config.maxFails === 0) return
    this.#probing = true
    void this.#probeOnce()
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#sweeper)
    clearTimeout(this.#nextProbe)
    for (const list of Object.values(this.#idle)) for (const { connection } of list.splice(0)) connection.close()
  }

  async #probeOnce(): Promise<void> {
    const { healthDomain, healthRecursion, healthCheckMs, forceTcp } = this.#config
    const probe = { name: healthDomain, type: types.NS, class: 1 }
    const proto: Proto = this.#address.tls ? 'tcp-tls' : forceTcp ? 'tcp' : 'udp'
    try {
      await this.#exchange(
        {
          question: probe,
          flags: healthRecursion ? flags.recursionDesired : 0,
          id: anyId(this.#effects.random),
          edns: undefined,
        },
        proto,
      )
      this.#fails = 0
      this.#probing = false
    } catch {
      this.#fails++
      this.#effects.metrics.count(
        'coredns_proxy_healthcheck_failures_total',
        'Counter of the number of failed healthchecks.',
        this.#labels,
      )
      if (this.#closed) return
      this.#probeIn(healthCheckMs * 2 ** Math.min(this.#unasked++, slowestProbe))
    }
  }

  #probeIn(ms: number): void {
    this.#nextProbe = setTimeout(() => {
      this.#nextProbe = undefined
      void this.#probeOnce()
    }, ms).unref()
  }

  /** Somebody wants to know again: a probe that was put off comes as soon as the Corefile says. */
  #asked(): void {
    if (this.#nextProbe && this.#unasked > 1) {
      clearTimeout(this.#nextProbe)
      this.#probeIn(this.#config.healthCheckMs)
    }
    this.#unasked = 0
  }

  async #exchange(asked: Asked, proto: Proto): Promise<Message> {
    const message = encode({ ...asked, answers: [], authorities: [], additionals: [] }, 65_535).bytes
    for (;;) {
      const { connection, reused } = this.#take(proto)
      let found: Message | undefined
      const mine = (answer: Buffer): boolean => {
        found = matching(answer, asked)
        return found !== undefined
      }
      try {
        await connection.exchange(message, mine, readMs)
        this.#giveBack(proto, connection)
        return found!
      } catch (error) {
        connection.close()
        if (!reused || !(error instanceof ClosedError)) throw error
      }
    }
  }

  #take(proto: Proto): { connection: Connection; reused: boolean } {
    const labels = `${this.#labels},${labelText({ proto })}`
    const now = this.#effects.now()
    for (;;) {
      const last = this.#idle[proto].pop()
      if (!last) break
      if (!last.connection.broken && now - last.since < this.#config.expireMs) {
        this.#effects.metrics.count(
          'coredns_proxy_conn_cache_hits_total',
          'Counter of connection cache hits per upstream and protocol.',
          labels,
        )
        return { connection: last.connection, reused: true }
      }
      last.connection.close()
    }
    this.#effects.metrics.count(
      'coredns_proxy_conn_cache_misses_total',
      'Counter of connection cache misses per upstream and protocol.',
      labels,
    )
    return { connection: proto === 'udp' ? openUdp(this.#address) : openTcp(this.#address, this.#tls), reused: false }
  }

  #giveBack(proto: Proto, connection: Connection): void {
    if (this.#closed || connection.broken || this.#config.expireMs === 0) {
      connection.close()
      return
    }
    this.#idle[proto].push({ connection, since: this.#effects.now() })
    this.#sweeper ??= setInterval(() => this.#sweep(), this.#config.expireMs).unref()
  }

  /** Closes what has not been used for a while; with nothing left it stops looking. */
  #sweep(): void {
    const now = this.#effects.now()
    let left = 0
    for (const list of Object.values(this.#idle)) {
      const fresh = list.findIndex(({ since }) => now - since < this.#config.expireMs)
      for (const { connection } of list.splice(0, fresh < 0 ? list.length : fresh)) connection.close()
      left += list.length
    }
    if (left > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }
}

interface Asked {
  readonly id: number
  readonly flags: number
  readonly question: Message['questions'][number]
  readonly edns: (NonNullable<Message['edns']> & { readonly extendedRcode: number }) | undefined
}

const anyId = (random: () => number): number => Math.floor(random() * 65_536)

/** The client's question under an id of our own. */
function question(request: Request, random: () => number): Asked {
  return {
    id: anyId(random),
    flags:
      (request.recursionDesired ? flags.recursionDesired : 0) |
      (request.checkingDisabled ? flags.checkingDisabled : 0) |
      (request.authenticData ? flags.authenticData : 0),
    question: { name: request.asked, type: request.type, class: request.class },
    edns: request.edns && { ...request.edns, extendedRcode: 0 },
  }
}

/** Only an answer to this very question counts; anything else may be forged. */
function matching(answer: Buffer, { id, question: asked }: Asked): Message | undefined {
  if (answer.length < 12 || answer.readUInt16BE(0) !== id || (answer.readUInt16BE(2) & flags.response) === 0)
    return undefined
  try {
    const message = decode(answer)
    const [given] = message.questions
    if (
      given &&
      (given.type !== asked.type || given.class !== asked.class || normal(given.name) !== normal(asked.name))
    )
      return undefined
    return message
  } catch {
    return undefined
  }
}
