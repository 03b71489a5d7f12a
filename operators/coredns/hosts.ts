/** The hosts plugin: names from a file in /etc/hosts form, read again when it changes. */
import { readFileSync, statSync } from 'node:fs'
import type { HostsConfig } from './config.ts'
import type { Lookup } from './records.ts'

export class HostsFile {
  readonly #path: string
  readonly #fallthrough: boolean
  #seen = ''
  #names = new Map<string, string[]>()
  #addresses = new Map<string, string[]>()

  constructor(config: HostsConfig, path: string) {
    this.#path = path
    this.#fallthrough = config.fallthrough
  }

  /** Reads the file again if it is another one now; a missing file has no names. */
  refresh(): void {
    let text = ''
    try {
      const { mtimeMs, ino } = statSync(this.#path)
      if (this.#seen === `${mtimeMs} ${ino}`) return
      this.#seen = `${mtimeMs} ${ino}`
      text = readFileSync(this.#path, 'utf8')
    } catch {
      this.#seen = ''
    }
    const entries = parseHosts(text)
    this.#names = new Map(
      [...Map.groupBy(entries, entry => entry.name)].map(([name, list]) => [name, list.map(entry => entry.ip)]),
    )
    this.#addresses = new Map(
      [...Map.groupBy(entries, entry => entry.ip)].map(([ip, list]) => [ip, list.map(entry => entry.name)]),
    )
  }

  /** Undefined: not ours, ask the next plugin. `name` is lower case with a trailing dot. */
  lookup(name: string, type: string, reversed: string | undefined): Lookup | undefined {
    if (reversed !== undefined) {
      const names = this.#addresses.get(reversed) ?? []
      if (names.length === 0 || type !== 'PTR') return undefined
      return { kind: 'found', answers: names.map(data => ({ type: 'PTR', name, data: `${data}.` })), additionals: [] }
    }
    const ips = this.#names.get(name.replace(/\.$/, ''))
    if (!ips) return this.#fallthrough ? undefined : { kind: 'unknown' }
    const answers = ips
      .map(data => ({ type: data.includes(':') ? ('AAAA' as const) : ('A' as const), name, data }))
      .filter(record => record.type === type)
    return answers.length > 0 ? { kind: 'found', answers, additionals: [] } : { kind: 'empty' }
  }
}

/** Lines "IP name [name...]" with # comments. */
export function parseHosts(text: string): { ip: string; name: string }[] {
  return text.split('\n').flatMap(line => {
    const [ip, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    return ip === undefined || ip === '' ? [] : names.map(name => ({ ip, name: name.toLowerCase().replace(/\.$/, '') }))
  })
}
