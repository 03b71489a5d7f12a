/** Publishes the pods behind each Service as EndpointSlices (upstream pkg/controller/endpointslice). */
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../../bootstrap/api/object.ts'
import { type EndpointSlice, endpointSlices, nodes, services } from '../../../bootstrap/client/resources.ts'
import { nameOf } from '../../runtime/apply.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { OwnWrites } from '../../runtime/own-writes.ts'
import { isTerminating } from '../../runtime/pods.ts'
import { familiesOf, isManaged, lastChange, onSelectedPods, selectedPods } from './selected-pods.ts'
import { groupsOf, managedByLabel, manager, planSlices, serviceLabel } from './slices.ts'

const triggerTime = 'endpoints.kubernetes.io/last-change-trigger-time'
const byService = 'service'

export function endpointSliceController(): Operator {
  const writes = new OwnWrites()
  return {
    name: 'endpoint-slice-controller',
    watches: [
      on(services, service => keyOf(service)),
      on(nodes, (_node, old, change, cluster) => (zoneChanged(_node, old, change) ? allServices(cluster) : undefined)),
      on(endpointSlices, (slice, _old, change) => {
        const key = serviceKey(slice)
        if (key !== undefined && change === 'deleted') writes.gone(key, slice)
        return key
      }),
      onSelectedPods,
    ],
    concurrency: 5,
    setup({ informers }) {
      informers.get(endpointSlices).addIndex(byService, slice => {
        const key = serviceKey(slice)
        return key === undefined ? [] : [key]
      })
    },
    reconcile: (key, cluster) => reconcile(key, cluster, writes),
  }
}

/** The Service of a slice this controller manages. */
function serviceKey(slice: EndpointSlice): ObjectKey | undefined {
  const { labels, namespace } = slice.metadata
  const name = labels?.[serviceLabel]
  return name && labels?.[managedByLabel] === manager ? keyOf({ metadata: { name, namespace } }) : undefined
}

type Labelled = { metadata: { labels?: { readonly [key: string]: string } | undefined } }

function zoneChanged(node: Labelled, old: Labelled | undefined, change: string): boolean {
  const zone = (object: Labelled | undefined) => object?.metadata.labels?.['topology.kubernetes.io/zone']
  return change === 'deleted' ? zone(node) !== undefined : zone(node) !== zone(old)
}

const allServices = ({ informers }: Cluster) => informers.get(services).list().filter(isManaged).map(keyOf)

async function reconcile(key: ObjectKey, cluster: Cluster, writes: OwnWrites): Promise<Result> {
  const { client, informers } = cluster
  const service = informers.get(services).get(key)
  if (!service || isTerminating(service)) {
    writes.forget(key)
    return done
  }
  if (!isManaged(service) || !writes.seen(key, informers.get(endpointSlices))) return done
  const selected = selectedPods(service, cluster)
  const nodeOf = (name: string) => informers.get(nodes).get(name)
  const groups = familiesOf(service).flatMap(family => groupsOf(service, selected, family, nodeOf))
  const existing = informers
    .get(endpointSlices)
    .byIndex(byService, key)
    .filter(slice => !isTerminating(slice))
  const time = lastChange(service, selected)
  const plan = planSlices(service, groups, existing, time === undefined ? {} : { [triggerTime]: time })
  for (const slice of plan.create) writes.wrote(key, await client.create(endpointSlices, slice))
  for (const slice of plan.update) writes.wrote(key, await client.update(endpointSlices, slice))
  for (const slice of plan.remove) {
    await client.delete(endpointSlices, nameOf(slice)).catch(ignoreNotFound)
    writes.deleted(key, slice)
  }
  return done
}
