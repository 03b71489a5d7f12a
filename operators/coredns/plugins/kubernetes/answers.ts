/** From the targets of a name to resource records, as CoreDNS' service back ends make them. */
import { isIP } from 'node:net'
import { types } from '../../wire/constants.ts'
import { normal, within } from '../../wire/names.ts'
import { addressRecord, type ResourceRecord, record, srvRecord } from '../../wire/records.ts'
import type { Reply, Request } from '../plugin.ts'
import type { Found, Target } from './lookup.ts'

export interface Sections {
  readonly answers: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
  /** Somebody else was asked for a part of it. */
  readonly foreign?: boolean
}

const aliasDepth = 10

export interface AliasContext {
  readonly zone: string
  readonly ttl: number
  readonly targets: (name: string) => Found
  readonly lookup: (name: string, type: number) => Reply | Promise<Reply>
}

/** A or AAAA records; an alias comes with what its target has, ours or anybody's: stub resolvers follow none. */
export function addressAnswers(
  request: Request,
  found: Found,
  context: AliasContext,
): Sections | 'unknown' | Promise<Sections> {
  return follow(request.asked, request.type, found, context, [])
}

function follow(
  asked: string,
  type: number,
  found: Found,
  context: AliasContext,
  seen: readonly string[],
): Sections | 'unknown' | Promise<Sections> {
  if (found === 'unknown') return 'unknown'
  const alias = found.find(target => isIP(target.host) === 0)
  if (!alias) {
    const hosts = [...new Set(found.map(({ host }) => host))]
    const family = type === types.A ? 4 : 6
    return sections(hosts.filter(host => isIP(host) === family).map(host => addressRecord(asked, context.ttl, host)))
  }
  const target = normal(alias.host)
  if (target === normal(asked) || seen.includes(target) || seen.length > aliasDepth) return sections([])
  const link = record(asked, types.CNAME, context.ttl, fqdnOf(alias.host))
  if (within(target, context.zone)) {
    const next = follow(target, type, context.targets(target), context, [...seen, normal(asked)])
    const joined = (rest: Sections | 'unknown'): Sections =>
      rest === 'unknown' || rest.answers.length === 0 ? sections([]) : { ...rest, answers: [link, ...rest.answers] }
    return next instanceof Promise ? next.then(joined) : joined(next)
  }
  const reply = context.lookup(fqdnOf(alias.host), type)
  const joined = (theirs: Reply): Sections => ({ answers: [link, ...theirs.answers], additionals: [], foreign: true })
  return reply instanceof Promise ? reply.then(joined) : joined(reply)
}

const fqdnOf = (host: string): string => (host.endsWith('.') ? host : `${host}.`)

const sections = (answers: readonly ResourceRecord[], additionals: readonly ResourceRecord[] = []): Sections => ({
  answers,
  additionals,
})

export const aliasAnswers = ({ asked }: Request, [first]: readonly Target[], ttl: number): Sections =>
  sections(first && isIP(first.host) === 0 ? [record(asked, types.CNAME, ttl, fqdnOf(first.host))] : [])

/** SRV records of equal weight, with the addresses of their targets alongside. */
export function serviceAnswers({ asked }: Request, found: readonly Target[], ttl: number): Sections {
  const targets = found.filter(({ host }) => isIP(host) !== 0)
  const weight = Math.max(1, Math.floor((100 / targets.length) * 1))
  const answers = new Map<string, ResourceRecord>()
  const additionals = new Map<string, ResourceRecord>()
  for (const { host, port, key } of targets) {
    if (port === -1) continue
    answers.set(`${key} ${port}`, answers.get(`${key} ${port}`) ?? srvRecord(asked, ttl, weight, port, key))
    additionals.set(`${key} ${host}`, addressRecord(key, ttl, host))
  }
  return sections([...answers.values()], [...additionals.values()])
}

export function nameServerAnswers({ asked }: Request, servers: readonly Target[], ttl: number): Sections {
  const keys = [...new Set(servers.map(({ key }) => key))]
  return sections(
    keys.map(key => record(asked, types.NS, ttl, key)),
    servers.map(({ key, host }) => addressRecord(key, ttl, host)),
  )
}

export const pointerAnswers = ({ asked }: Request, names: readonly string[], ttl: number): Sections =>
  sections([...new Set(names)].map(name => record(asked, types.PTR, ttl, name)))
