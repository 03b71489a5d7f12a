/** A pod bound to a node takes over its zone and region (upstream: plugin/pkg/admission/podtopologylabels). */
import { isFor } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'

const keys = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region']

export function podTopologyLabels({ reader }: AdmissionDeps): AdmissionPlugin {
  return {
    name: 'PodTopologyLabels',
    mutate(request) {
      const { operation, object } = request
      const node = operation === 'CREATE' && object ? nodeOf(request) : undefined
      const labels = node === undefined ? undefined : reader.get('', 'nodes', '', node)?.metadata.labels
      if (!labels || !object) return
      const copied = Object.entries(labels).filter(([key]) => keys.includes(key))
      if (copied.length > 0) object.metadata.labels = { ...object.metadata.labels, ...Object.fromEntries(copied) }
    },
  }
}

function nodeOf(request: AdmissionRequest): string | undefined {
  if (isFor(request, '', 'pods', 'binding')) return (request.object?.target as { name?: string } | undefined)?.name
  if (isFor(request, '', 'pods'))
    return (request.object?.spec as { nodeName?: string } | undefined)?.nodeName || undefined
  return undefined
}
