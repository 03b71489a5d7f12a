/** Filters as lines of a backend. Texts of users go through quote.ts, patterns stand in named ACLs. */
import { assertNever } from '../../../bootstrap/api/object.ts'
import type { Filter, HeaderChange, Source } from '../model/model.ts'
import { corsLines } from './cors.ts'
import { cidr, escapeRegex, formatWord, headerName, replacement, Unrenderable, word } from './quote.ts'

/** What filters need outside of their backend. */
export interface Surroundings {
  /** A table of its own to count in; the result is its name. */
  table(periodMs: number, key: 'address' | 'text'): string
  /** Users by the way their passwords are checked; the result is the condition that one of them is asking. */
  users(users: readonly { readonly name: string; readonly hash: string }[]): UserCheck
  /** A number that is unique within the backend. */
  next(): number
}

export interface UserCheck {
  /** Lines before the check. */
  readonly lines: readonly string[]
  /** Conditions of which one must hold. */
  readonly any: readonly string[]
}

const counters = 3

/** Lines of a backend for its filters. Throws Unrenderable for what HAProxy cannot be told. */
export function filterLines(filters: readonly Filter[], around: Surroundings): string[] {
  if (filters.filter(filter => filter.type === 'rateLimit').length > counters)
    throw new Unrenderable(`there may be at most ${counters} rate limits on a route`)
  let counter = 0
  return filters.flatMap(filter => linesOf(filter, around, () => counter++))
}

function linesOf(filter: Filter, around: Surroundings, counter: () => number): string[] {
  switch (filter.type) {
    case 'stripPrefix':
      return stripPrefix(filter.prefixes.map(escapeRegex), filter.prefixes)
    case 'stripPrefixRegex':
      return [
        ...rememberPrefix(filter.patterns),
        `http-request replace-path ${word(`^(?:${filter.patterns.map(unanchored).join('|')})/?(.*)$`)} /\\${1 + groupsIn(filter.patterns.join('|'))}`,
      ]
    case 'addPrefix':
      return [`http-request replace-path ^(.*)$ ${word(`${literal(filter.prefix)}\\1`)}`]
    case 'replacePath':
      return [
        ...(filter.keepOriginal ? ['http-request set-header X-Replaced-Path %[path]'] : []),
        `http-request set-path ${formatWord(filter.path)}`,
      ]
    case 'replacePathRegex':
      return replacePathRegex(filter.pattern, filter.replacement, around.next())
    case 'replacePrefix':
      return replacePrefix(filter.prefix, filter.replacement)
    case 'replaceHost':
      return [`http-request set-header Host ${formatWord(filter.host)}`]
    case 'redirect':
      return redirect(filter)
    case 'redirectRegex':
      return redirectRegex(filter, around.next())
    case 'requestHeaders':
      return headerLines('http-request', filter.change)
    case 'responseHeaders':
      return headerLines('http-after-response', filter.change)
    case 'cors':
      return corsLines(filter.cors, around.next())
    case 'basicAuth':
      return basicAuth(filter, around)
    case 'rateLimit':
      return rateLimit(filter, around, counter())
    case 'ipAllowList':
      return allowList(filter, around.next())
    case 'retry':
      return [`retries ${Math.max(0, filter.attempts - 1)}`, 'retry-on conn-failure empty-response']
    case 'compress':
      return ['compression algo gzip', `compression type ${filter.types.map(word).join(' ')}`]
    case 'timeout':
      return [`timeout server ${filter.requestMs}ms`]
    default:
      return assertNever(filter)
  }
}

const literal = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('%', '%%')
const unanchored = (pattern: string): string => pattern.replace(/^\^/, '').replace(/\$$/, '')

/** How many groups a pattern captures. Throws when it is no pattern. */
export function groupsIn(pattern: string): number {
  try {
    return (new RegExp(`${pattern}|`).exec('') ?? []).length - 1
  } catch {
    throw new Unrenderable(`"${pattern}" is no regular expression`)
  }
}

function stripPrefix(patterns: readonly string[], prefixes: readonly string[]): string[] {
  const pattern = `^(?:${patterns.join('|')})/?(.*)$`
  const remember = [...prefixes]
    .reverse()
    .map(
      prefix =>
        `http-request set-header X-Forwarded-Prefix ${formatWord(prefix)} if { path -m beg -- ${word(prefix)} }`,
    )
  return [...remember, `http-request replace-path ${word(pattern)} /\\1`]
}

function rememberPrefix(patterns: readonly string[]): string[] {
  const found = `^(${patterns.map(unanchored).join('|')}).*$`
  return [
    'http-request set-header X-Forwarded-Prefix %[path]',
    `http-request replace-header X-Forwarded-Prefix ${word(found)} \\1`,
  ]
}

/** Replaces the part that matches and keeps the rest, where HAProxy would replace the whole. */
function around(pattern: string, text: string): { pattern: string; text: string } {
  const groups = groupsIn(pattern)
  if (groups > 6) throw new Unrenderable(`"${pattern}" has more than six groups`)
  return { pattern: word(`^(.*?)(?:${pattern})(.*)$`), text: word(`\\1${replacement(text, 1)}\\${groups + 2}`) }
}

function replacePathRegex(pattern: string, text: string, id: number): string[] {
  const whole = around(pattern, text)
  return [
    `acl rp${id} path -m reg -- ${word(pattern)}`,
    `http-request set-header X-Replaced-Path %[path] if rp${id}`,
    `http-request replace-path ${whole.pattern} ${whole.text}`,
  ]
}

function replacePrefix(prefix: string, text: string): string[] {
  const from = escapeRegex(prefix.replace(/\/$/, ''))
  const to = literal(text.replace(/\/$/, ''))
  return [
    `http-request replace-path ${word(`^${from}$`)} ${word(to === '' ? '/' : to)}`,
    `http-request replace-path ${word(`^${from}/(.*)$`)} ${word(`${to}/\\1`)}`,
  ]
}

const tls = '{ ssl_fc }'

function redirect({ scheme, host, port, path, status, unlessScheme }: Extract<Filter, { type: 'redirect' }>): string[] {
  const lines: string[] = []
  if (path?.type === 'full') lines.push(`http-request set-path ${formatWord(path.value)}`)
  if (path?.type === 'prefix') lines.push(...replacePrefix(path.prefix, path.value))
  // Without a word about scheme and port, those of the request stay.
  const asAsked = scheme === undefined && port === undefined ? '%[req.hdr(host)]' : '%[req.hdr(host),host_only]'
  const name = host === undefined ? asAsked : literal(host)
  const to = (protocol: 'http' | 'https', condition: string): string[] => {
    const suffix = port === undefined || port === (protocol === 'https' ? 443 : 80) ? '' : `:${port}`
    return redirectsBy(status, word(`${protocol}://${name}${suffix}%[pathq]`), condition, unlessScheme)
  }
  if (scheme === 'https') return [...lines, ...to('https', unlessScheme ? `!${tls}` : '')]
  if (scheme === 'http') return [...lines, ...to('http', unlessScheme ? tls : '')]
  return [...lines, ...to('https', tls), ...to('http', `!${tls}`)]
}

/** Traefik answers GET with 301 or 302 and other methods with 308 or 307, which keep the method. */
function redirectsBy(status: number, location: string, condition: string, byMethod: boolean): string[] {
  const code = (number: number, more: string) => {
    const all = [condition, more].filter(Boolean).join(' ')
    return `http-request redirect location ${location} code ${number}${all === '' ? '' : ` if ${all}`}`
  }
  if (!byMethod) return [code(status, '')]
  return [code(status, 'METH_GET'), code(status === 301 ? 308 : 307, '')]
}

function redirectRegex(
  { pattern, replacement: text, permanent }: Extract<Filter, { type: 'redirectRegex' }>,
  id: number,
): string[] {
  const header = `X-Skiff-Url-${id}`
  const whole = around(pattern, text)
  return [
    `http-request set-header ${header} https://%[req.hdr(host)]%[pathq] if ${tls}`,
    `http-request set-header ${header} http://%[req.hdr(host)]%[pathq] if !${tls}`,
    `acl rr${id} req.fhdr(${header}) -m reg -- ${word(pattern)}`,
    `http-request set-var(txn.rr${id}) bool(true) if rr${id}`,
    `http-request replace-header ${header} ${whole.pattern} ${whole.text} if rr${id}`,
    ...redirectsBy(permanent ? 301 : 302, `%[req.fhdr(${header})]`, `{ var(txn.rr${id}) -m found }`, true),
    `http-request del-header ${header}`,
  ]
}

function headerLines(rule: string, { set, add, remove }: HeaderChange): string[] {
  return [
    ...remove.map(name => `${rule} del-header ${headerName(name)}`),
    ...set.map(({ name, value }) => `${rule} set-header ${headerName(name)} ${formatWord(value)}`),
    ...add.map(({ name, value }) => `${rule} add-header ${headerName(name)} ${formatWord(value)}`),
  ]
}

function basicAuth(filter: Extract<Filter, { type: 'basicAuth' }>, around: Surroundings): string[] {
  const { lines, any } = around.users(filter.users)
  const field = filter.headerField
  return [
    ...lines,
    `http-request auth realm ${word(filter.realm)} unless ${any.join(' || ')}`,
    ...(field === undefined ? [] : [`http-request set-header ${headerName(field)} %[http_auth_user]`]),
    ...(filter.removeHeader ? ['http-request del-header Authorization'] : []),
  ]
}

function rateLimit(filter: Extract<Filter, { type: 'rateLimit' }>, around: Surroundings, counter: number): string[] {
  const table = around.table(filter.periodMs, filter.source.type === 'address' ? 'address' : 'text')
  return [
    `http-request track-sc${counter} ${fetchOf(filter.source)} table ${table}`,
    `http-request return status 429 content-type text/plain hdr Retry-After ${Math.max(1, Math.ceil(filter.periodMs / filter.requests / 1000))} string "Too Many Requests" if { sc_http_req_rate(${counter}) gt ${filter.requests} }`,
  ]
}

function fetchOf(source: Source): string {
  switch (source.type) {
    case 'address':
      return 'src'
    case 'forwarded':
      return `req.hdr(x-forwarded-for,-${source.depth + 1})`
    case 'header':
      return `req.fhdr(${headerName(source.name)})`
    case 'host':
      return 'req.hdr(host),lower'
    default:
      return assertNever(source)
  }
}

function allowList({ ranges, source, status }: Extract<Filter, { type: 'ipAllowList' }>, id: number): string[] {
  // The last entry is what this proxy added itself.
  const fetch = source.type === 'forwarded' ? `req.hdr_ip(x-forwarded-for,-${source.depth + 1})` : 'src'
  return [
    ...ranges.map(range => `acl ip${id} ${fetch} ${cidr(range)}`),
    ...(ranges.length === 0 ? [`acl ip${id} always_false`] : []),
    `http-request return status ${status} content-type text/plain string Forbidden unless ip${id}`,
  ]
}
