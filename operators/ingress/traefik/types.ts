/** The parts of Traefik's custom resources that are read here. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'

export interface ServiceReference {
  readonly name: string
  readonly kind?: 'Service' | 'TraefikService'
  readonly namespace?: string
  readonly port?: number | string
  readonly weight?: number
  readonly scheme?: string
  readonly passHostHeader?: boolean
  readonly nativeLB?: boolean
  readonly serversTransport?: string
  readonly sticky?: StickySpec
  readonly middlewares?: readonly NamedReference[]
}

export interface StickySpec {
  readonly cookie?: {
    readonly name?: string
    readonly secure?: boolean
    readonly httpOnly?: boolean
    readonly sameSite?: string
    readonly maxAge?: number
    readonly path?: string
    readonly domain?: string
  }
}

export interface NamedReference {
  readonly name: string
  readonly namespace?: string
}

export interface RouteSpec {
  readonly match: string
  readonly kind?: 'Rule'
  readonly priority?: number
  readonly syntax?: string
  readonly middlewares?: readonly NamedReference[]
  readonly services?: readonly ServiceReference[]
  readonly parentRefs?: readonly unknown[]
}

export interface IngressRoute extends KubeObject {
  readonly spec: {
    readonly ingressClassName?: string
    readonly parentRefs?: readonly unknown[]
    readonly entryPoints?: readonly string[]
    readonly routes: readonly RouteSpec[]
    readonly tls?: {
      readonly secretName?: string
      readonly options?: NamedReference
      readonly certResolver?: string
      readonly domains?: readonly { readonly main?: string; readonly sans?: readonly string[] }[]
    }
  }
}

export interface IngressRouteTcp extends KubeObject {
  readonly spec: {
    readonly entryPoints?: readonly string[]
    readonly routes: readonly {
      readonly match: string
      readonly services?: readonly ServiceReference[]
      readonly middlewares?: readonly NamedReference[]
    }[]
    readonly tls?: { readonly passthrough?: boolean; readonly secretName?: string }
  }
}

/** One field of the spec is set: the kind of middleware. */
export interface Middleware extends KubeObject {
  readonly spec: { readonly [kind: string]: unknown }
}

export interface TraefikService extends KubeObject {
  readonly spec: {
    readonly weighted?: { readonly services?: readonly ServiceReference[]; readonly sticky?: StickySpec }
    readonly mirroring?: ServiceReference & { readonly mirrors?: readonly unknown[] }
    readonly highestRandomWeight?: unknown
  }
}

export interface TlsOption extends KubeObject {
  readonly spec: {
    readonly minVersion?: string
    readonly maxVersion?: string
    readonly cipherSuites?: readonly string[]
    readonly curvePreferences?: readonly string[]
    readonly alpnProtocols?: readonly string[]
    readonly sniStrict?: boolean
    readonly clientAuth?: { readonly secretNames?: readonly string[]; readonly clientAuthType?: string }
  }
}

export interface TlsStore extends KubeObject {
  readonly spec: {
    readonly defaultCertificate?: { readonly secretName: string }
    readonly certificates?: readonly { readonly secretName: string }[]
  }
}

export interface ServersTransport extends KubeObject {
  readonly spec: {
    readonly insecureSkipVerify?: boolean
    readonly serverName?: string
    readonly rootCAsSecrets?: readonly string[]
    readonly rootCAs?: readonly { readonly secret?: string }[]
  }
}
