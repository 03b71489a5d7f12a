/** What the Gateway API's part reads and gives back. */
import type { Certificate, Router } from '../model/model.ts'
import type {
  Condition,
  Gateway,
  GatewayClass,
  HttpRoute,
  ListenerStatus,
  ReferenceGrant,
  RouteParentStatus,
} from './types.ts'

export interface GatewaySources {
  readonly classes: readonly GatewayClass[]
  readonly gateways: readonly Gateway[]
  readonly routes: readonly HttpRoute[]
  readonly grants: readonly ReferenceGrant[]
  labelsOf(namespace: string): { readonly [key: string]: string }
}

export interface GatewayVerdict {
  readonly gateway: Gateway
  readonly conditions: readonly Condition[]
  readonly listeners: readonly ListenerStatus[]
}

export interface GatewayResult {
  readonly routers: readonly Router[]
  readonly certificates: readonly Certificate[]
  readonly classes: readonly GatewayClass[]
  readonly gateways: readonly GatewayVerdict[]
  readonly routes: readonly { readonly route: HttpRoute; readonly parents: readonly RouteParentStatus[] }[]
}
