/** Traefik's headers middleware: headers of one's own, CORS, and the security headers. */
import type { Cors, Filter, HeaderValue } from '../model/model.ts'

type Spec = { readonly [field: string]: unknown }

export function headersFilters(spec: Spec): Filter[] {
  const filters: Filter[] = []
  const request = changeOf(spec.customRequestHeaders)
  if (request) filters.push({ type: 'requestHeaders', change: request })
  const cors = corsOf(spec)
  if (cors) filters.push({ type: 'cors', cors })
  const security = securityHeaders(spec)
  if (security.length > 0) filters.push({ type: 'responseHeaders', change: { set: security, add: [], remove: [] } })
  const response = changeOf(spec.customResponseHeaders)
  if (response) filters.push({ type: 'responseHeaders', change: response })
  const unsupported = ['allowedHosts', 'hostsProxyHeaders'].filter(field => spec[field] !== undefined)
  if (unsupported.length > 0) throw new Error(`headers.${unsupported.join(' and headers.')} not supported here`)
  return filters
}

/** An empty value takes the header away. */
function changeOf(headers: unknown) {
  const entries = Object.entries((headers ?? {}) as { readonly [name: string]: unknown }).map(([name, value]) => ({
    name,
    value: String(value ?? ''),
  }))
  if (entries.length === 0) return undefined
  return {
    set: entries.filter(({ value }) => value !== ''),
    add: [],
    remove: entries.filter(({ value }) => value === '').map(({ name }) => name),
  }
}

function corsOf(spec: Spec): Cors | undefined {
  const list = (field: string) => ((spec[field] ?? []) as readonly unknown[]).map(String)
  const cors: Cors = {
    origins: list('accessControlAllowOriginList'),
    originRegexes: list('accessControlAllowOriginListRegex'),
    methods: list('accessControlAllowMethods'),
    headers: list('accessControlAllowHeaders'),
    exposeHeaders: list('accessControlExposeHeaders'),
    credentials: spec.accessControlAllowCredentials === true,
    maxAge: spec.accessControlMaxAge === undefined ? undefined : Number(spec.accessControlMaxAge),
    addVary: spec.addVaryHeader === true,
  }
  const used = [cors.origins, cors.originRegexes, cors.methods, cors.headers, cors.exposeHeaders].some(
    part => part.length > 0,
  )
  return used || cors.credentials || cors.addVary ? cors : undefined
}

function securityHeaders(spec: Spec): HeaderValue[] {
  const headers: HeaderValue[] = []
  const text = (field: string) => (spec[field] ? String(spec[field]) : undefined)
  const put = (name: string, value: string | undefined) => {
    if (value !== undefined) headers.push({ name, value })
  }
  put('X-Frame-Options', text('customFrameOptionsValue') ?? (spec.frameDeny === true ? 'DENY' : undefined))
  put('X-Content-Type-Options', spec.contentTypeNosniff === true ? 'nosniff' : undefined)
  put(
    'X-XSS-Protection',
    text('customBrowserXSSValue') ?? (spec.browserXssFilter === true ? '1; mode=block' : undefined),
  )
  put('Content-Security-Policy', text('contentSecurityPolicy'))
  put('Content-Security-Policy-Report-Only', text('contentSecurityPolicyReportOnly'))
  put('Referrer-Policy', text('referrerPolicy'))
  put('Permissions-Policy', text('permissionsPolicy'))
  put('Strict-Transport-Security', strictTransport(spec))
  return headers
}

/** Sent over http as well only with forceSTSHeader in Traefik; browsers ignore it there. */
function strictTransport(spec: Spec): string | undefined {
  const seconds = Number(spec.stsSeconds ?? 0)
  if (!(seconds > 0)) return undefined
  const more = [
    spec.stsIncludeSubdomains === true ? '; includeSubDomains' : '',
    spec.stsPreload === true ? '; preload' : '',
  ]
  return `max-age=${seconds}${more.join('')}`
}
