/** From a packet to the packet that answers it: sorting, routing, the plugins, encoding, counting. */
import { type Configuration, type Route, routeOf } from '../configuration.ts'
import { type DnsMetrics, type ExchangeLabels, exchangeLabels } from '../metrics.ts'
import { type Effects, failure, isPending, type Peer, type Reply, type Request } from '../plugins/plugin.ts'
import { classes, flags, rcodes } from '../wire/constants.ts'
import { type Encoded, encode } from '../wire/message.ts'
import { type Query, receive } from '../wire/query.ts'
import type { Responder } from './listener.ts'
import { bytesFor, ReadyAnswers } from './ready-answers.ts'

/** What remains to be counted when a ready answer is given. */
interface About {
  readonly labels: ExchangeLabels | undefined
  readonly dnssecOk: boolean
  readonly size: number
  readonly reused: (() => void) | undefined
}

const largestUdp = 65_507

/** The configuration may be exchanged at any time. */
export class PortResponder implements Responder {
  readonly #port: number
  readonly #configuration: () => Configuration
  readonly #effects: Effects
  readonly #metrics: DnsMetrics
  readonly #ready = new ReadyAnswers<About>()

  constructor(port: number, configuration: () => Configuration, effects: Effects, metrics: DnsMetrics) {
    this.#port = port
    this.#configuration = configuration
    this.#effects = effects
    this.#metrics = metrics
  }

  /** Ready answers may be wrong from now on. */
  forget(): void {
    this.#ready.clear()
  }

  udp(packet: Buffer, peer: Peer, send: (answer: Buffer) => void): void {
    const arrived = this.#effects.monotonic()
    const known = this.#ready.find(packet, this.#effects.now())
    if (known) {
      const answer = bytesFor(known, packet, this.#effects.random)
      send(answer)
      known.about.reused?.()
      this.#count(known.about, answer.length, arrived)
      return
    }
    const answer = this.#respond(packet, peer, 'udp', arrived)
    if (answer instanceof Promise) void answer.then(bytes => bytes && send(bytes))
    else if (answer) send(answer)
  }

  async tcp(packet: Buffer, peer: Peer): Promise<Buffer | undefined> {
    return this.#respond(packet, peer, 'tcp', this.#effects.monotonic())
  }

  #respond(
    packet: Buffer,
    peer: Peer,
    transport: 'udp' | 'tcp',
    arrived: number,
  ): Buffer | undefined | Promise<Buffer | undefined> {
    const received = receive(packet)
    if (received.kind === 'ignored') return undefined
    if (received.kind === 'refused') return received.answer
    const { query } = received
    const { question } = query
    const request: Request = {
      ...query,
      name: question.name.toLowerCase(),
      asked: question.name,
      type: question.type,
      class: question.class,
      transport,
      peer,
      arrived,
    }
    if (question.class !== classes.IN && !this.#configuration().anyClass.has(this.#port))
      return this.#finish(packet, query, request, undefined, failure('', rcodes.REFUSED))
    if (query.edns && query.edns.version !== 0)
      return this.#finish(packet, query, request, undefined, failure('', rcodes.BADVERS))
    const route = routeOf(this.#configuration().routes, this.#port, request.name)
    if (!route) return this.#finish(packet, query, request, undefined, failure('', rcodes.REFUSED))
    try {
      const reply = route.handler(request)
      if (!isPending(reply)) return this.#finish(packet, query, request, route, reply)
      return reply.then(
        // What took a while may have been overtaken by a change: it is not kept as ready.
        found =>
          this.#finish(
            packet,
            query,
            request,
            route,
            found.reusableUntil === 0 ? found : { ...found, reusableUntil: 0 },
          ),
        error => this.#finish(packet, query, request, route, this.#broken(request, error)),
      )
    } catch (error) {
      return this.#finish(packet, query, request, route, this.#broken(request, error))
    }
  }

  #broken(request: Request, error: unknown): Reply {
    this.#metrics.count('coredns_panics_total', 'A metrics that counts the number of panics.', '')
    this.#effects.log.error(
      `cannot answer ${request.name} of type ${request.type}: ${(error as Error).stack ?? String(error)}`,
    )
    return failure('', rcodes.SERVFAIL)
  }

  #finish(packet: Buffer, query: Query, request: Request, route: Route | undefined, reply: Reply): Buffer {
    const encoded = this.#encoded(query, request, reply)
    const { bytes } = encoded
    reply.sent?.(bytes.length, bytes.readUInt16BE(2))
    const about: About = {
      labels: this.#labels(request, route, reply),
      dnssecOk: query.edns?.dnssecOk === true,
      size: query.size,
      reused: reply.reused,
    }
    this.#count(about, bytes.length, request.arrived)
    if (request.transport === 'udp') this.#ready.add(packet, reply, encoded, this.#effects.now(), about)
    return bytes
  }

  #encoded(query: Query, { transport }: Request, reply: Reply): Encoded {
    const word =
      flags.response |
      (reply.authoritative ? flags.authoritative : 0) |
      (reply.truncated ? flags.truncated : 0) |
      (query.recursionDesired ? flags.recursionDesired : 0) |
      (reply.recursionAvailable ? flags.recursionAvailable : 0) |
      (reply.authenticData ? flags.authenticData : 0) |
      (query.checkingDisabled ? flags.checkingDisabled : 0) |
      (reply.rcode & 15)
    const { edns } = query
    return encode(
      {
        id: query.id,
        flags: word,
        question: query.question,
        answers: reply.answers,
        authorities: reply.authorities,
        additionals: reply.additionals,
        edns: edns && {
          udpSize: edns.udpSize,
          version: 0,
          dnssecOk: edns.dnssecOk,
          options: reply.options ?? [],
          extendedRcode: reply.rcode >> 4,
        },
      },
      transport === 'tcp' ? 65_535 : Math.min(udpLimit(query), reply.maxUdp ?? largestUdp),
    )
  }

  /** Counted where the server block has the prometheus plugin, and where no block is concerned. */
  #labels(request: Request, route: Route | undefined, reply: Reply): ExchangeLabels | undefined {
    if (route && !route.plugins.includes('prometheus')) return undefined
    return exchangeLabels({
      server: route?.server ?? `dns://:${this.#port}`,
      zone: route?.zone ?? 'dropped',
      transport: request.transport,
      family: request.peer.address.includes(':') ? 2 : 1,
      type: request.type,
      rcode: reply.rcode,
      plugin: reply.plugin,
    })
  }

  #count({ labels, dnssecOk, size: asked }: About, size: number, arrived: number): void {
    if (!labels) return
    const metrics = this.#metrics
    metrics.requests.add(labels.request)
    metrics.responses.add(labels.response)
    if (dnssecOk) metrics.dnssecOk.add(labels.zone)
    metrics.duration.observe(labels.zone, (this.#effects.monotonic() - arrived) / 1000)
    metrics.requestSize.observe(labels.proto, asked)
    metrics.responseSize.observe(labels.proto, size)
  }
}

/** What a client takes over UDP. */
const udpLimit = (query: Query): number => Math.max(512, query.edns?.udpSize ?? 0)
