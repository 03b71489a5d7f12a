/** From routing in neutral terms to the state HAProxy is to be in. Pure; what cannot be expressed becomes a problem. */
import { isIP } from 'node:net'
import { digest } from '../digest.ts'
import type { Endpoint, Filter, Model, Owner, Pool, Problem, Router, Target, TcpRouter } from '../model/model.ts'
import type { EntryPoint, Settings } from '../settings.ts'
import type { Steps } from '../slices.ts'
import { certificateEntries } from './certificates.ts'
import { filterLines, type Surroundings } from './filters.ts'
import { headLines, httpFrontend, notFound, tcpFrontend } from './frontends.ts'
import { checkMatch, type Routed, tablesOf } from './matching.ts'
import type { Backend, Line, MapTable, Plane, Server } from './plane.ts'
import { formatWord, headerName, Unrenderable, word } from './quote.ts'
import type { Surface } from './surface.ts'
import { passwordScript, userCheck } from './users.ts'

export interface Compiled {
  readonly plane: Plane
  readonly problems: readonly Problem[]
}

/** Objects HAProxy refused, with its message. Their routes answer 503. */
export type Refusals = ReadonlyMap<string, string>

export const ownerKey = ({ kind, metadata }: Owner): string => `${kind}/${metadata.namespace ?? ''}/${metadata.name}`

/** Texts of backends by name, which says all that they depend on; handed from one compilation to the next. */
export type BackendTexts = Map<
  string,
  Pick<Backend, 'lines' | 'serverOptions' | 'owner'> & { readonly dynamic: boolean }
>

/** The plane of a routing, a step for each router. */
export function* compile(
  model: Model,
  settings: Settings,
  surface: Surface,
  refused: Refusals,
  texts: BackendTexts = new Map(),
): Steps<Compiled> {
  const compiler = new Compiler(settings, refused, texts)
  const routed: Routed[] = []
  for (const router of byAge(model.routers)) {
    routed.push(compiler.route(router))
    yield
  }
  const tcp = model.tcpRouters.map(router => ({ router, backend: compiler.tcpBackend(router) }))
  const maps = new Map<string, MapTable>()
  const frontends: Line[] = []
  const tcpPoints = new Set(tcp.map(({ router }) => router.entryPoint))
  for (const entryPoint of settings.entryPoints) {
    if (tcpPoints.has(entryPoint.name)) {
      frontends.push(
        ...tcpFrontend(entryPoint, surface, tcp.find(({ router }) => router.entryPoint === entryPoint.name)!.backend),
      )
      continue
    }
    const here = routed.filter(({ router }) => router.entryPoints.includes(entryPoint.name))
    const tables = yield* tablesOf(here, (loser, winner) => compiler.conflict(loser, winner, entryPoint))
    maps.set(`${entryPoint.name}.exact`, tables.exact)
    maps.set(`${entryPoint.name}.prefix`, tables.prefix)
    maps.set(`${entryPoint.name}.fallback`, tables.fallback)
    frontends.push(...httpFrontend(entryPoint, settings, surface, tables.rules, portOf(settings)))
  }
  for (const name of texts.keys()) if (!compiler.backends.has(name)) texts.delete(name)
  for (const [name, users] of compiler.userMaps) maps.set(name, users)
  const scripts = new Map(compiler.userMaps.size > 0 ? [['password.lua', passwordScript]] : [])
  return {
    plane: {
      head: [...headLines(settings, surface, scripts.size > 0), ...frontends, ...notFound, ...compiler.lists],
      backends: compiler.backends,
      maps,
      certificates: certificateEntries(model),
      files: new Map([...clientAuthorities(model), ...backendAuthorities(model), ...scripts]),
    },
    problems: compiler.problems,
  }
}

const portOf =
  ({ entryPoints }: Settings) =>
  (name: string): number | undefined =>
    entryPoints.find(entryPoint => entryPoint.name === name)?.port

function clientAuthorities({ tlsSettings }: Model): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const { clientCa } of tlsSettings.values())
    if (clientCa !== undefined) files.set(authoritiesFile(clientCa), clientCa)
  return files
}

const authoritiesFile = (pem: string): string => `certs/${digest(pem)}.ca`

function backendAuthorities({ routers }: Model): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const { target } of routers) {
    const pem = target.type === 'pool' ? target.pool.tls?.authorities : undefined
    if (pem !== undefined) files.set(authoritiesFile(pem), pem)
  }
  return files
}

const ageOf = ({ metadata }: Owner) =>
  `${metadata.creationTimestamp ?? ''} ${metadata.namespace ?? ''}/${metadata.name}`

function byAge(routers: readonly Router[]): Router[] {
  const aged = routers.map(router => ({ router, age: ageOf(router.owner) }))
  aged.sort((a, b) => (a.age < b.age ? -1 : a.age > b.age ? 1 : 0))
  return aged.map(({ router }) => router)
}

class Compiler {
  /** The answer for what cannot be served is always there, so that it takes no reload. */
  readonly backends = new Map([['answer_503', answerBackend('answer_503', 503, [], undefined)]])
  readonly problems: Problem[] = []
  readonly lists: Line[] = []
  readonly #conflicts = new Set<string>()
  readonly userMaps = new Map<string, MapTable>()
  readonly #userLists = new Map<string, readonly string[]>()
  readonly #settings: Settings
  readonly #refused: Refusals

  readonly #texts: BackendTexts

  constructor(settings: Settings, refused: Refusals, texts: BackendTexts) {
    this.#texts = texts
    this.#settings = settings
    this.#refused = refused
  }

  route(router: Router): Routed {
    const refusal = this.#refused.get(ownerKey(router.owner))
    if (refusal !== undefined) return this.#refuse(router, 'Refused', `HAProxy does not accept it: ${refusal}`)
    try {
      for (const match of router.matches) checkMatch(match)
      return { router, backend: this.#backend(router.target, router.owner) }
    } catch (error) {
      if (!(error instanceof Unrenderable)) throw error
      return this.#refuse(router, 'Unsupported', error.message)
    }
  }

  /** Matches that cannot be expressed are dropped, the others answer 503: never another route's answer. */
  #refuse(router: Router, reason: string, message: string): Routed {
    this.problems.push({ owner: router.owner, reason, message })
    const matches = router.matches.filter(match => match.type !== 'conditions' && safe(() => checkMatch(match)))
    const target: Target = { type: 'answer', status: 503, filters: [] }
    return { router: { ...router, matches }, backend: this.#backend(target, router.owner) }
  }

  conflict(loser: Router, winner: Router, { name }: EntryPoint): void {
    const key = `${ownerKey(loser.owner)} ${ownerKey(winner.owner)}`
    if (this.#conflicts.has(key) || ownerKey(loser.owner) === ownerKey(winner.owner)) return
    this.#conflicts.add(key)
    const { kind, metadata } = winner.owner
    this.problems.push({
      owner: loser.owner,
      reason: 'Conflict',
      message: `a host and path of it on entry point ${name} are served by ${kind} ${metadata.namespace}/${metadata.name} already, which is older or has a higher priority`,
    })
  }

  #backend(target: Target, owner: Owner): string {
    const name = nameOf(target)
    if (this.backends.has(name)) return name
    const text = this.#texts.get(name)
    if (text?.dynamic && target.type === 'pool' && target.filters.length === 0) {
      const { lines, serverOptions: options, owner: first } = text
      this.backends.set(name, { name, lines, serverOptions: options, owner: first, servers: serversOf(target.pool) })
      return name
    }
    const lines =
      target.filters.length + (target.type === 'pool' ? 1 : 0) === 0 ? [] : this.#filters(name, target.filters, owner)
    const backend =
      target.type === 'answer'
        ? answerBackend(name, target.status, lines, owner)
        : poolBackend(name, target.pool, lines, owner, this.#settings)
    this.backends.set(name, backend)
    const { lines: all, serverOptions: options } = backend
    this.#texts.set(name, {
      lines: all,
      serverOptions: options,
      owner: backend.owner,
      dynamic: backend.servers !== undefined,
    })
    return name
  }

  #filters(backend: string, filters: readonly Filter[], owner: Owner): string[] {
    let next = 0
    const extra: Line[] = []
    const around: Surroundings = {
      next: () => next++,
      table: (periodMs, key) => {
        const name = `rate_${backend}_${next++}`
        const type = key === 'address' ? 'ipv6' : 'string len 128'
        extra.push(
          { text: `backend ${name}`, owner },
          {
            text: `  stick-table type ${type} size 100k expire ${Math.max(1000, periodMs * 2)}ms store http_req_rate(${periodMs}ms)`,
            owner,
          },
        )
        return name
      },
      users: users => userCheck(users, { lists: this.#userLists, maps: this.userMaps }),
    }
    const known = new Set(this.#userLists.keys())
    const lines = filterLines(filters, around)
    this.lists.push(...extra)
    for (const [name, users] of this.#userLists)
      if (!known.has(name))
        this.lists.push({ text: `userlist ${name}`, owner }, ...users.map(text => ({ text, owner })))
    return lines
  }

  tcpBackend({ pool, owner }: TcpRouter): string {
    const name = `tcp_${nameOf({ type: 'pool', pool, filters: [] })}`
    const lines = ['mode tcp', 'balance roundrobin', 'option redispatch 1'].map(text => ({ text: `  ${text}`, owner }))
    this.backends.set(name, { name, lines, serverOptions: '', servers: serversOf(pool), owner })
    return name
  }
}

function safe(action: () => void): boolean {
  try {
    action()
    return true
  } catch {
    return false
  }
}

/** Names show in metrics and logs: what it serves, and a digest of how. */
function nameOf(target: Target): string {
  if (target.type === 'answer')
    return target.filters.length === 0
      ? `answer_${target.status}`
      : `answer_${target.status}_${digest(JSON.stringify(target.filters))}`
  const { pool, filters } = target
  const { members: _, ...shape } = pool
  const shares = pool.members.length > 1 ? pool.members.map(({ weight, invalid }) => (invalid ? -weight : weight)) : []
  const names = pool.members.flatMap(({ endpoints }) =>
    endpoints.filter(isNamed).map(({ address, port }) => `${address}:${port}`),
  )
  return `${pool.name.replace(/[^\w.-]/g, '_').slice(0, 120)}_${digest(JSON.stringify([shape, shares, filters, names]))}`
}

function answerBackend(name: string, status: number, filters: readonly string[], owner: Owner | undefined): Backend {
  const text = status === 503 ? 'no available server' : status === 404 ? '404 page not found' : 'Internal Server Error'
  const answer = `http-request return status ${status} content-type "text/plain; charset=utf-8" hdr X-Content-Type-Options nosniff lf-string "${text}\\n"`
  // An answer belongs to nobody when it can be nobody's fault.
  const lines = [...filters, answer].map(line => ({ text: `  ${line}`, ...(filters.length > 0 ? { owner } : {}) }))
  return { name, lines, serverOptions: '', servers: undefined, owner: filters.length > 0 ? owner : undefined }
}

function poolBackend(name: string, pool: Pool, filters: readonly string[], owner: Owner, settings: Settings): Backend {
  const options = serverOptions(pool, settings)
  const named = serversOf(pool).filter(isNamed)
  const lines = [
    ...stickyLines(pool),
    ...hostLines(pool),
    ...filters,
    ...invalidShare(pool),
    ...namedServers(named, options),
  ]
  return {
    name,
    lines: lines.map(text => ({ text: `  ${text}`, owner })),
    serverOptions: options,
    // Names are part of the text: HAProxy follows their addresses itself.
    servers: named.length > 0 ? undefined : serversOf(pool),
    owner,
  }
}

const isNamed = ({ address }: { readonly address: string }): boolean => isIP(address) === 0

function namedServers(servers: readonly Server[], options: string): string[] {
  return servers.map(({ address, port, weight }, index) => {
    if (!/^[\w.-]+$/.test(address)) throw new Unrenderable(`"${address}" is no host name`)
    return `server n${index + 1} ${address}:${port} weight ${weight} resolvers names init-addr libc,none ${options}`.trim()
  })
}

function stickyLines({ sticky, name }: Pool): string[] {
  if (!sticky) return []
  const attributes = [
    sticky.path === undefined ? '' : `attr ${word(`Path=${sticky.path}`)}`,
    sticky.sameSite === undefined ? '' : `attr ${word(`SameSite=${sticky.sameSite}`)}`,
    sticky.maxAge === undefined || sticky.maxAge === 0 ? '' : `attr ${word(`Max-Age=${sticky.maxAge}`)}`,
    sticky.domain === undefined ? '' : `domain ${word(sticky.domain)}`,
    sticky.httpOnly ? 'httponly' : '',
    sticky.secure ? 'secure' : '',
  ]
  return [
    `cookie ${headerName(sticky.name)} insert indirect nocache dynamic ${attributes.filter(Boolean).join(' ')}`.trim(),
    `dynamic-cookie-key ${digest(name)}`,
  ]
}

function hostLines({ passHost, tls }: Pool): string[] {
  if (passHost || tls?.serverName === undefined) return []
  return [`http-request set-header Host ${formatWord(tls.serverName)}`]
}

/** The share of requests that goes to references that lead nowhere. */
function invalidShare({ members }: Pool): string[] {
  const sum = (list: Pool['members']) => list.reduce((total, { weight }) => total + weight, 0)
  const lost = sum(members.filter(member => member.invalid))
  const all = sum(members)
  if (lost === 0) return all === 0 ? ['http-request return status 500'] : []
  const condition = lost === all ? '' : ` if { rand(${all}) lt ${lost} }`
  return [`http-request return status 500 content-type text/plain string "Internal Server Error"${condition}`]
}

function serverOptions({ protocol, tls }: Pool, { insecureSkipVerify }: Settings): string {
  if (protocol === 'http') return ''
  if (protocol === 'h2c') return 'proto h2'
  const verify = (tls?.verify ?? true) && !insecureSkipVerify
  const name = tls?.serverName
  const sni = name === undefined ? 'sni req.hdr(host),host_only' : `sni str(${serverNameArgument(name)})`
  const check = verify
    ? `verify required ca-file ${tls?.authorities === undefined ? '@system-ca' : authoritiesFile(tls.authorities)}${name === undefined ? '' : ` verifyhost ${word(name)}`}`
    : 'verify none'
  return `ssl ${check} ${sni} alpn ${protocol === 'https-h2' ? 'h2' : 'http/1.1'}`
}

function serverNameArgument(name: string): string {
  if (!/^[\w.-]+$/.test(name)) throw new Unrenderable(`"${name}" is no server name`)
  return name
}

const weightScale = 100

/** Shares of members become weights of their endpoints, between 1 and 256 as HAProxy wants them. */
export function serversOf({ members }: Pool): Server[] {
  const live = members.filter(({ weight, invalid, endpoints }) => weight > 0 && !invalid && endpoints.length > 0)
  const ready = (endpoints: readonly Endpoint[]) =>
    Math.max(1, endpoints.filter(({ state }) => state === 'ready').length)
  const shares = live.map(({ weight, endpoints }) => weight / ready(endpoints))
  const most = Math.max(...shares, 0)
  const servers = new Map<string, Server>()
  live.forEach(({ endpoints }, index) => {
    const weight = live.length === 1 ? 1 : Math.max(1, Math.round((shares[index]! / most) * weightScale))
    for (const { address, port, state } of endpoints) {
      const key = `${address} ${port}`
      const known = servers.get(key)
      servers.set(key, {
        address,
        port,
        state,
        weight: Math.min(256, weight + (known && live.length > 1 ? known.weight : 0)),
      })
    }
  })
  return [...servers.values()]
}
