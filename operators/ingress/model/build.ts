/** All sources together: the routing of the whole cluster as it is now. */

import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Ingress, IngressClass, Secret } from '../../../bootstrap/client/resources.ts'
import { translateHttpRoutes } from '../gateway/routes.ts'
import type { GatewayResult, GatewaySources } from '../gateway/sources.ts'
import { isOurRoute, isOurs } from '../ingress/classes.ts'
import { type TranslatedIngress, translateIngress } from '../ingress/translate.ts'
import type { Settings } from '../settings.ts'
import type { Steps } from '../slices.ts'
import { type Sources, Unusable } from '../sources.ts'
import { effectProblems } from '../traefik/effects.ts'
import { filtersOf } from '../traefik/middlewares.ts'
import { type TranslatedRoute, translateIngressRoute, translateTcp } from '../traefik/routes.ts'
import { tlsSettingsOf } from '../traefik/tls.ts'
import { transportTls } from '../traefik/transport.ts'
import type {
  IngressRoute,
  IngressRouteTcp,
  Middleware,
  ServersTransport,
  TlsOption,
  TlsStore,
  TraefikService,
} from '../traefik/types.ts'
import { BadCertificate, certificateOf } from './certificates.ts'
import type { Certificate, Filter, Model, Owner, Problem, Router, TlsSettings } from './model.ts'
import type { ServiceIndex } from './pools.ts'

/** What a build reads; the informers of the controller, or tables in tests. */
export interface Snapshot {
  readonly ingresses: readonly Ingress[]
  readonly ingressClasses: readonly IngressClass[]
  readonly ingressRoutes: readonly IngressRoute[]
  readonly ingressRouteTcps: readonly IngressRouteTcp[]
  readonly ingressRouteUdps: readonly KubeObject[]
  readonly tlsStores: readonly TlsStore[]
  /** All of Traefik's own kinds. */
  readonly customResources: readonly KubeObject[]
  readonly services: ServiceIndex
  secret(namespace: string, name: string): Secret | undefined
  middleware(namespace: string, name: string): Middleware | undefined
  traefikService(namespace: string, name: string): TraefikService | undefined
  tlsOption(namespace: string, name: string): TlsOption | undefined
  serversTransport(namespace: string, name: string): ServersTransport | undefined
  /** Undefined when the provider is off. */
  readonly gateway: GatewaySources | undefined
}

export interface Built {
  readonly model: Model
  /** Ingresses that are ours, for their status. */
  readonly ingresses: readonly Ingress[]
  readonly gateway: GatewayResult | undefined
}

/** The routing, a step for each object. */
export function* buildModel(snapshot: Snapshot, settings: Settings): Steps<Built> {
  const problems: Problem[] = []
  const sources = sourcesOf(snapshot, settings, problem => problems.push(problem))
  const inside = (namespaces: readonly string[]) => (object: KubeObject) =>
    namespaces.length === 0 || namespaces.includes(object.metadata.namespace ?? '')
  const ingresses = settings.ingress.enabled
    ? snapshot.ingresses.filter(
        ingress =>
          inside(settings.ingress.namespaces)(ingress) &&
          isOurs(ingress, snapshot.ingressClasses, settings.ingress.ingressClass),
      )
    : []
  const mine = (route: IngressRoute | IngressRouteTcp | KubeObject) =>
    settings.crd.enabled && inside(settings.crd.namespaces)(route) && isOurRoute(route, settings.crd.ingressClass)
  const translated: (TranslatedIngress | TranslatedRoute)[] = []
  for (const ingress of ingresses) {
    translated.push(translateIngress(ingress, sources))
    problems.push(...effectProblems(ingress))
    yield
  }
  for (const route of snapshot.ingressRoutes.filter(mine)) {
    translated.push(translateIngressRoute(route, sources))
    yield
  }
  for (const route of snapshot.ingressRouteUdps.filter(mine))
    problems.push({ owner: route, reason: 'UnsupportedRoute', message: 'UDP routes are not supported here' })
  for (const object of snapshot.customResources.filter(inside(settings.crd.namespaces))) {
    problems.push(...effectProblems(object))
    yield
  }
  const gateway = snapshot.gateway && (yield* translateHttpRoutes(snapshot.gateway, sources))
  const option = optionReader(snapshot, sources)
  const byHost = new Map<string, TlsSettings>()
  const standard = option('default')
  if (standard) byHost.set('*', standard)
  for (const { host, option: name } of translated.flatMap(({ tlsOptions }) => tlsOptions)) {
    const settingsOfHost = option(name)
    if (settingsOfHost) byHost.set(host.toLowerCase(), settingsOfHost)
  }
  const stores = storeCertificates(snapshot, problems)
  const routers = [...translated.flatMap(part => part.routers), ...(gateway?.routers ?? [])]
  return {
    ingresses,
    gateway,
    model: {
      routers: yield* withEntryPointMiddlewares(routers, settings, sources),
      tcpRouters: snapshot.ingressRouteTcps.filter(mine).flatMap(route => translateTcp(route, sources)),
      certificates: unique([
        ...translated.flatMap(part => part.certificates),
        ...(gateway?.certificates ?? []),
        ...stores.more,
      ]),
      defaultCertificate: stores.standard,
      tlsSettings: byHost,
      problems,
    },
  }
}

type AllSources = Sources & { traefikService: Snapshot['traefikService'] }

function sourcesOf(snapshot: Snapshot, settings: Settings, report: (problem: Problem) => void): AllSources {
  const { allowCrossNamespace } = settings.crd
  const cache = new Map<string, readonly Filter[]>()
  const find = (reference: string, owner: Owner): [string, string] => {
    const { namespace = '' } = owner.metadata
    if (!reference.includes('@') && reference.includes('/')) return reference.split('/') as [string, string]
    const plain = reference.replace(/@.*$/, '')
    // "namespace-name": both may have dashes, so the one that exists is meant.
    for (let dash = plain.indexOf('-'); dash > 0; dash = plain.indexOf('-', dash + 1))
      if (snapshot.middleware(plain.slice(0, dash), plain.slice(dash + 1)))
        return [plain.slice(0, dash), plain.slice(dash + 1)]
    return [namespace, plain]
  }
  return {
    settings,
    services: {
      exists: snapshot.services.exists,
      resolve(ref, options) {
        const resolved = snapshot.services.resolve(ref, options)
        for (const problem of effectProblems(resolved.service)) report(problem)
        return resolved
      },
    },
    secret: snapshot.secret,
    traefikService: snapshot.traefikService,
    report,
    middleware(reference, owner) {
      const [namespace, name] = find(reference, owner)
      const isAnnotation = reference.includes('@')
      if (!isAnnotation && namespace !== owner.metadata.namespace && !allowCrossNamespace)
        throw new Unusable(
          'CrossNamespaceRefused',
          `middleware ${namespace}/${name} is in another namespace; allowCrossNamespace is off`,
        )
      const key = `${namespace}/${name}`
      const known = cache.get(key)
      if (known) return known
      const filters = filtersOf(namespace, name, {
        get: snapshot.middleware,
        secret: snapshot.secret,
        allowCrossNamespace,
      })
      cache.set(key, filters)
      return filters
    },
    serversTransport(namespace, name) {
      const transport = snapshot.serversTransport(namespace, name)
      return transport && transportTls(transport, snapshot.secret)
    },
  }
}

/** TLSOptions by reference, each read once. */
function optionReader(snapshot: Snapshot, sources: Sources): (reference: string) => TlsSettings | undefined {
  const cache = new Map<string, TlsSettings | undefined>()
  const find = (plain: string): TlsOption | undefined => {
    for (let dash = plain.indexOf('-'); dash > 0; dash = plain.indexOf('-', dash + 1)) {
      const option = snapshot.tlsOption(plain.slice(0, dash), plain.slice(dash + 1))
      if (option) return option
    }
    return snapshot.tlsOption('default', plain)
  }
  return reference => {
    if (cache.has(reference)) return cache.get(reference)
    const option = find(reference.replace(/@.*$/, ''))
    const settings = option && tlsSettingsOf(option, sources)
    cache.set(reference, settings)
    return settings
  }
}

function storeCertificates({ tlsStores, secret }: Snapshot, problems: Problem[]) {
  const more: Certificate[] = []
  let standard: Certificate | undefined
  for (const store of tlsStores) {
    const { namespace = '', name } = store.metadata
    const read = (secretName: string): Certificate | undefined => {
      const found = secret(namespace, secretName)
      try {
        if (found) return certificateOf(found)
        problems.push({
          owner: store,
          reason: 'SecretNotFound',
          message: `secret ${namespace}/${secretName} does not exist`,
        })
      } catch (error) {
        if (!(error instanceof BadCertificate)) throw error
        problems.push({ owner: store, reason: 'InvalidCertificate', message: error.message })
      }
      return undefined
    }
    if (name === 'default' && store.spec.defaultCertificate) standard ??= read(store.spec.defaultCertificate.secretName)
    more.push(...(store.spec.certificates ?? []).flatMap(({ secretName }) => read(secretName) ?? []))
  }
  return { standard, more }
}

const unique = (certificates: readonly Certificate[]): Certificate[] => [
  ...new Map(certificates.map(certificate => [certificate.name, certificate])).values(),
]

/** Middlewares of an entry point come before those of the router. */
function* withEntryPointMiddlewares(
  routers: readonly Router[],
  settings: Settings,
  sources: Sources,
): Steps<readonly Router[]> {
  const own = settings.entryPoints.filter(({ middlewares }) => middlewares.length > 0)
  if (own.length === 0) return routers
  const all: Router[] = []
  for (const router of routers) {
    const plain = router.entryPoints.filter(name => !own.some(entryPoint => entryPoint.name === name))
    const parts = own
      .filter(({ name }) => router.entryPoints.includes(name))
      .map(({ name, middlewares }) => ({
        ...router,
        entryPoints: [name],
        target: wrapped(router, middlewares, sources),
      }))
    if (plain.length > 0) all.push({ ...router, entryPoints: plain })
    all.push(...parts)
    yield
  }
  return all
}

function wrapped(router: Router, names: readonly string[], sources: Sources): Router['target'] {
  try {
    const filters = names.flatMap(name =>
      sources.middleware(name.includes('@') ? name : `${name}@kubernetescrd`, router.owner),
    )
    return { ...router.target, filters: [...filters, ...router.target.filters] }
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    sources.report({ owner: router.owner, reason: error.reason, message: error.message })
    return { type: 'answer', status: 503, filters: [] }
  }
}
