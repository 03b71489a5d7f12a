/** Mirrors hand-made Endpoints of Services without selector (upstream pkg/controller/endpointslicemirroring). */
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../../bootstrap/api/object.ts'
import {
  type EndpointSlice,
  type Endpoints,
  endpointSlices,
  endpoints,
  services,
} from '../../../bootstrap/client/resources.ts'
import { nameOf } from '../../runtime/apply.ts'
import { isNamespaceTerminating } from '../../runtime/failures.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { OwnWrites } from '../../runtime/own-writes.ts'
import { isTerminating } from '../../runtime/pods.ts'
import { type Mirror, maxMirrored, mirrorManager, mirrorOf, planMirror } from './mirror-slices.ts'
import { managedByLabel, type Plan, serviceLabel } from './slices.ts'

const skipLabel = 'endpointslice.kubernetes.io/skip-mirror'
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader'
const byMirrored = 'mirrored-service'

export function endpointSliceMirroringController(): Operator {
  const writes = new OwnWrites()
  return {
    name: 'endpoint-slice-mirroring-controller',
    watches: [
      on(services, (service, old, change) => {
        const changed = (service.spec.selector === undefined) !== (old?.spec.selector === undefined)
        return change === 'updated' && !changed ? undefined : keyOf(service)
      }),
      on(endpoints, (object, old) => ([object, old].some(isMirrored) ? keyOf(object) : undefined)),
      on(endpointSlices, (slice, old, change) => {
        const key = mirroredKey(slice)
        if (key !== undefined && change === 'deleted') writes.gone(key, slice)
        return [key, old && mirroredKey(old)].filter(found => found !== undefined)
      }),
    ],
    setup({ informers }) {
      informers.get(endpointSlices).addIndex(byMirrored, slice => {
        const key = mirroredKey(slice)
        return key === undefined ? [] : [key]
      })
    },
    reconcile: (key, cluster) => reconcile(key, cluster, writes),
  }
}

/** The Service of a slice this controller manages. */
function mirroredKey({ metadata: { labels, namespace } }: EndpointSlice): ObjectKey | undefined {
  const name = labels?.[serviceLabel]
  return name && labels?.[managedByLabel] === mirrorManager ? keyOf({ metadata: { name, namespace } }) : undefined
}

/** Not when its maker keeps slices itself, nor when it is an old leader election's lock. */
function isMirrored(object: Endpoints | undefined): boolean {
  if (!object) return false
  const { labels, annotations } = object.metadata
  return labels?.[skipLabel] !== 'true' && annotations?.[leaderAnnotation] === undefined
}

async function reconcile(key: ObjectKey, cluster: Cluster, writes: OwnWrites): Promise<Result> {
  const { informers } = cluster
  if (!writes.seen(key, informers.get(endpointSlices))) return done
  const object = informers.get(endpoints).get(key)
  const service = informers.get(services).get(key)
  const wanted = object && isMirrored(object) && service && service.spec.selector === undefined
  const existing = informers.get(endpointSlices).byIndex(byMirrored, key)
  const present = existing.filter(slice => !isTerminating(slice))
  if (!wanted) {
    await carryOut(key, { create: [], update: [], remove: present }, cluster, writes)
    return done
  }
  const mirror = mirrorOf(object)
  tell(object, mirror, cluster)
  const plan = planMirror(object, mirror.groups, present)
  await carryOut(key, isTerminating(object) ? { ...plan, create: [] } : plan, cluster, writes)
  return done
}

function tell(object: Endpoints, { invalid, surplus }: Mirror, { events }: Cluster): void {
  if (invalid > 0) {
    const text = `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`
    events.event(object, 'Warning', 'InvalidIPAddress', text)
  }
  if (surplus > 0) {
    const limit = `A max of ${maxMirrored} addresses can be mirrored to EndpointSlices per Endpoints subset.`
    events.event(object, 'Warning', 'TooManyAddressesToMirror', `${limit} ${invalid + surplus} addresses were skipped`)
  }
}

async function carryOut(key: ObjectKey, plan: Plan, { client }: Cluster, writes: OwnWrites): Promise<void> {
  try {
    for (const slice of plan.create) writes.wrote(key, await client.create(endpointSlices, slice))
  } catch (error) {
    if (isNamespaceTerminating(error)) return
    throw error
  }
  for (const slice of plan.update) writes.wrote(key, await client.update(endpointSlices, slice))
  for (const slice of plan.remove) {
    await client.delete(endpointSlices, nameOf(slice)).catch(ignoreNotFound)
    writes.deleted(key, slice)
  }
}
