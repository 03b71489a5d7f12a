/** The kubernetes plugin: the names of the cluster. */
import type { Informers } from '../../../../bootstrap/client/informer.ts'
import { rcodes, types } from '../../wire/constants.ts'
import { within, zoneOf } from '../../wire/names.ts'
import { characterStrings, record, soaRecord } from '../../wire/records.ts'
import { type Block, type Handler, type Plugin, type Reply, type Request, reply, untilChange } from '../plugin.ts'
import { only } from '../settings.ts'
import {
  addressAnswers,
  aliasAnswers,
  nameServerAnswers,
  pointerAnswers,
  type Sections,
  serviceAnswers,
} from './answers.ts'
import { type KubernetesConfig, kubernetesConfig } from './config.ts'
import { type Found, nameServers, reversedAddress, targetsOf } from './lookup.ts'
import { InformerView } from './view.ts'

/** TXT of dns-version: the specification's. */
const schemaVersion = '1.1.0'
const versionTtl = 28_800

/** `informers` are shared by all server blocks. */
export function kubernetesPlugin(informers: Informers): Plugin {
  return {
    name: 'kubernetes',
    setup(directives, block) {
      const config = kubernetesConfig(only(directives), block)
      let server: Cluster | undefined
      block.onStart(async signal => {
        const view = new InformerView(informers, config)
        server = new Cluster(config, view, block)
        const stop = view.onChange(() => {
          server!.modified()
          block.effects.changed()
        })
        signal.addEventListener('abort', stop, { once: true })
        await syncedWithin(view, config.startupTimeoutMs, block, signal)
      })
      block.readiness('kubernetes', () => server?.synced === true)
      return next => request => server!.serve(request, next)
    },
  }
}

/** CoreDNS serves without the API after a while: what it forwards still works then. */
async function syncedWithin(view: InformerView, ms: number, { effects }: Block, signal: AbortSignal): Promise<void> {
  if (view.synced) return
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>(resolve => {
    timer = setTimeout(resolve, ms, 'late')
    signal.addEventListener('abort', () => resolve('late'), { once: true })
  })
  const first = await Promise.race([view.whenSynced(), late])
  clearTimeout(timer)
  if (first === 'late') effects.log.warning('plugin/kubernetes: starting server with unsynced Kubernetes API')
}

class Cluster {
  readonly #config: KubernetesConfig
  readonly #view: InformerView
  readonly #block: Block
  /** When something last changed, in seconds: the zone's serial. */
  #serial: number

  constructor(config: KubernetesConfig, view: InformerView, block: Block) {
    this.#config = config
    this.#view = view
    this.#block = block
    this.#serial = Math.floor(block.effects.now() / 1000)
  }

  get synced(): boolean {
    return this.#view.synced
  }

  modified(): void {
    this.#serial = Math.floor(this.#block.effects.now() / 1000)
  }

  serve(request: Request, next: Handler): Reply | Promise<Reply> {
    const zone = zoneOf(request.name, this.#config.zones)
    if (zone === undefined) return next(request)
    if (request.type === types.AXFR || request.type === types.IXFR)
      return reply('kubernetes', { rcode: rcodes.REFUSED })
    const found = this.#answers(request, zone)
    return found instanceof Promise
      ? found.then(sections => this.#replied(request, zone, sections, next))
      : this.#replied(request, zone, found, next)
  }

  #replied(request: Request, zone: string, found: Sections | 'unknown', next: Handler): Reply | Promise<Reply> {
    const { fallthrough, ttl } = this.#config
    if (found === 'unknown' && fallthrough.some(passed => within(request.name, passed))) return next(request)
    if (found !== 'unknown' && found.answers.length > 0)
      return reply('kubernetes', {
        authoritative: true,
        answers: found.answers,
        additionals: found.additionals,
        ...(found.foreign ? {} : { live: true, reusableUntil: untilChange }),
      })
    const missing = this.#view.synced ? rcodes.NXDOMAIN : rcodes.SERVFAIL
    return reply('kubernetes', {
      rcode: found === 'unknown' ? missing : rcodes.NOERROR,
      authoritative: true,
      authorities: [soaRecord(inOwnCase(request.asked, zone), Math.min(ttl, 300), this.#serial, ttl)],
      live: true,
      reusableUntil: this.#view.synced ? untilChange : 0,
    })
  }

  #answers(request: Request, zone: string): Sections | 'unknown' | Promise<Sections> {
    const { ttl } = this.#config
    const ownZone = inOwnCase(request.asked, zone)
    const isServer = request.name === `ns.dns.${zone}`
    const servers = () => nameServers(zone, this.#view, this.#block.effects.addresses)
    if (isServer && request.type !== types.A && request.type !== types.AAAA) return none
    switch (request.type) {
      case types.A:
      case types.AAAA:
        return addressAnswers(request, isServer ? servers() : this.#targets(request.name, zone), {
          zone,
          ttl,
          targets: name => this.#targets(name, zone),
          lookup: (name, type) => this.#block.lookup(request, name, type),
        })
      case types.TXT:
        if (request.name === `dns-version.${zone}`)
          return {
            answers: [record(request.asked, types.TXT, versionTtl, characterStrings([schemaVersion]))],
            additionals: [],
          }
        return this.#existence(request.name, zone)
      case types.CNAME: {
        const found = this.#targets(request.name, zone)
        return found === 'unknown' ? found : aliasAnswers(request, found, ttl)
      }
      case types.SRV: {
        const found = this.#targets(request.name, zone)
        return found === 'unknown' ? found : serviceAnswers(request, found, ttl)
      }
      case types.PTR:
        return this.#pointers(request, zone)
      case types.NS:
        return request.name === zone ? nameServerAnswers(request, servers(), ttl) : this.#existence(request.name, zone)
      case types.SOA:
        // Like CoreDNS, which does not look whether a name below the zone exists when only its SOA is asked for.
        if (request.name !== zone) return none
        return { answers: [soaRecord(ownZone, Math.min(ttl, 300), this.#serial, ttl)], additionals: [] }
      default:
        return this.#existence(request.name, zone)
    }
  }

  #pointers(request: Request, zone: string): Sections | 'unknown' {
    const ip = reversedAddress(request.name)
    if (ip === undefined) return this.#existence(request.name, zone)
    const names = this.#view.namesOf(ip)
    if (names.length === 0) return 'unknown'
    return pointerAnswers(
      request,
      names.map(name => `${name}.${this.#config.primary}`),
      this.#config.ttl,
    )
  }

  #existence(name: string, zone: string): Sections | 'unknown' {
    return this.#targets(name, zone) === 'unknown' ? 'unknown' : none
  }

  #targets(name: string, zone: string): Found {
    return targetsOf(name, zone, this.#view, this.#config)
  }
}

const none: Sections = { answers: [], additionals: [] }

/** The zone as it was spelt in the question. */
const inOwnCase = (asked: string, zone: string): string => (zone === '.' ? zone : asked.slice(-zone.length))
