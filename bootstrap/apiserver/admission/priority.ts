/** Resolves priority classes (upstream: plugin/pkg/admission/priority, pkg/apis/scheduling). */
import type { Draft } from '../../api/object.ts'
import type { Pod, PriorityClass } from '../../api/types.gen.ts'
import { as, isFor, isMirror, newPod, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'

const group = 'scheduling.k8s.io'

/** Classes that are there before anyone created them. */
const builtin: { readonly [name: string]: number } = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
}

export function priority({ reader }: AdmissionDeps): AdmissionPlugin {
  const find = (name: string): { value: number; preemptionPolicy?: string | undefined } | undefined => {
    const object = reader.get(group, 'priorityclasses', '', name) as unknown as PriorityClass | undefined
    if (object) return { value: object.value ?? 0, preemptionPolicy: object.preemptionPolicy }
    return builtin[name] === undefined ? undefined : { value: builtin[name] }
  }
  const globalDefault = (): PriorityClass | undefined =>
    (reader.list(group, 'priorityclasses') as unknown as readonly PriorityClass[])
      .filter(one => one.globalDefault)
      .toSorted((a, b) => (a.value ?? 0) - (b.value ?? 0))[0]

  function resolve(request: AdmissionRequest, pod: Draft<Pod>): void {
    const { spec } = pod
    if (isMirror(pod) && spec.priority !== undefined) return
    let value = 0
    let policy: string | undefined
    if (!spec.priorityClassName) {
      const chosen = globalDefault()
      if (chosen) spec.priorityClassName = chosen.metadata.name
      value = chosen?.value ?? 0
      policy = chosen?.preemptionPolicy
    } else {
      const found = find(spec.priorityClassName)
      if (!found) throw refuse(request, `no PriorityClass with name ${spec.priorityClassName} was found`)
      value = found.value
      policy = found.preemptionPolicy
    }
    if (spec.priority !== undefined && spec.priority !== value) {
      throw refuse(
        request,
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
      )
    }
    spec.priority = value
    const preemption = policy ?? 'PreemptLowerPriority'
    if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemption) {
      throw refuse(
        request,
        `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemption} from the given PriorityClass name`,
      )
    }
    spec.preemptionPolicy = preemption
  }

  return {
    name: 'Priority',
    mutate(request) {
      const pod = newPod(request)
      if (pod) resolve(request, pod)
      else if (request.operation === 'UPDATE' && isFor(request, '', 'pods')) keep(request)
    },
    validate(request) {
      const { operation } = request
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || !isFor(request, group, 'priorityclasses')) return
      const created = as<PriorityClass>(request.object)
      if (!created.globalDefault) return
      const other = globalDefault()
      if (other && other.metadata.name !== created.metadata.name) {
        throw refuse(
          request,
          `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`,
        )
      }
    },
  }
}

/** An update that leaves the resolved fields out keeps them. */
function keep(request: AdmissionRequest): void {
  const { spec } = as<Draft<Pod>>(request.object)
  const old = (request.old as unknown as Pod).spec
  if (spec.priority === undefined && old.priority !== undefined) spec.priority = old.priority
  if (spec.preemptionPolicy === undefined && old.preemptionPolicy !== undefined)
    spec.preemptionPolicy = old.preemptionPolicy
}
