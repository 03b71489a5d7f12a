/** The hosts plugin: names from a file in /etc/hosts form and from the Corefile itself, the file read again when it changes. */
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { labelText } from '../../../bootstrap/metrics.ts'
import { type Directive, mistake } from '../corefile.ts'
import { rcodes, types } from '../wire/constants.ts'
import { fqdn, normal, within, zoneOf } from '../wire/names.ts'
import { addressRecord, normalAddress, record } from '../wire/records.ts'
import { reversedAddress } from './kubernetes/lookup.ts'
import {
  type Block,
  failure,
  type Handler,
  type Plugin,
  type Reply,
  type Request,
  reply,
  untilChange,
} from './plugin.ts'
import {
  duration,
  type Fallthrough,
  fallthroughOf,
  integer,
  noArgs,
  only,
  unknownProperty,
  zonesOr,
} from './settings.ts'

interface HostsConfig {
  readonly file: string
  readonly zones: readonly string[]
  readonly ttl: number
  readonly reloadMs: number
  readonly reverse: boolean
  readonly fallthrough: Fallthrough
  readonly inline: readonly Entry[]
}

interface Entry {
  readonly ip: string
  readonly name: string
}

export const hostsPlugin: Plugin = {
  name: 'hosts',
  setup(directives, block) {
    const config = hostsConfig(only(directives), block)
    const hosts = new Hosts(config, block)
    block.onStart(signal => hosts.follow(signal))
    return next => request => hosts.serve(request, next)
  },
}

function hostsConfig(directive: Directive, block: Block): HostsConfig {
  const [file = '/etc/hosts', ...zones] = directive.args
  const inline: Entry[] = []
  const config = { ttl: 3600, reloadMs: 5000, reverse: true, fallthrough: [] as Fallthrough }
  for (const property of directive.block) {
    if (isIP(property.name) !== 0) inline.push(...entries(property.name, property.args))
    else if (property.name === 'ttl') config.ttl = integer(property, property.args[0], 1, 65_535)
    else if (property.name === 'reload') config.reloadMs = duration(property, property.args[0])
    else if (property.name === 'fallthrough') config.fallthrough = fallthroughOf(property)
    else if (property.name === 'no_reverse') {
      noArgs(property)
      config.reverse = false
    } else if (/^[\d.:]+$/.test(property.name))
      throw mistake(property, `plugin/hosts: "${property.name}" is no address`)
    else throw unknownProperty('hosts', property)
  }
  return { ...config, file, inline, zones: zonesOr(directive, zones, block.zones) }
}

class Hosts {
  readonly #config: HostsConfig
  readonly #block: Block
  readonly #path: string
  #seen = ''
  #names = new Map<string, readonly string[]>()
  #addresses = new Map<string, readonly string[]>()

  constructor(config: HostsConfig, block: Block) {
    this.#config = config
    this.#block = block
    this.#path = block.effects.hostPath(config.file)
  }

  /** Reads the file now and whenever it has become another one. */
  follow(signal: AbortSignal): void {
    this.#refresh()
    if (this.#config.reloadMs === 0) return
    const timer = setInterval(() => this.#refresh(), this.#config.reloadMs)
    timer.unref()
    signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  }

  #refresh(): void {
    const text = this.#read()
    if (text === undefined) return
    const all = [...parseHosts(text), ...this.#config.inline].filter(({ name }) =>
      zoneOf(normal(name), this.#config.zones),
    )
    this.#names = grouped(
      all,
      ({ name }) => normal(name),
      ({ ip }) => ip,
    )
    this.#addresses = this.#config.reverse
      ? grouped(
          all,
          ({ ip }) => ip,
          ({ name }) => fqdn(name),
        )
      : new Map()
    const { metrics, now, changed } = this.#block.effects
    metrics.gauge('coredns_hosts_entries', 'The combined number of entries in hosts and Corefile.', '', all.length)
    const labels = labelText({})
    metrics.gauge(
      'coredns_hosts_reload_timestamp_seconds',
      'The timestamp of the last reload of hosts file.',
      labels,
      now() / 1000,
    )
    changed()
  }

  /** The file's text; undefined when it is the one already read. A missing file has no names. */
  #read(): string | undefined {
    try {
      const { mtimeMs, size, ino } = statSync(this.#path)
      const seen = `${mtimeMs} ${size} ${ino}`
      if (this.#seen === seen) return undefined
      const text = readFileSync(this.#path, 'utf8')
      this.#seen = seen
      return text
    } catch {
      if (this.#seen === 'none') return undefined
      this.#seen = 'none'
      return ''
    }
  }

  serve(request: Request, next: Handler): Reply | Promise<Reply> {
    const { name, type, asked } = request
    const { ttl, fallthrough, zones } = this.#config
    if (type === types.PTR) {
      const ip = reversedAddress(name)
      const names = ip === undefined ? undefined : this.#addresses.get(ip)
      return names ? this.#found(names.map(target => record(asked, types.PTR, ttl, target))) : next(request)
    }
    if (zoneOf(name, zones) === undefined) return next(request)
    const ips = this.#names.get(name)
    if (!ips) {
      if (fallthrough.some(zone => within(name, zone))) return next(request)
      // There is no SOA to deny a name with.
      return failure('hosts', rcodes.SERVFAIL)
    }
    const family = type === types.A ? 4 : type === types.AAAA ? 6 : 0
    return this.#found(ips.filter(ip => isIP(ip) === family).map(ip => addressRecord(asked, ttl, ip)))
  }

  #found(answers: Reply['answers']): Reply {
    return reply('hosts', { authoritative: true, answers, live: true, reusableUntil: untilChange })
  }
}

function grouped(
  all: readonly Entry[],
  key: (entry: Entry) => string,
  value: (entry: Entry) => string,
): Map<string, readonly string[]> {
  const groups = Map.groupBy(all, key)
  return new Map([...groups].map(([name, list]) => [name, [...new Set(list.map(value))]]))
}

const entries = (ip: string, names: readonly string[]): Entry[] =>
  names.map(name => ({ ip: normalAddress(ip), name: name.toLowerCase() }))

/** Lines "IP name [name...]" with # comments; lines without an address are passed over. */
export function parseHosts(text: string): Entry[] {
  return text.split('\n').flatMap(line => {
    const [ip = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    return isIP(ip.replace(/%.*/, '')) === 0 ? [] : entries(ip, names)
  })
}
