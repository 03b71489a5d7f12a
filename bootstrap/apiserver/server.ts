/** The API server as one function from request to response, independent of how requests arrive. */
import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Authenticator } from './auth/authenticate.ts'
import type { Authorizer } from './auth/authorizer.ts'
import type { UserInfo } from './auth/user.ts'
import { createHandler } from './handler.ts'
import type { HealthCheck } from './http/health.ts'
import { createHealth } from './http/health.ts'
import type { Listening, ListenOptions } from './http/listener.ts'
import type { ApiRequest, ApiResponse } from './http/message.ts'
import { RequestMetrics } from './http/metrics.ts'
import type { RequestInfo } from './http/requestinfo.ts'
import type { Clock } from './kinds/kind.ts'
import type { KindRegistry } from './schema/registry.ts'
import type { Store } from './store/store.ts'
import type { NodeConnect, ProxyDialer } from './subresources/backends.ts'
import type { TokenIssuer } from './subresources/token.ts'
import { createUpgradeHandler, type UpgradeHandler } from './upgrade.ts'
import type { AdmissionChain, Call, VerbDeps, WriteHook } from './verbs/call.ts'

/** Answers paths outside the API (discovery, OpenAPI, the supervisor's routes); undefined: not mine. */
export type Route = (
  request: ApiRequest,
  user: UserInfo | undefined,
) => Promise<ApiResponse | undefined> | ApiResponse | undefined

/** Answers a kind that stores nothing. Resolves with the review, its status filled in. */
export type Review = (object: never, user: UserInfo, call: Call) => Promise<object>

export interface ApiServerDeps {
  readonly store: Store
  readonly registry: KindRegistry
  readonly authenticator: Pick<Authenticator, 'authenticate'>
  readonly authorizer: Authorizer
  readonly admission: AdmissionChain
  readonly clock: Clock
  readonly random?: () => number
  readonly uid?: () => string
  /** What /version answers. */
  readonly version: { readonly [field: string]: string }
  /** Tried first, before authentication: the supervisor's routes. */
  readonly routes?: Route
  /** Paths of the API that are no resource, after authorization: discovery, OpenAPI, OpenID. */
  readonly documents?: readonly Route[]
  readonly hooks?: ReadonlyMap<string, WriteHook>
  readonly reviews?: ReadonlyMap<string, Review>
  readonly tokenIssuer?: TokenIssuer
  readonly nodeConnect?: NodeConnect
  readonly proxyDialer?: ProxyDialer
  readonly healthChecks?: readonly HealthCheck[]
  /** Told of failures that are the server's own. */
  readonly log?: { error(fields: object, message: string): void }
  /** Upgrade requests outside the API, tried first (the agents' tunnel). Resolves true when it took the socket over. */
  readonly upgradeRoutes?: (request: ApiRequest, socket: Duplex, head: Buffer) => Promise<boolean>
  /** Upgrade requests of aggregated APIs. */
  readonly delegateUpgrade?: (
    request: ApiRequest,
    user: UserInfo,
    socket: Duplex,
    head: Buffer,
    info: RequestInfo,
  ) => Promise<boolean>
  /** Groups served by someone else (aggregation), tried before a resource is looked up. Undefined: not mine. */
  readonly delegate?: (
    request: ApiRequest,
    user: UserInfo,
    info: RequestInfo,
    longRunning: boolean,
  ) => Promise<ApiResponse> | undefined
}

export interface ApiServer {
  readonly deps: ApiServerDeps
  readonly verbs: VerbDeps
  readonly metrics: RequestMetrics
  handle(request: ApiRequest): Promise<ApiResponse>
  /** Takes over the socket of an upgrade request. */
  readonly upgrade: UpgradeHandler
  /** Until then every path of the API answers 503. */
  setReady(): void
  readonly ready: boolean
  /** Serves HTTP/1.1 and HTTP/2 over TLS. */
  listen(options: ListenOptions): Promise<Listening>
}

export function createApiServer(deps: ApiServerDeps): ApiServer {
  let ready = false
  const verbs: VerbDeps = {
    store: deps.store,
    registry: deps.registry,
    admission: deps.admission,
    authorizer: deps.authorizer,
    clock: deps.clock,
    random: deps.random ?? Math.random,
    uid: deps.uid ?? randomUUID,
    hooks: deps.hooks ?? new Map(),
  }
  const metrics = new RequestMetrics()
  const health = createHealth(() => ready, deps.store, deps.healthChecks ?? [])
  const parts = { deps, verbs, metrics, health, ready: () => ready }
  const handle = createHandler(parts)
  const upgrade = createUpgradeHandler(parts, handle)
  return {
    deps,
    verbs,
    metrics,
    handle,
    upgrade,
    setReady: () => {
      ready = true
    },
    get ready() {
      return ready
    },
    async listen(options) {
      const { listen } = await import('./http/listener.ts')
      return await listen(handle, { onUpgrade: upgrade, ...options })
    },
  }
}
