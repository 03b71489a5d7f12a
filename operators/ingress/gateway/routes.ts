/** HTTPRoutes of our Gateways as routers, and what is to be said about all of them. */
import { poolOf } from '../ingress/translate.ts'
import type { Pool, PoolMember, Router, Target } from '../model/model.ts'
import { NoService } from '../model/pools.ts'
import type { Steps } from '../slices.ts'
import { type Sources, Unusable } from '../sources.ts'
import { filtersOf } from './filters.ts'
import { admitsKind, admitsNamespace, commonHosts, condition, type Served, servedListeners } from './listeners.ts'
import { rankedMatch } from './matches.ts'
import { isGranted } from './references.ts'
import type { GatewayResult, GatewaySources } from './sources.ts'
import {
  type BackendReference,
  type Condition,
  group,
  type HttpRoute,
  type ParentReference,
  type RouteRule,
} from './types.ts'

export const controllerName = 'traefik.io/gateway-controller'

/** All HTTPRoutes, a step for each. */
export function* translateHttpRoutes(from: GatewaySources, sources: Sources): Steps<GatewayResult> {
  const classes = from.classes.filter(({ spec }) => spec.controllerName === controllerName)
  const gateways = from.gateways.filter(({ spec }) =>
    classes.some(({ metadata }) => metadata.name === spec.gatewayClassName),
  )
  const listeners = gateways.flatMap(gateway => servedListeners(gateway, from, sources))
  const attached = new Map<Served, number>()
  const routes: ReturnType<typeof translateRoute>[] = []
  for (const route of from.routes) {
    routes.push(translateRoute(route, listeners, attached, from, sources))
    yield
  }
  return {
    classes,
    routers: routes.flatMap(({ routers }) => routers),
    certificates: listeners.flatMap(({ certificates, entryPoint }) => (entryPoint === undefined ? [] : certificates)),
    routes: routes.filter(({ parents }) => parents.length > 0),
    gateways: gateways.map(gateway => {
      const own = listeners.filter(listener => listener.gateway === gateway)
      const fine = own.some(({ entryPoint }) => entryPoint !== undefined)
      return {
        gateway,
        conditions: [
          condition('Accepted', fine, fine ? 'Accepted' : 'ListenersNotValid', fine ? '' : 'no listener can be served'),
          condition('Programmed', fine, fine ? 'Programmed' : 'Invalid'),
        ],
        listeners: own.map(listener => ({
          name: listener.listener.name,
          attachedRoutes: attached.get(listener) ?? 0,
          supportedKinds: [{ group, kind: 'HTTPRoute' }],
          conditions: listener.conditions,
        })),
      }
    }),
  }
}

function translateRoute(
  route: HttpRoute,
  listeners: readonly Served[],
  attached: Map<Served, number>,
  from: GatewaySources,
  sources: Sources,
) {
  const { namespace = '' } = route.metadata
  const parents: { parentRef: ParentReference; controllerName: string; conditions: Condition[] }[] = []
  const reached = new Map<Served, (string | undefined)[]>()
  const targets = (route.spec.rules ?? []).map(rule => targetsOf(route, rule, from, sources))
  const resolved = targets.find(({ problem }) => problem)?.problem ?? condition('ResolvedRefs', true, 'ResolvedRefs')
  const refused = targets.find(({ unsupported }) => unsupported)?.unsupported
  for (const parentRef of route.spec.parentRefs ?? []) {
    const own = listeners.filter(listener => refersTo(parentRef, namespace, listener))
    const isOurs = listeners.some(({ gateway }) => isParent(parentRef, namespace, gateway.metadata))
    if (!isOurs) continue
    const allowed = own.filter(listener => admitsNamespace(listener, namespace, from) && admitsKind(listener))
    const matching = allowed
      .map(listener => ({ listener, hosts: commonHosts(listener.listener.hostname, route.spec.hostnames ?? []) }))
      .filter(({ hosts }) => hosts.length > 0)
    for (const { listener, hosts } of matching) {
      attached.set(listener, (attached.get(listener) ?? 0) + 1)
      reached.set(listener, hosts)
    }
    const accepted =
      own.length === 0
        ? condition('Accepted', false, 'NoMatchingParent', 'the Gateway has no such listener')
        : allowed.length === 0
          ? condition(
              'Accepted',
              false,
              'NotAllowedByListeners',
              'no listener allows routes of this namespace and kind',
            )
          : matching.length === 0
            ? condition('Accepted', false, 'NoMatchingListenerHostname', 'no listener has a hostname in common')
            : (refused ?? condition('Accepted', true, 'Accepted'))
    parents.push({ parentRef, controllerName, conditions: [accepted, resolved] })
  }
  const routers = [...reached].flatMap(([{ entryPoint }, hosts]) =>
    entryPoint === undefined ? [] : routersOf(route, entryPoint, hosts, targets),
  )
  return { route, parents, routers }
}

type NamedMetadata = { readonly name?: string | undefined; readonly namespace?: string | undefined }

function isParent(
  { group: of = group, kind = 'Gateway', name, namespace }: ParentReference,
  own: string,
  gateway: NamedMetadata,
): boolean {
  return of === group && kind === 'Gateway' && gateway.name === name && gateway.namespace === (namespace ?? own)
}

function refersTo(reference: ParentReference, own: string, { gateway, listener }: Served): boolean {
  if (!isParent(reference, own, gateway.metadata)) return false
  return (
    (reference.sectionName ?? listener.name) === listener.name && (reference.port ?? listener.port) === listener.port
  )
}

interface RuleTargets {
  readonly rule: RouteRule
  targetFor(prefix: string): Target
  readonly problem: Condition | undefined
  readonly unsupported: Condition | undefined
}

/** A router for each host and match: their precedence is their own. */
function routersOf(
  route: HttpRoute,
  entryPoint: string,
  hosts: readonly (string | undefined)[],
  targets: readonly RuleTargets[],
): Router[] {
  const { namespace, name } = route.metadata
  return targets.flatMap(({ rule, targetFor }, index) =>
    hosts.flatMap(host =>
      (rule.matches?.length ? rule.matches : [{}]).map(spec => {
        const { match, rank } = rankedMatch(host, spec)
        const prefix = 'path' in spec ? (spec.path?.value ?? '/') : '/'
        return {
          name: `httproute-${namespace}-${name}-${index}@kubernetesgateway`,
          owner: route,
          entryPoints: [entryPoint],
          matches: [match],
          priority: (host?.length ?? 0) + prefix.length + 20,
          rank,
          target: targetFor(prefix),
        }
      }),
    ),
  )
}

const failed: Target = { type: 'answer', status: 500, filters: [] }

function targetsOf(route: HttpRoute, rule: RouteRule, from: GatewaySources, sources: Sources): RuleTargets {
  try {
    filtersOf(rule, '/', route, sources)
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    sources.report({ owner: route, reason: error.reason, message: `${error.message}; the rule answers 500` })
    return {
      rule,
      targetFor: () => failed,
      problem: undefined,
      unsupported: condition('Accepted', false, 'UnsupportedValue', error.message),
    }
  }
  const { pool, problem } = poolFor(route, rule, from, sources)
  const targetFor = (prefix: string): Target => {
    const filters = filtersOf(rule, prefix, route, sources)
    if (pool) return { type: 'pool', pool, filters }
    return { ...failed, filters }
  }
  return { rule, targetFor, problem, unsupported: undefined }
}

function poolFor(
  route: HttpRoute,
  { backendRefs = [] }: RouteRule,
  from: GatewaySources,
  sources: Sources,
): { pool: Pool | undefined; problem: Condition | undefined } {
  const { namespace = '' } = route.metadata
  const pools: Pool[] = []
  const members: PoolMember[] = []
  let problem: Condition | undefined
  for (const reference of backendRefs) {
    const weight = reference.weight ?? 1
    const found = backend(reference, namespace, from, sources)
    if ('status' in found) {
      problem ??= found
      members.push({ weight, endpoints: [], invalid: true })
    } else {
      pools.push(found)
      members.push({ ...found.members[0]!, weight })
    }
  }
  const [first] = pools
  if (!first) return { pool: undefined, problem }
  return { pool: { ...first, name: pools.map(({ name }) => name).join('+'), members }, problem }
}

function backend(
  reference: BackendReference,
  own: string,
  { grants }: GatewaySources,
  sources: Sources,
): Pool | Condition {
  const { group: of = '', kind = 'Service', name, namespace = own, port, filters = [] } = reference
  const invalid = (reason: string, message: string) => condition('ResolvedRefs', false, reason, message)
  if (of !== '' || kind !== 'Service') return invalid('InvalidKind', `backend ${name} is no Service`)
  if (filters.length > 0) return invalid('UnsupportedValue', 'filters of single backends are not supported here')
  const permission = { from: { group, kind: 'HTTPRoute', namespace: own }, to: { group: '', kind, namespace, name } }
  if (!isGranted(permission, grants))
    return invalid('RefNotPermitted', `no ReferenceGrant permits service ${namespace}/${name}`)
  try {
    const resolved = sources.services.resolve(
      { namespace, name, port },
      { allowExternalNames: sources.settings.crd.allowExternalNames },
    )
    return poolOf(`${namespace}-${name}-${resolved.port}`, namespace, resolved, sources)
  } catch (error) {
    if (error instanceof NoService) return invalid('BackendNotFound', error.message)
    throw error
  }
}
