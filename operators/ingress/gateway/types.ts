/** The parts of the Gateway API that are read and written here. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'

/** The API group. */
export const group = 'gateway.networking.k8s.io'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration?: number
  readonly lastTransitionTime?: string | undefined
}

export interface GatewayClass extends KubeObject {
  readonly spec: { readonly controllerName: string }
  readonly status?: {
    readonly conditions?: readonly Condition[]
    readonly supportedFeatures?: readonly { readonly name: string }[]
  }
}

export interface SecretReference {
  readonly group?: string
  readonly kind?: string
  readonly name: string
  readonly namespace?: string
}

export interface Listener {
  readonly name: string
  readonly hostname?: string
  readonly port: number
  readonly protocol: string
  readonly tls?: { readonly mode?: string; readonly certificateRefs?: readonly SecretReference[] }
  readonly allowedRoutes?: {
    readonly kinds?: readonly { readonly group?: string; readonly kind: string }[]
    readonly namespaces?: {
      readonly from?: string
      readonly selector?: {
        readonly matchLabels?: { readonly [key: string]: string }
        readonly matchExpressions?: readonly unknown[]
      }
    }
  }
}

export interface ListenerStatus {
  readonly name: string
  readonly attachedRoutes: number
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[]
  readonly conditions: readonly Condition[]
}

export interface Gateway extends KubeObject {
  readonly spec: { readonly gatewayClassName: string; readonly listeners: readonly Listener[] }
  readonly status?: {
    readonly addresses?: readonly { readonly type?: string; readonly value: string }[]
    readonly conditions?: readonly Condition[]
    readonly listeners?: readonly ListenerStatus[]
  }
}

export interface ParentReference {
  readonly group?: string
  readonly kind?: string
  readonly namespace?: string
  readonly name: string
  readonly sectionName?: string
  readonly port?: number
}

export interface HeaderModifier {
  readonly set?: readonly { readonly name: string; readonly value: string }[]
  readonly add?: readonly { readonly name: string; readonly value: string }[]
  readonly remove?: readonly string[]
}

export interface PathModifier {
  readonly type: 'ReplaceFullPath' | 'ReplacePrefixMatch'
  readonly replaceFullPath?: string
  readonly replacePrefixMatch?: string
}

export interface RouteFilter {
  readonly type: string
  readonly requestHeaderModifier?: HeaderModifier
  readonly responseHeaderModifier?: HeaderModifier
  readonly requestRedirect?: {
    readonly scheme?: string
    readonly hostname?: string
    readonly path?: PathModifier
    readonly port?: number
    readonly statusCode?: number
  }
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathModifier }
  readonly extensionRef?: { readonly group: string; readonly kind: string; readonly name: string }
}

export interface NamedMatch {
  readonly type?: 'Exact' | 'RegularExpression'
  readonly name: string
  readonly value: string
}

export interface RouteMatch {
  readonly path?: { readonly type?: 'Exact' | 'PathPrefix' | 'RegularExpression'; readonly value?: string }
  readonly headers?: readonly NamedMatch[]
  readonly queryParams?: readonly NamedMatch[]
  readonly method?: string
}

export interface BackendReference {
  readonly group?: string
  readonly kind?: string
  readonly name: string
  readonly namespace?: string
  readonly port?: number
  readonly weight?: number
  readonly filters?: readonly RouteFilter[]
}

export interface RouteRule {
  readonly matches?: readonly RouteMatch[]
  readonly filters?: readonly RouteFilter[]
  readonly backendRefs?: readonly BackendReference[]
  readonly timeouts?: { readonly request?: string; readonly backendRequest?: string }
}

export interface RouteParentStatus {
  readonly parentRef: ParentReference
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

export interface HttpRoute extends KubeObject {
  readonly spec: {
    readonly parentRefs?: readonly ParentReference[]
    readonly hostnames?: readonly string[]
    readonly rules?: readonly RouteRule[]
  }
  readonly status?: { readonly parents?: readonly RouteParentStatus[] }
}

export interface ReferenceGrant extends KubeObject {
  readonly spec: {
    readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
    readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[]
  }
}
