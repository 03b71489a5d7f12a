/** Aggregation as one piece: the API server gets what it needs to serve other servers' groups as its own. */
import type { Duplex } from 'node:stream'
import type { KubeObject, Metadata } from '../../../api/object.ts'
import type { Client } from '../../../client/client.ts'
import type { Clock } from '../../../client/clock.ts'
import type { ObjectReader } from '../../admission/plugin.ts'
import { followStore } from '../../auth/follow.ts'
import type { UserInfo } from '../../auth/user.ts'
import type { ExternalVersion } from '../../discovery/documents.ts'
import type { ApiRequest, ApiResponse } from '../../http/message.ts'
import type { RequestInfo } from '../../http/requestinfo.ts'
import type { ForeignDocument } from '../../openapi/foreign.ts'
import type { KindRegistry } from '../../schema/registry.ts'
import type { Store } from '../../store/store.ts'
import type { ConnectVia } from '../../subresources/backends.ts'
import { keepTrustPublished, type Trust } from './authentication-config.ts'
import { Availability } from './availability.ts'
import { connections, type ProxyIdentity } from './connections.ts'
import { proxyRequest, proxyUpgrade, remoteOf } from './proxy.ts'
import { keepRegistered } from './registration.ts'
import { RemoteServices } from './services.ts'

export interface AggregationOptions {
  readonly store: Store
  readonly reader: ObjectReader
  readonly registry: KindRegistry
  /** Acts as the server itself. */
  readonly client: () => Client
  readonly clock: Clock
  readonly random: () => number
  /** Undefined where nothing is told about front proxies: then aggregated servers cannot know who asks. */
  readonly identity: ProxyIdentity | undefined
  readonly trust: Trust
  /** The way to addresses that are not simply dialled. */
  readonly via?: ConnectVia | undefined
  readonly onError: (error: unknown, name: string) => void
  readonly background: (work: Promise<void>) => void
  readonly signal: AbortSignal
}

export interface Aggregation {
  /** Answers what another server serves; undefined: this one does. */
  delegate(
    request: ApiRequest,
    user: UserInfo,
    info: RequestInfo,
    longRunning: boolean,
  ): Promise<ApiResponse> | undefined
  /** Resolves true when it took the socket over. */
  delegateUpgrade(
    request: ApiRequest,
    user: UserInfo,
    socket: Duplex,
    head: Buffer,
    info: RequestInfo,
  ): Promise<boolean>
  /** For discovery; a new array whenever it changed. */
  external(): readonly ExternalVersion[]
  /** URLs of OpenAPI documents of others, by "apis/GROUP/VERSION". */
  openApi(): ReadonlyMap<string, string>
  /** The OpenAPI v2 documents of others, as far as they answer. */
  openApiV2(): Promise<readonly ForeignDocument[]>
  /** Answers /openapi/v3/apis/GROUP/VERSION of others. */
  openApiDocument(request: ApiRequest): Promise<ApiResponse> | undefined
  /** Starts to look after APIServices and the ConfigMap of trust. */
  start(): Promise<void>
}

const openApiUser: UserInfo = { name: 'system:aggregator', uid: '', groups: [], extra: {} }

export async function aggregation(options: AggregationOptions): Promise<Aggregation> {
  const { store, reader, clock, random, onError, background, signal } = options
  const services = await store.resource('apiregistration.k8s.io', 'apiservices', false)
  const slices = await store.resource('discovery.k8s.io', 'endpointslices', true)
  const remotes = new RemoteServices()
  const connect = connections(options.identity, signal, { via: options.via })
  const parts = { remotes, connect, reader, slices, random }
  let availability: Availability | undefined
  background(remotes.follow(services, signal))
  return {
    delegate(request, user, info, longRunning) {
      const remote = remoteOf(remotes, request, info)
      return remote && proxyRequest(parts, remote, request, user, longRunning)
    },
    async delegateUpgrade(request, user, socket, head, info) {
      const remote = remoteOf(remotes, request, info)
      if (remote) await proxyUpgrade(parts, remote, request, user, socket, head)
      return remote !== undefined
    },
    external: () => availability?.external() ?? none,
    openApi: () => availability?.openApi() ?? noUrls,
    openApiV2: async () => (await availability?.openApiV2()) ?? [],
    openApiDocument(request) {
      const path = /^\/openapi\/v3\/apis\/([^/]+)\/([^/]+)$/.exec(request.path)
      const remote = path ? remotes.find(path[1]!, path[2]!) : undefined
      return remote && proxyRequest(parts, remote, request, openApiUser, false)
    },
    async start() {
      const client = options.client()
      const looking = new Availability({ ...parts, alone: !store.shared, client, clock, signal, onError })
      availability = looking
      for (const { name } of remotes.all()) looking.wake(name)
      const ofService = (nameOf: (metadata: Metadata) => string | undefined) => {
        const changed = ({ metadata }: KubeObject) =>
          looking.serviceChanged(metadata.namespace ?? '', nameOf(metadata) ?? '')
        return { clear: () => {}, set: changed, delete: changed }
      }
      background(
        followStore(
          await store.resource('', 'services', true),
          ofService(({ name }) => name),
          signal,
        ),
      )
      background(
        followStore(
          slices,
          ofService(({ labels }) => labels?.['kubernetes.io/service-name']),
          signal,
        ),
      )
      const configMaps = await store.resource('', 'configmaps', true)
      const publishing = {
        store: configMaps,
        client,
        now: () => clock.now(),
        onError: (error: unknown) => onError(error, ''),
      }
      background(keepTrustPublished(options.trust, publishing, signal))
      background(keepRegistered({ registry: options.registry, services, client, onError }, signal))
    },
  }
}

const none: readonly ExternalVersion[] = []
const noUrls: ReadonlyMap<string, string> = new Map()
