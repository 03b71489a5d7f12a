/** Names, storage and revision of a StatefulSet's pods (upstream statefulset/stateful_set_utils.go). */
import { draftOf } from '../../../../bootstrap/api/object.ts'
import type { PodTemplateSpec } from '../../../../bootstrap/api/types.gen.ts'
import type { PersistentVolumeClaim, Pod, StatefulSet } from '../../../../bootstrap/client/resources.ts'
import { podFrom } from '../pod-control.ts'
import { revisionLabel } from '../revisions.ts'

const nameLabel = 'statefulset.kubernetes.io/pod-name'
const indexLabel = 'apps.kubernetes.io/pod-index'

/** The ordinal in the pod's name; undefined when the name is not one of the set's. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const match = /^(.*)-(\d+)$/.exec(pod.metadata.name ?? '')
  return match?.[1] === set.metadata.name ? Number(match?.[2]) : undefined
}

/** The pod of an ordinal, made from the template of a revision. */
export function podAt(set: StatefulSet, ordinal: number, template: PodTemplateSpec, revision: string): Pod {
  const pod = podFrom(template, set)
  const name = `${set.metadata.name}-${ordinal}`
  delete pod.metadata.generateName
  pod.metadata.name = name
  pod.metadata.labels = {
    ...pod.metadata.labels,
    [nameLabel]: name,
    [indexLabel]: String(ordinal),
    [revisionLabel]: revision,
  }
  pod.spec.hostname = name
  if (set.spec.serviceName) pod.spec.subdomain = set.spec.serviceName
  const claims = claimsAt(set, ordinal)
  const own = claims.map(({ template: volume, claim }) => ({
    name: volume,
    persistentVolumeClaim: { claimName: claim.metadata.name ?? '', readOnly: false },
  }))
  const replaced = new Set(own.map(volume => volume.name))
  const volumes = [...own, ...(pod.spec.volumes ?? []).filter(volume => !replaced.has(volume.name))]
  if (volumes.length > 0) pod.spec.volumes = volumes
  return pod
}

/** The claims of an ordinal, each with the name of its template. */
export function claimsAt(
  set: StatefulSet,
  ordinal: number,
): readonly { template: string; claim: PersistentVolumeClaim }[] {
  return (set.spec.volumeClaimTemplates ?? []).map(claimTemplate => {
    const template = claimTemplate.metadata.name ?? ''
    const { spec, metadata } = draftOf(claimTemplate)
    const claim: PersistentVolumeClaim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: `${template}-${set.metadata.name}-${ordinal}`,
        namespace: set.metadata.namespace,
        labels: { ...metadata.labels, ...set.spec.selector.matchLabels },
        ...(metadata.annotations ? { annotations: metadata.annotations } : {}),
      },
      spec,
    }
    return { template, claim }
  })
}
