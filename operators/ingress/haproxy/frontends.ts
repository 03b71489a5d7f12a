/** What stands above the backends: process settings, defaults, and a frontend for each entry point. */
import type { EntryPoint, Settings } from '../settings.ts'
import { logFormat } from './access-log.ts'
import { fallbackLine, lookupLines } from './matching.ts'
import type { Line } from './plane.ts'
import { cidr, word } from './quote.ts'
import { hostPort } from './render.ts'
import type { Surface } from './surface.ts'

const lines = (texts: readonly string[]): Line[] => texts.map(text => ({ text }))

export function headLines(settings: Settings, { runDir, addresses }: Surface, scripted: boolean): Line[] {
  return lines([
    'global',
    '  default-path config',
    '  expose-experimental-directives',
    `  stats socket unix@${runDir}/admin.sock mode 600 level admin expose-fd listeners`,
    // Connections follow from this and the limit of the process.
    '  fd-hard-limit 40000',
    ...(scripted ? ['  lua-load password.lua'] : []),
    // Old processes stay for their long connections, but not for ever.
    '  hard-stop-after 30m',
    '  tune.ssl.default-dh-param 2048',
    '  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
    '  ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
    ...(settings.accessLog === 'off' ? [] : ['  log stdout len 8192 format raw local0 info']),
    // For services of type ExternalName.
    'resolvers names',
    '  parse-resolv-conf',
    '  hold valid 10s',
    'defaults',
    '  mode http',
    '  balance roundrobin',
    '  timeout connect 3s',
    '  timeout http-request 60s',
    '  timeout http-keep-alive 180s',
    // A slow answer is the backend's business, as it is Traefik's.
    '  timeout client 1h',
    '  timeout server 1h',
    '  timeout tunnel 24h',
    '  timeout client-fin 30s',
    '  timeout queue 5s',
    '  retries 3',
    '  option redispatch 1',
    '  retry-on conn-failure',
    // Without it, small chunks of a stream wait up to 200 ms for the next.
    '  option http-no-delay',
    // A reload must not close a connection on which a request may be on its way.
    '  option idle-close-on-response',
    ...(settings.accessLog === 'off' ? [] : ['  log global', '  option dontlognull']),
    '  http-error status 503 content-type "text/plain; charset=utf-8" lf-string "no available server\\n"',
    '  http-error status 502 content-type "text/plain; charset=utf-8" lf-string "Bad Gateway\\n"',
    '  http-error status 504 content-type "text/plain; charset=utf-8" lf-string "Gateway Timeout\\n"',
    ...(settings.pingPort === undefined
      ? []
      : [
          'frontend ping',
          ...addresses.map(address => `  bind ${hostPort(address, settings.pingPort!)}`),
          '  option dontlog-normal',
          '  no log',
          '  http-request return status 200 content-type text/plain string OK if { path /ping }',
          '  http-request return status 404 content-type text/plain string "404 page not found"',
        ]),
  ])
}

export function httpFrontend(
  entryPoint: EntryPoint,
  settings: Settings,
  surface: Surface,
  rules: readonly Line[],
  portOf: (name: string) => number | undefined,
): Line[] {
  const { name, port, tls, redirect } = entryPoint
  const bind = (address: string) =>
    `  bind ${hostPort(address, port)}${tls ? ' ssl crt-list certs/list alpn h2,http/1.1' : ''}`
  return [
    ...lines([
      `frontend ${name}`,
      ...surface.addresses.map(bind),
      ...proxyProtocol(entryPoint),
      ...(settings.accessLog === 'off' ? [] : logFormat(settings.accessLog, name)),
      ...normalizing,
      ...(redirect ? redirectLines(redirect, portOf) : []),
      ...forwarded(entryPoint, surface),
      ...lookupLines(name, rules.length === 0).map(line => `  ${line}`),
    ]),
    ...rules,
    ...lines([
      `  ${fallbackLine(name)}`,
      '  use_backend %[var(txn.route),field(1,|)] if { var(txn.route) -m found }',
      '  default_backend not_found',
    ]),
  ]
}

/** As Traefik sanitizes paths, so that no other spelling gets around a route. Few paths need it. */
const normalizing = [
  '  http-request set-var(txn.odd) bool(true) if { path -m sub // /. % }',
  ...['percent-decode-unreserved', 'path-strip-dot', 'path-strip-dotdot full', 'path-merge-slashes'].map(
    step => `  http-request normalize-uri ${step} if { var(txn.odd) -m found }`,
  ),
]

/** What every configuration has whatever the routes. */
export const notFound: readonly Line[] = lines([
  'backend not_found',
  '  http-request return status 404 content-type "text/plain; charset=utf-8" hdr X-Content-Type-Options nosniff lf-string "404 page not found\\n"',
])

function redirectLines(
  { to, scheme, permanent }: NonNullable<EntryPoint['redirect']>,
  portOf: (name: string) => number | undefined,
): string[] {
  const port = to.startsWith(':') ? Number(to.slice(1)) : portOf(to)
  const suffix = port === undefined || port === (scheme === 'https' ? 443 : 80) ? '' : `:${port}`
  const protocol = scheme === 'http' ? 'http' : 'https'
  const location = `${protocol}://%[req.hdr(host),host_only]${suffix}%[pathq]`
  const [get, other] = permanent ? [301, 308] : [302, 307]
  return [
    `  http-request redirect location ${location} code ${get} if METH_GET`,
    `  http-request redirect location ${location} code ${other}`,
  ]
}

function proxyProtocol({ proxyProtocol: peers }: EntryPoint): string[] {
  if (peers.length === 0) return []
  return [
    ...peers.map(peer => `  acl proxied src ${cidr(peer)}`),
    '  tcp-request connection expect-proxy layer4 if proxied',
  ]
}

/** Headers of clients are replaced, those of trusted proxies kept and completed. */
function forwarded({ tls, trusted, trustAll }: EntryPoint, { hostname }: Surface): string[] {
  const scheme = tls ? 'https' : 'http'
  const set = (name: string, value: string) => ({ name, value })
  const headers = [
    set('X-Forwarded-Proto', scheme),
    set('X-Forwarded-Host', '%[req.hdr(host)]'),
    set('X-Forwarded-Port', tls ? '443' : '80'),
    set('X-Real-Ip', '%[src]'),
  ]
  const server = `  http-request set-header X-Forwarded-Server ${word(hostname)}`
  const all = trustAll || trusted.some(range => range === '0.0.0.0/0')
  if (trusted.length === 0 && !all)
    return [
      '  http-request del-header X-Forwarded-Prefix',
      '  http-request set-header X-Forwarded-For %[src]',
      ...headers.map(({ name, value }) => `  http-request set-header ${name} ${value}`),
      '  http-request set-header X-Forwarded-Port %[req.hdr(host),port_only] if { req.hdr(host) -m sub : }',
      server,
    ]
  return [
    ...(all ? ['  acl trusted always_true'] : trusted.map(range => `  acl trusted src ${cidr(range)}`)),
    '  http-request del-header X-Forwarded-Prefix if !trusted',
    '  http-request del-header X-Forwarded-For if !trusted',
    ...headers.map(
      ({ name, value }) => `  http-request set-header ${name} ${value} if !trusted || !{ req.hdr(${name}) -m found }`,
    ),
    // One header with all addresses, as Traefik writes it.
    '  http-request set-header X-Forwarded-For "%[req.hdr(x-forwarded-for,1)], %[src]" if { req.hdr_cnt(x-forwarded-for) eq 1 }',
    '  http-request add-header X-Forwarded-For %[src] if !{ req.hdr_cnt(x-forwarded-for) eq 1 }',
    server,
  ]
}

export function tcpFrontend({ name, port }: EntryPoint, { addresses }: Surface, backend: string): Line[] {
  return lines([
    `frontend ${name}`,
    '  mode tcp',
    ...addresses.map(address => `  bind ${hostPort(address, port)}`),
    `  default_backend ${backend}`,
  ])
}
