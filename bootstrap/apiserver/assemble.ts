/** Puts the API server together from its parts, over one datastore. */
import type { KubeObject } from '../api/object.ts'
import type { Client } from '../client/client.ts'
import type { Datastore } from '../datastore/datastore.ts'
import type { PasswdEntry } from '../pki/token.ts'
import { gitVersion, versionInfo } from '../version.ts'
import { admissionChain } from './admission/chain.ts'
import type { AdmissionPlugin, ObjectReader } from './admission/plugin.ts'
import { sharedReservations } from './admission/quota-reservations.ts'
import { followAggregation } from './auth/aggregation.ts'
import { createAuthenticator } from './auth/authenticate.ts'
import { type Authorizer, createAuthorizer } from './auth/authorizer.ts'
import { BindingIndex } from './auth/bindings.ts'
import { nodeRules, reconcileBootstrapRoles } from './auth/bootstrap-roles.ts'
import { createNodeAuthorizer } from './auth/node.ts'
import { NodePods } from './auth/node-pods.ts'
import { createRbac, rbacGroup } from './auth/rbac.ts'
import { rbacResources, rbacWriter } from './auth/rbac-writer.ts'
import { reviews } from './auth/reviews.ts'
import { issuerOf } from './auth/token-issuer.ts'
import type { ServiceAccountTokens } from './auth/tokens.ts'
import { serviceAccountTokens } from './auth/tokens.ts'
import type { UserInfo } from './auth/user.ts'
import { discovery } from './discovery/discovery.ts'
import { type Aggregation, type AggregationOptions, aggregation } from './extension/aggregation/aggregation.ts'
import type { ProxyIdentity } from './extension/aggregation/connections.ts'
import { CustomResources } from './extension/crd-controller.ts'
import { customResourceDefinitionStrategy } from './extension/crd-strategy.ts'
import { webhookAdmission } from './extension/webhooks/webhooks.ts'
import { aggregatedOpenApiRoute, discoveryRoute, openApiRoute, openIdRoute } from './http/documents.ts'
import { inProcessClient } from './inprocess.ts'
import { strategyOf } from './kinds/index.ts'
import type { Strategy } from './kinds/kind.ts'
import { keepKubernetesService } from './kubernetes-service.ts'
import { openapi } from './openapi/openapi.ts'
import { Presence, type PresenceOptions } from './peers/presence.ts'
import { objectReader } from './reader.ts'
import { type KindRegistry, kindRegistry } from './schema/registry.ts'
import { type ApiServer, type ApiServerDeps, createApiServer } from './server.ts'
import { ServiceAllocator } from './services/allocator.ts'
import { Claims } from './services/claims.ts'
import { ensureServiceCidr, followIpAddresses, type IpAddressParts } from './services/ip-addresses.ts'
import { SharedAllocator } from './services/shared-allocator.ts'
import { openStore } from './store/open-store.ts'
import type { Store } from './store/store.ts'
import type { ConnectVia } from './subresources/backends.ts'
import { clusterDialer } from './subresources/direct-dialer.ts'
import type { WriteHook } from './verbs/call.ts'
import { catchUp } from './verbs/newest.ts'

/** How long after another server has begun to empty a namespace this one may still let something into it. */
const letInForMs = 1000

/** The server acting for itself. */
export const serverUser: UserInfo = { name: 'system:apiserver', uid: '', groups: ['system:masters'], extra: {} }

export interface AssembleOptions
  extends Pick<ApiServerDeps, 'routes' | 'upgradeRoutes' | 'nodeConnect' | 'proxyDialer' | 'healthChecks' | 'random'> {
  readonly datastore: Datastore
  readonly clock: { now(): number; sleep(ms: number, signal: AbortSignal): Promise<void> }
  /** PEM. */
  readonly clientCa: string
  readonly requestHeaderCa?: string
  readonly requestHeaderNames?: readonly string[]
  /** The way to addresses in the cluster that are not simply dialled: of pods, aggregated servers and webhooks. */
  readonly via?: ConnectVia
  /** The certificate and key by which aggregated servers know this one. */
  readonly proxyIdentity?: ProxyIdentity
  readonly anonymous?: boolean
  /** Who may log in to the supervisor's routes by password. */
  readonly passwd?: () => readonly PasswdEntry[]
  readonly serviceAccounts: {
    readonly issuer: string
    readonly audiences: readonly string[]
    readonly keys: { readonly signing: string; readonly all: readonly string[] }
  }
  readonly serviceCidrs: readonly string[]
  readonly nodePorts?: readonly [number, number]
  readonly embeddedModules?: () => ReadonlySet<string>
  /** Policies; they come before the webhooks. */
  readonly admissionExtensions?: (parts: {
    registry: KindRegistry
    store: Store
    reader: ObjectReader
  }) => readonly AdmissionPlugin[]
  /** host:port for clients, in the oldest discovery document. */
  readonly serverAddress?: string
  readonly log?: Logger
  /** Ends everything that runs in the background. */
  readonly signal: AbortSignal
}

interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface AssembledServer {
  readonly server: ApiServer
  readonly store: Store
  readonly registry: KindRegistry
  readonly reader: ObjectReader
  readonly tokens: ServiceAccountTokens
  readonly authenticator: ReturnType<typeof createAuthenticator>
  readonly authorizer: Authorizer
  client(user?: UserInfo): Client
  /** Creates the objects every cluster has, then answers requests. */
  start(options: PresenceOptions): Promise<void>
  /** Takes this server off the list of those that clients are sent to. */
  leave(): Promise<void>
  /** Clients and nodes reach this server at another address from now on. */
  advertise(ip: string): Promise<void>
  /** Ends what runs in the background and stops the caches; the datastore stays the caller's. */
  close(): Promise<void>
}

export async function assembleApiServer(given: AssembleOptions): Promise<AssembledServer> {
  const closing = new AbortController()
  const options = { ...given, signal: AbortSignal.any([given.signal, closing.signal]) }
  const { datastore, clock, signal } = options
  const store = await openStore({ datastore, clock, ...(options.log ? { log: options.log } : {}) })
  const reader = await objectReader(store)
  const registry = kindRegistry(strategyWithExtensions)
  const tokens = serviceAccountTokens({ ...options.serviceAccounts, reader, clock })
  const authenticator = createAuthenticator({
    clientCaPem: options.clientCa,
    ...(options.requestHeaderCa === undefined ? {} : { requestHeaderCaPem: options.requestHeaderCa }),
    ...(options.requestHeaderNames === undefined ? {} : { requestHeaderNames: options.requestHeaderNames }),
    tokens,
    reader,
    catchUp: () => catchUp(store),
    anonymous: options.anonymous ?? false,
    ...(options.passwd ? { passwd: options.passwd } : {}),
    clock,
  })
  const background = (work: Promise<void>) => {
    work.catch((err: unknown) => options.log?.error({ err }, 'background work of the API server ended'))
  }
  const { authorizer, rbac } = await authorization(store, reader, signal, background)
  const allocator = new ServiceAllocator({
    serviceCidrs: options.serviceCidrs,
    ...(options.nodePorts ? { nodePorts: options.nodePorts } : {}),
    ...(options.random ? { random: options.random } : {}),
  })
  const services = await store.resource('', 'services', true)
  background(allocator.follow(services, signal))
  const claims = store.shared ? new Claims(datastore) : undefined
  const extensions = [
    ...(options.admissionExtensions?.({ registry, store, reader }) ?? []),
    ...(await webhookAdmission({ ...options, registry, store, reader, background })),
  ]
  const { audiences } = options.serviceAccounts
  const self = () => inProcessClient(server, serverUser)
  const others = await aggregated(options, { store, reader, registry, background, client: self })
  const server = createApiServer({
    proxyDialer: clusterDialer(options.via),
    ...options,
    delegate: others.delegate,
    delegateUpgrade: others.delegateUpgrade,
    store,
    registry,
    authenticator,
    authorizer,
    admission: admissionChain({
      reader,
      recent: () => store.recent(letInForMs),
      clock,
      rbac,
      authorizer,
      embeddedModules: options.embeddedModules ?? (() => new Set()),
      ...(store.shared
        ? { reservations: sharedReservations({ datastore, reader, clock, fresh: () => store.fresh() }) }
        : {}),
      extensions,
    }),
    version: versionInfo,
    hooks: new Map<string, WriteHook>([
      ['/services', claims ? new SharedAllocator(allocator, claims, clock) : allocator],
    ]),
    reviews: reviews({ authenticator, authorizer, rbac, audiences, clock }),
    tokenIssuer: issuerOf(tokens),
    documents: [
      discoveryRoute(discovery(registry, { serverAddress: options.serverAddress ?? '', external: others.external })),
      openIdRoute(tokens),
      aggregatedOpenApiRoute(others),
      openApiRoute(
        openapi(registry, { version: gitVersion, signal, external: others.openApi, foreign: others.openApiV2 }),
      ),
    ],
  })
  let presence: Presence | undefined
  const client = (user: UserInfo = serverUser) => inProcessClient(server, user)
  return {
    server,
    store,
    registry,
    reader,
    tokens,
    authenticator,
    authorizer,
    client,
    async start(bootstrap) {
      const customResources = new CustomResources({
        registry,
        store,
        clock,
        onError: (err, name) => options.log?.error({ err, name }, 'custom resource definition'),
      })
      await customResources.start(signal)
      const self = client()
      const place = new Presence(
        {
          client,
          shared: store.shared ? datastore : undefined,
          clock,
          serviceAddress: () => allocator.apiServerAddress,
          onError: err => options.log?.warn({ err }, 'cannot renew the lease of this server'),
        },
        bootstrap,
      )
      await place.begin()
      await claims?.adopt(Array.from(services.all(), ({ object }) => object))
      await place.restore()
      await reconcileBootstrapRoles(rbacWriter(self))
      const clusterRoles = await store.resource(rbacGroup, 'clusterroles', false)
      const update = (role: KubeObject) => self.update(rbacResources.clusterroles, role)
      background(followAggregation(clusterRoles, update, signal))
      background(ensureServiceCidr(self, options.serviceCidrs, clock.now()))
      background(followIpAddresses(await ipAddressParts(store, self, options.log), signal))
      const onError = (err: unknown) => options.log?.error({ err }, 'Service default/kubernetes')
      background(keepKubernetesService(store, place.restore, onError, signal))
      await others.start()
      server.setReady()
      if (claims)
        background(claims.run(services, clock, err => options.log?.warn({ err }, 'service allocations'), signal))
      background(place.keep(signal))
      presence = place
    },
    advertise: async ip => presence?.advertise(ip),
    leave: async () => presence?.leave(),
    close() {
      // First: what follows a closed store is told at once, and for ever, to begin again.
      closing.abort()
      return store.close()
    },
  }
}

async function ipAddressParts(store: Store, client: Client, log: Logger | undefined): Promise<IpAddressParts> {
  return {
    services: await store.resource('', 'services', true),
    addresses: await store.resource('networking.k8s.io', 'ipaddresses', false),
    client,
    onError: (err, address) => log?.error({ err, address }, 'IPAddress'),
  }
}

function aggregated(
  options: AssembleOptions,
  parts: Pick<AggregationOptions, 'store' | 'reader' | 'registry' | 'background' | 'client'>,
): Promise<Aggregation> {
  const { clock, signal, clientCa, requestHeaderCa = '', requestHeaderNames = [], random = Math.random } = options
  return aggregation({
    ...parts,
    clock,
    random,
    signal,
    identity: options.proxyIdentity,
    via: options.via,
    trust: { clientCa, requestHeaderCa, allowedNames: requestHeaderNames },
    onError: (err, name) => {
      // What was under way when the server stopped fails, and nobody need know.
      if (!signal.aborted) options.log?.error({ err, name }, 'APIService')
    },
  })
}

function strategyWithExtensions(group: string, kind: string): Strategy {
  const definition = group === 'apiextensions.k8s.io' && kind === 'CustomResourceDefinition'
  return definition ? customResourceDefinitionStrategy : strategyOf(group, kind)
}

async function authorization(
  store: Store,
  reader: ObjectReader,
  signal: AbortSignal,
  background: (work: Promise<void>) => void,
) {
  const bindings = new BindingIndex()
  const pods = new NodePods()
  background(bindings.follow(await store.resource(rbacGroup, 'rolebindings', true), signal))
  background(bindings.follow(await store.resource(rbacGroup, 'clusterrolebindings', false), signal))
  background(pods.follow(await store.resource('', 'pods', true), signal))
  const rbac = createRbac(reader, bindings)
  const node = createNodeAuthorizer({ reader, pods, rules: nodeRules() })
  return { rbac, authorizer: createAuthorizer([node, rbac]) }
}
