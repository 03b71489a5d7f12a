/** Applies a pod's RuntimeClass: overhead and scheduling (upstream: plugin/pkg/admission/runtimeclass). */
import { isDeepStrictEqual } from 'node:util'
import type { Draft } from '../../api/object.ts'
import { tryParseQuantity } from '../../api/quantity.ts'
import type { Pod, RuntimeClass } from '../../api/types.gen.ts'
import { newPod, quote, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'

export function runtimeClass({ reader }: AdmissionDeps): AdmissionPlugin {
  function classOf(request: AdmissionRequest, pod: Draft<Pod>): RuntimeClass | undefined {
    const name = pod.spec.runtimeClassName
    if (!name) return undefined
    const object = reader.get('node.k8s.io', 'runtimeclasses', '', name)
    if (!object) throw refuse(request, `pod rejected: RuntimeClass ${quote(name)} not found`)
    return object as unknown as RuntimeClass
  }

  return {
    name: 'RuntimeClass',
    mutate(request) {
      const pod = newPod(request)
      const found = pod && classOf(request, pod)
      if (!pod || !found) return
      addOverhead(request, pod, found)
      addScheduling(request, pod, found)
    },
    validate(request) {
      const pod = newPod(request)
      if (!pod) return
      const found = classOf(request, pod)
      const wanted = found?.overhead?.podFixed
      if (wanted && !sameAmounts(pod.spec.overhead, wanted)) {
        throw refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
      }
      if (!wanted && pod.spec.overhead && Object.keys(pod.spec.overhead).length > 0) {
        throw refuse(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead')
      }
    },
  }
}

function addOverhead(request: AdmissionRequest, pod: Draft<Pod>, found: RuntimeClass): void {
  const wanted = found.overhead?.podFixed
  if (!wanted) return
  if (pod.spec.overhead && !sameAmounts(pod.spec.overhead, wanted)) {
    throw refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
  }
  pod.spec.overhead = { ...wanted }
}

type Amounts = { readonly [resource: string]: string } | undefined

function sameAmounts(a: Amounts, b: Amounts): boolean {
  const keys = new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])
  return [...keys].every(key => {
    const [left, right] = [tryParseQuantity(a?.[key]), tryParseQuantity(b?.[key])]
    return left !== undefined && right !== undefined && left.compare(right) === 0
  })
}

function addScheduling(request: AdmissionRequest, pod: Draft<Pod>, found: RuntimeClass): void {
  const { nodeSelector, tolerations } = found.scheduling ?? {}
  for (const [key, value] of Object.entries(nodeSelector ?? {})) {
    const own = pod.spec.nodeSelector?.[key]
    if (own !== undefined && own !== value) {
      throw refuse(
        request,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      )
    }
    pod.spec.nodeSelector = { ...pod.spec.nodeSelector, [key]: value }
  }
  const present = pod.spec.tolerations ?? []
  const missing = (tolerations ?? []).filter(one => !present.some(other => isDeepStrictEqual(other, one)))
  if (missing.length > 0) pod.spec.tolerations = [...present, ...missing]
}
