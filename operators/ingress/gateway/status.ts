/** Statuses of GatewayClasses, Gateways and HTTPRoutes, where they differ from what the objects say. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Resource } from '../../../bootstrap/client/client.ts'
import type { Service } from '../../../bootstrap/client/resources.ts'
import { timestamp } from '../../runtime/time.ts'
import { addressesOf } from '../ingress/status.ts'
import { gatewayClasses, gateways, httpRoutes } from '../kinds.ts'
import type { Settings } from '../settings.ts'
import type { StatusUpdate } from '../status-writer.ts'
import { condition } from './listeners.ts'
import { controllerName } from './routes.ts'
import type { GatewayResult } from './sources.ts'
import type { Condition, ParentReference } from './types.ts'

const features = [
  'Gateway',
  'HTTPRoute',
  'HTTPRouteBackendTimeout',
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteRequestTimeout',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteSchemeRedirect',
  'ReferenceGrant',
]

export function gatewayStatuses(
  result: GatewayResult,
  settings: Settings,
  service: (name: string | undefined) => Service | undefined,
  now: number,
): StatusUpdate[] {
  const published = addressesOf(service(settings.gateway.publishedService)) ?? []
  const addresses = published.map(({ ip, hostname }) =>
    ip ? { type: 'IPAddress', value: ip } : { type: 'Hostname', value: hostname ?? '' },
  )
  const updates: StatusUpdate[] = []
  const put = (resource: unknown, object: KubeObject, status: StatusUpdate['status']) => {
    if (!contains(object.status, status)) updates.push({ resource: resource as Resource, object, status })
  }
  for (const object of result.classes) {
    const conditions = dated(
      object,
      object.status?.conditions,
      [condition('Accepted', true, 'Accepted', 'Handled by Traefik controller')],
      now,
    )
    put(gatewayClasses, object, { conditions, supportedFeatures: features.map(name => ({ name })) })
  }
  for (const { gateway, conditions, listeners } of result.gateways)
    put(gateways, gateway, {
      addresses,
      conditions: dated(gateway, gateway.status?.conditions, conditions, now),
      listeners: listeners.map(listener => {
        const before = gateway.status?.listeners?.find(({ name }) => name === listener.name)?.conditions
        return { ...listener, conditions: dated(gateway, before, listener.conditions, now) }
      }),
    })
  for (const { route, parents } of result.routes) {
    const before = route.status?.parents ?? []
    const others = before.filter(parent => parent.controllerName !== controllerName)
    const own = parents.map(parent => {
      const old = before.find(item => item.controllerName === controllerName && same(item.parentRef, parent.parentRef))
      return { ...parent, conditions: dated(route, old?.conditions, parent.conditions, now) }
    })
    put(httpRoutes, route, { parents: [...others, ...own] })
  }
  return updates
}

const same = (a: ParentReference, b: ParentReference): boolean =>
  a.name === b.name && a.namespace === b.namespace && a.sectionName === b.sectionName && a.port === b.port

/** With generation and time; the time of before where nothing has changed. */
function dated(
  object: KubeObject,
  before: readonly Condition[] | undefined,
  conditions: readonly Condition[],
  now: number,
): Condition[] {
  const observedGeneration = object.metadata.generation ?? 1
  return conditions.map(next => {
    const old = before?.find(({ type }) => type === next.type)
    return {
      ...next,
      observedGeneration,
      lastTransitionTime:
        old?.status === next.status && old.lastTransitionTime ? old.lastTransitionTime : timestamp(now),
    }
  })
}

/** True when every field of the wanted value is there with that value. */
function contains(have: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return (
      Array.isArray(have) && have.length === wanted.length && wanted.every((item, index) => contains(have[index], item))
    )
  if (wanted !== null && typeof wanted === 'object')
    return (
      have !== null &&
      typeof have === 'object' &&
      Object.entries(wanted).every(([key, value]) => contains((have as { [key: string]: unknown })[key], value))
    )
  return have === wanted
}
