/** The forward plugin: questions about other people's names go to other name servers, from the dead ones to the living. */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { mistake } from '../../corefile.ts'
import { flags, rcodes } from '../../wire/constants.ts'
import type { Message } from '../../wire/message.ts'
import { within } from '../../wire/names.ts'
import {
  type Block,
  type Effects,
  failure,
  type Handler,
  type Plugin,
  type Reply,
  type Request,
  reply,
} from '../plugin.ts'
import { type ForwardConfig, forwardConfig, resolvConfServers, type UpstreamAddress } from './config.ts'
import { Upstream } from './upstream.ts'

const deadlineMs = 5000

export const forwardPlugin: Plugin = {
  name: 'forward',
  setup(directives, block) {
    const forwarders = directives.map(directive => new Forwarder(forwardConfig(directive), block))
    return next =>
      forwarders.reduceRight<Handler>((after, forwarder, index) => {
        const isLast = index === forwarders.length - 1
        return request => forwarder.serve(request, after, isLast)
      }, next)
  },
}

class Forwarder {
  readonly #config: ForwardConfig
  readonly #effects: Effects
  readonly #upstreams: readonly Upstream[]
  #concurrent = 0
  #turn = 0

  constructor(config: ForwardConfig, block: Block) {
    this.#config = config
    this.#effects = block.effects
    const tls = tlsOptions(config, block.effects)
    const addresses = addressesOf(config, block.effects)
    this.#upstreams = addresses.map(address => new Upstream(address, config, tls, block.effects))
    block.onStart(signal => {
      signal.addEventListener('abort', () => this.#upstreams.map(upstream => upstream.close()), { once: true })
      if (this.#upstreams.length === 0)
        block.effects.log.warning(
          `plugin/forward: no name servers found for ${config.from}: what is asked there is answered with SERVFAIL`,
        )
    })
  }

  serve(request: Request, next: Handler, isLast: boolean): Reply | Promise<Reply> {
    const { from, except, maxConcurrent } = this.#config
    const excepted = request.name !== from && except.some(zone => within(request.name, zone))
    if (!within(request.name, from) || excepted) return next(request)
    if (maxConcurrent > 0 && this.#concurrent >= maxConcurrent) {
      this.#effects.metrics.count(
        'coredns_forward_max_concurrent_rejects_total',
        'Counter of the number of queries rejected because the concurrent queries were at maximum.',
        '',
      )
      return failure('forward', rcodes.REFUSED, `concurrent queries exceeded maximum ${maxConcurrent}`)
    }
    this.#concurrent++
    return this.#ask(request)
      .then(answer => (!isLast && this.#config.next.includes(answer.rcode) ? next(request) : answer))
      .finally(() => {
        this.#concurrent--
      })
  }

  async #ask(request: Request): Promise<Reply> {
    const { forceTcp, preferUdp, failFast } = this.#config
    const deadline = this.#effects.monotonic() + deadlineMs
    const list = this.#ordered()
    let problem = 'no healthy proxies'
    let tries = 0
    let dead = 0
    for (let at = 0; list.length > 0 && this.#effects.monotonic() < deadline; at++) {
      if (at % list.length === 0) dead = 0
      let upstream = list[at % list.length]!
      if (upstream.down) {
        if (++dead < list.length) continue
        this.#effects.metrics.count(
          'coredns_forward_healthcheck_broken_total',
          'Counter of the number of complete failures of the healthchecks.',
          '',
        )
        if (failFast) break
        // Every server seems dead: rather try one than none.
        upstream = list[Math.floor(this.#effects.random() * list.length)]!
      }
      try {
        const overTcp = forceTcp || (request.transport === 'tcp' && !preferUdp)
        let answer = await upstream.ask(request, overTcp)
        if (preferUdp && !overTcp && (answer.flags & flags.truncated) !== 0) answer = await upstream.ask(request, true)
        return replyOf(answer)
      } catch (error) {
        problem = `${upstream.name}: ${(error as Error).message}`
        upstream.probe()
        // Twice round is enough: those that refuse do so at once, and asking them on would only burn time.
        if (++tries >= 2 * list.length) break
      }
    }
    return failure('forward', rcodes.SERVFAIL, problem)
  }

  #ordered(): readonly Upstream[] {
    const list = this.#upstreams
    if (list.length < 2 || this.#config.policy === 'sequential') return list
    const first =
      this.#config.policy === 'round_robin'
        ? this.#turn++ % list.length
        : Math.floor(this.#effects.random() * list.length)
    return [...list.slice(first), ...list.slice(0, first)]
  }
}

function replyOf({ flags: word, answers, authorities, additionals, edns }: Message): Reply {
  return reply('forward', {
    rcode: word & 15,
    authoritative: (word & flags.authoritative) !== 0,
    recursionAvailable: (word & flags.recursionAvailable) !== 0,
    authenticData: (word & flags.authenticData) !== 0,
    truncated: (word & flags.truncated) !== 0,
    answers,
    authorities,
    additionals,
    ...(edns && edns.options.length > 0 ? { options: edns.options } : {}),
  })
}

function addressesOf({ to, directive }: ForwardConfig, { hostPath }: Effects): UpstreamAddress[] {
  return to.flatMap(one => {
    if (one.kind === 'server') return [one.address]
    try {
      return resolvConfServers(readFileSync(hostPath(one.path), 'utf8'))
    } catch (error) {
      // A machine without resolver settings still has a cluster to serve.
      if (one.path === '/etc/resolv.conf') return []
      throw mistake(
        directive,
        `plugin/forward: not an IP address or file: "${one.path}" (${(error as NodeJS.ErrnoException).code})`,
      )
    }
  })
}

function tlsOptions({ tlsFiles, tlsServerName, directive }: ForwardConfig, { hostPath }: Effects): ConnectionOptions {
  const read = (path: string): Buffer => {
    try {
      return readFileSync(hostPath(path))
    } catch (error) {
      throw mistake(directive, `plugin/forward: cannot read ${path} (${(error as NodeJS.ErrnoException).code})`)
    }
  }
  return {
    ...(tlsFiles.ca === undefined ? {} : { ca: read(tlsFiles.ca) }),
    ...(tlsFiles.cert === undefined ? {} : { cert: read(tlsFiles.cert), key: read(tlsFiles.key!) }),
    ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
  }
}
