/** Keeps an APIService for every group version this server answers itself (upstream: kube-aggregator pkg/controllers/autoregister). */
import { isAlreadyExists, isConflict, isNotFound } from '../../../api/errors.ts'
import type { KubeObject } from '../../../api/object.ts'
import type { APIService, APIServiceSpec } from '../../../api/types.gen.ts'
import type { Client } from '../../../client/client.ts'
import { followStore } from '../../auth/follow.ts'
import { jsonEqual } from '../../patch/json.ts'
import type { KindRegistry } from '../../schema/registry.ts'
import type { ResourceStore } from '../../store/store.ts'
import { apiServices } from './availability.ts'
import { builtInPriority, customPriority } from './priorities.ts'

export const managedLabel = 'kube-aggregator.kubernetes.io/automanaged'

type Managed = 'onstart' | 'true'

export interface Wanted {
  readonly name: string
  readonly managed: Managed
  readonly spec: APIServiceSpec
}

/** What the registry's kinds ask for, by name. Groups without a priority have no APIService. */
export function wantedServices(registry: KindRegistry): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>()
  for (const { group, version, custom } of registry.all()) {
    const name = `${version}.${group}`
    const priority = custom ? customPriority : builtInPriority(group, version)
    if (!priority || wanted.has(name)) continue
    const spec = { group, version, groupPriorityMinimum: priority.group, versionPriority: priority.version }
    wanted.set(name, { name, managed: custom ? 'true' : 'onstart', spec })
  }
  return wanted
}

export type Action = 'create' | 'update' | 'delete' | 'none'

/**
 * What to do about one name. `atStart`: the object was there when the server started; `synced`: this name has been dealt
 * with since. What carries no label, or was made by somebody after the start, is left alone.
 */
export function actionFor(
  wanted: Wanted | undefined,
  current: APIService | undefined,
  { atStart, synced }: { atStart: boolean; synced: boolean },
): Action {
  const managed = current?.metadata?.labels?.[managedLabel]
  if (wanted?.managed === 'onstart' && synced) return 'none'
  if (!current) return wanted ? 'create' : 'none'
  if (managed !== 'onstart' && managed !== 'true') return 'none'
  if (managed === 'onstart' && (!atStart || synced)) return 'none'
  if (!wanted) return 'delete'
  return jsonEqual(current.spec, wanted.spec) ? 'none' : 'update'
}

export interface RegistrationParts {
  readonly registry: KindRegistry
  readonly services: ResourceStore
  readonly client: Client
  readonly onError: (error: unknown, name: string) => void
}

/** Brings all APIServices up to date, then follows the kinds and the APIServices. Settles when the signal aborts. */
export async function keepRegistered(parts: RegistrationParts, signal: AbortSignal): Promise<void> {
  const { registry, services, client, onError } = parts
  const atStart = new Set([...services.all()].map(({ name }) => name))
  const synced = new Set<string>()
  let wanted = wantedServices(registry)
  const sync = async (name: string): Promise<void> => {
    const current = services.get('', name)?.object
    const state = { atStart: atStart.has(name), synced: synced.has(name) }
    const target = wanted.get(name)
    try {
      await perform(client, actionFor(target, current as unknown as APIService, state), target, current)
      synced.add(name)
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error) && !isNotFound(error)) onError(error, name)
    }
  }
  await Promise.all([...new Set([...wanted.keys(), ...atStart])].map(sync))
  const kindsChanged = () => {
    const before = wanted
    wanted = wantedServices(registry)
    for (const name of new Set([...before.keys(), ...wanted.keys()])) {
      if (before.has(name) !== wanted.has(name)) void sync(name)
    }
  }
  const unsubscribe = registry.onChange(kindsChanged)
  kindsChanged()
  let filling = true
  const changed = ({ metadata }: KubeObject) => {
    if (!filling) void sync(metadata.name ?? '')
  }
  const following = followStore(services, { clear: () => {}, set: changed, delete: changed }, signal)
  filling = false
  await following.finally(unsubscribe)
}

async function perform(
  client: Client,
  action: Action,
  wanted: Wanted | undefined,
  current: KubeObject | undefined,
): Promise<void> {
  switch (action) {
    case 'none':
      return
    case 'create': {
      const { name, managed, spec } = wanted!
      const metadata = { name, labels: { [managedLabel]: managed } }
      await client.create(apiServices, { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata, spec })
      return
    }
    case 'update':
      await client.update(apiServices, { ...current!, spec: wanted!.spec } as KubeObject)
      return
    case 'delete':
      await client.delete(apiServices, { name: current!.metadata.name ?? '' })
      return
  }
}
