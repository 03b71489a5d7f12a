/**
 * Which fields of Traefik's custom resources have an effect here. All others are named in an event when somebody writes
 * them, those of later versions of Traefik included: nothing is ignored silently.
 */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Problem } from '../model/model.ts'

/** `true`: all below has an effect, or is reported where it is read. `[]` stands for the items of a list. */
export interface Fields {
  readonly [field: string]: true | Fields
}

const words = (text: string): { readonly [field: string]: true } =>
  Object.fromEntries(text.split(' ').map(word => [word, true]))

const reference = words('name namespace')
const sticky = { cookie: words('name secure httpOnly sameSite maxAge path domain') }
const source = { ...words('requestHeaderName requestHost'), ipStrategy: words('depth excludedIPs') }
const service = {
  ...words('name kind namespace port weight scheme passHostHeader nativeLB serversTransport middlewares'),
  sticky,
}

/** By kind, below spec. */
export const effective: Fields = {
  IngressRoute: {
    ...words('entryPoints ingressClassName parentRefs'),
    routes: {
      '[]': {
        ...words('match kind priority syntax parentRefs'),
        middlewares: { '[]': reference },
        services: { '[]': service },
      },
    },
    tls: { secretName: true, options: reference },
  },
  IngressRouteTCP: {
    ...words('entryPoints'),
    // There is only one route, so it needs no priority.
    routes: {
      '[]': {
        ...words('match priority syntax middlewares'),
        services: { '[]': words('name namespace port weight nativeLB') },
      },
    },
    // Refused as a whole.
    tls: true,
  },
  // Refused as a whole.
  IngressRouteUDP: words('entryPoints routes'),
  Middleware: {
    addPrefix: words('prefix'),
    basicAuth: words('secret realm removeHeader headerField'),
    chain: { middlewares: { '[]': reference } },
    compress: words('includedContentTypes excludedContentTypes'),
    headers: {
      ...words('customRequestHeaders customResponseHeaders'),
      ...words('accessControlAllowOriginList accessControlAllowOriginListRegex accessControlAllowMethods'),
      ...words('accessControlAllowHeaders accessControlExposeHeaders accessControlAllowCredentials'),
      ...words('accessControlMaxAge addVaryHeader customFrameOptionsValue frameDeny contentTypeNosniff'),
      ...words('customBrowserXSSValue browserXssFilter contentSecurityPolicy contentSecurityPolicyReportOnly'),
      ...words('referrerPolicy permissionsPolicy stsSeconds stsIncludeSubdomains stsPreload forceSTSHeader'),
      // Refused with the routes that use it.
      ...words('allowedHosts hostsProxyHeaders'),
    },
    ipAllowList: { ...words('sourceRange rejectStatusCode'), ipStrategy: source.ipStrategy },
    ipWhiteList: { sourceRange: true, ipStrategy: source.ipStrategy },
    rateLimit: { ...words('average burst period'), sourceCriterion: source },
    redirectRegex: words('regex replacement permanent'),
    redirectScheme: words('scheme port permanent'),
    replacePath: words('path'),
    replacePathRegex: words('regex replacement'),
    retry: words('attempts'),
    stripPrefix: words('prefixes'),
    stripPrefixRegex: words('regex'),
  },
  MiddlewareTCP: {},
  ServersTransport: {
    // Backends by https are spoken to in HTTP/1.1 in any case.
    ...words('insecureSkipVerify serverName rootCAsSecrets disableHTTP2'),
    rootCAs: { '[]': words('secret') },
  },
  ServersTransportTCP: {},
  TLSOption: {
    ...words('minVersion maxVersion cipherSuites curvePreferences alpnProtocols'),
    clientAuth: words('secretNames clientAuthType'),
  },
  TLSStore: { defaultCertificate: words('secretName'), certificates: { '[]': words('secretName') } },
  TraefikService: { weighted: { services: { '[]': service }, sticky } },
}

/** Annotations of Services and Ingresses, behind their prefix. */
const annotationPrefix = 'traefik.ingress.kubernetes.io/'
export const effectiveAnnotations =
  /^(router\.(entrypoints|middlewares|priority|tls|tls\.options|pathmatcher)|service\.(sticky\.cookie(\.(name|secure|httponly|samesite|maxage|path|domain))?|serversscheme|serverstransport|passhostheader|nativelb))$/

/** Paths of what is written but has no effect, as "spec.routes[0].observability". */
export function fieldsWithoutEffect({ kind, metadata, ...object }: KubeObject): string[] {
  const table = effective[kind ?? '']
  const fields = table === undefined || table === true ? [] : walk((object as { spec?: unknown }).spec, table, 'spec')
  const annotations = Object.keys(metadata.annotations ?? {}).filter(
    name => name.startsWith(annotationPrefix) && !effectiveAnnotations.test(name.slice(annotationPrefix.length)),
  )
  return [...fields, ...annotations.map(name => `annotation ${name}`)]
}

function walk(value: unknown, table: true | Fields | undefined, path: string): string[] {
  if (table === true || isUnset(value, path)) return []
  if (table === undefined) return [path]
  if (Array.isArray(value)) return value.flatMap((item, index) => walk(item, table['[]'], `${path}[${index}]`))
  if (typeof value !== 'object') return [path]
  return Object.entries(value as object).flatMap(([name, part]) => walk(part, own(table, name), `${path}.${name}`))
}

const own = (table: Fields, name: string): true | Fields | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined

/** What changes nothing in Traefik either: nothing, off, or the only strategy there is here. */
function isUnset(value: unknown, path: string): boolean {
  if (path.endsWith('.strategy')) return value === 'wrr' || value === 'RoundRobin'
  return value === undefined || value === null || value === false || value === '' || (Array.isArray(value) && !value[0])
}

const shown = 12
const known = new WeakMap<KubeObject, readonly Problem[]>()

/** The same as a problem of the object. */
export function effectProblems(object: KubeObject): readonly Problem[] {
  let problems = known.get(object)
  if (!problems) known.set(object, (problems = problemsOf(object)))
  return problems
}

function problemsOf(object: KubeObject): Problem[] {
  const fields = fieldsWithoutEffect(object)
  if (fields.length === 0) return []
  const more = fields.length > shown ? ` and ${fields.length - shown} more` : ''
  const verb = fields.length > 1 ? 'have' : 'has'
  const message = `${fields.slice(0, shown).join(', ')}${more} ${verb} no effect here`
  return [{ owner: object, reason: 'NoEffect', message }]
}
