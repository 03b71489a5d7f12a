/**
 * Routing in neutral terms: what Ingress, IngressRoute and HTTPRoute are translated to, and all that the data plane is
 * told. Plain data; nothing here knows Kubernetes beyond the name of an object's owner.
 */
import type { KubeObject } from '../../../bootstrap/api/object.ts'

/** The object a part of the routing comes from: whom to tell when it cannot be served. */
export type Owner = Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>

export interface Problem {
  readonly owner: Owner
  /** CamelCase, the reason of the event. */
  readonly reason: string
  readonly message: string
}

export interface PathMatch {
  /** `segments`: a prefix by whole path elements (Ingress, Gateway); `text`: of the characters (Traefik). */
  readonly type: 'exact' | 'segments' | 'text'
  readonly value: string
}

/** A test of a request. Values are literal unless the name says regex. */
export type Test =
  | { readonly type: 'host'; readonly value: string }
  | { readonly type: 'hostRegex'; readonly pattern: string }
  | { readonly type: 'path'; readonly path: PathMatch }
  | { readonly type: 'pathRegex'; readonly pattern: string }
  | { readonly type: 'header'; readonly name: string; readonly value: string }
  | { readonly type: 'headerRegex'; readonly name: string; readonly pattern: string }
  | { readonly type: 'query'; readonly name: string; readonly value: string | undefined }
  | { readonly type: 'queryRegex'; readonly name: string; readonly pattern: string }
  | { readonly type: 'method'; readonly value: string }
  | { readonly type: 'clientIp'; readonly ranges: readonly string[] }

export interface Condition {
  readonly negated: boolean
  readonly test: Test
}

/**
 * One way to match a request. `simple` ones are looked up in maps: host is a name, "*.name" for exactly one more label,
 * or undefined for any. `conditions` must all hold, and are tried one after another.
 */
export type Match =
  | { readonly type: 'simple'; readonly host: string | undefined; readonly path: PathMatch }
  | { readonly type: 'default' }
  | { readonly type: 'conditions'; readonly all: readonly Condition[] }

export interface Router {
  /** As Traefik names it, e.g. "default-web-example-com@kubernetes". */
  readonly name: string
  readonly owner: Owner
  readonly entryPoints: readonly string[]
  readonly matches: readonly Match[]
  /** Compared with other routers of Traefik's kinds; Traefik's default is the length of the rule. */
  readonly priority: number
  /** Compared among HTTPRoutes: the precedence of the Gateway API as one number. */
  readonly rank: number
  readonly target: Target
}

export type Target =
  | { readonly type: 'pool'; readonly pool: Pool; readonly filters: readonly Filter[] }
  | { readonly type: 'answer'; readonly status: number; readonly filters: readonly Filter[] }

/** Where requests go: endpoints of one or several services, each with a share. */
export interface Pool {
  /** Readable, unique among pools that differ in anything but their endpoints. */
  readonly name: string
  readonly members: readonly PoolMember[]
  readonly protocol: 'http' | 'h2c' | 'https' | 'https-h2'
  readonly sticky: Sticky | undefined
  readonly passHost: boolean
  /** Only for https: undefined verifies against the system's authorities. */
  readonly tls: PoolTls | undefined
}

export interface PoolTls {
  readonly verify: boolean
  readonly serverName: string | undefined
  /** PEM of the authorities to believe instead of the system's. */
  readonly authorities?: string | undefined
}

export interface PoolMember {
  readonly weight: number
  readonly endpoints: readonly Endpoint[]
  /** Requests of this share are answered 500: the reference is invalid (Gateway API). */
  readonly invalid?: boolean
}

export interface Endpoint {
  readonly address: string
  readonly port: number
  /** `draining` endpoints end: they get no new clients, those bound to them by a cookie may finish. */
  readonly state: 'ready' | 'draining'
}

export interface Sticky {
  readonly name: string
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: string | undefined
  readonly path: string | undefined
  readonly domain: string | undefined
  readonly maxAge: number | undefined
}

export interface HeaderChange {
  readonly set: readonly HeaderValue[]
  readonly add: readonly HeaderValue[]
  readonly remove: readonly string[]
}

export interface HeaderValue {
  readonly name: string
  readonly value: string
}

export interface Cors {
  readonly origins: readonly string[]
  readonly originRegexes: readonly string[]
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly credentials: boolean
  readonly maxAge: number | undefined
  readonly addVary: boolean
}

/** Which client a limit or a list is about. */
export type Source =
  | { readonly type: 'address' }
  /** The entry this far from the end of X-Forwarded-For, 1 being the last. */
  | { readonly type: 'forwarded'; readonly depth: number }
  | { readonly type: 'header'; readonly name: string }
  | { readonly type: 'host' }

/** What happens to a request on its way, in order. */
export type Filter =
  | { readonly type: 'stripPrefix'; readonly prefixes: readonly string[] }
  | { readonly type: 'stripPrefixRegex'; readonly patterns: readonly string[] }
  | { readonly type: 'addPrefix'; readonly prefix: string }
  | { readonly type: 'replacePath'; readonly path: string; readonly keepOriginal: boolean }
  | { readonly type: 'replacePathRegex'; readonly pattern: string; readonly replacement: string }
  /** By whole path elements. */
  | { readonly type: 'replacePrefix'; readonly prefix: string; readonly replacement: string }
  | { readonly type: 'replaceHost'; readonly host: string }
  | {
      readonly type: 'redirect'
      readonly scheme: string | undefined
      readonly host: string | undefined
      readonly port: number | undefined
      readonly path: { readonly type: 'full' | 'prefix'; readonly prefix: string; readonly value: string } | undefined
      readonly status: number
      /** Traefik's redirectScheme leaves requests alone that have the scheme already. */
      readonly unlessScheme: boolean
    }
  | {
      readonly type: 'redirectRegex'
      readonly pattern: string
      readonly replacement: string
      readonly permanent: boolean
    }
  | { readonly type: 'requestHeaders'; readonly change: HeaderChange }
  | { readonly type: 'responseHeaders'; readonly change: HeaderChange }
  | { readonly type: 'cors'; readonly cors: Cors }
  | {
      readonly type: 'basicAuth'
      readonly users: readonly { readonly name: string; readonly hash: string }[]
      readonly realm: string
      readonly removeHeader: boolean
      readonly headerField: string | undefined
    }
  | { readonly type: 'rateLimit'; readonly requests: number; readonly periodMs: number; readonly source: Source }
  | {
      readonly type: 'ipAllowList'
      readonly ranges: readonly string[]
      readonly source: Source
      readonly status: number
    }
  | { readonly type: 'retry'; readonly attempts: number }
  | { readonly type: 'compress'; readonly types: readonly string[]; readonly minBytes: number }
  | { readonly type: 'timeout'; readonly requestMs: number }

/** TLS settings of hosts, of a TLSOption. */
export interface TlsSettings {
  readonly minVersion: string | undefined
  readonly maxVersion: string | undefined
  readonly ciphers: readonly string[]
  readonly curves: readonly string[]
  readonly alpn: readonly string[]
  /** PEM of the authorities a client's certificate must come from. */
  readonly clientCa: string | undefined
  readonly clientAuth: 'none' | 'optional' | 'required'
}

export interface Certificate {
  /** Readable and unique, e.g. "default/web-tls". */
  readonly name: string
  /** Certificate chain and key. */
  readonly pem: string
  /** Names it is served for, "*.name" included. */
  readonly hosts: readonly string[]
}

export interface TcpRouter {
  readonly name: string
  readonly owner: Owner
  readonly entryPoint: string
  readonly pool: Pool
}

export interface Model {
  readonly routers: readonly Router[]
  readonly tcpRouters: readonly TcpRouter[]
  readonly certificates: readonly Certificate[]
  /** Undefined: the self-signed one. */
  readonly defaultCertificate: Certificate | undefined
  /** By host; "*" for all others. */
  readonly tlsSettings: ReadonlyMap<string, TlsSettings>
  readonly problems: readonly Problem[]
}
