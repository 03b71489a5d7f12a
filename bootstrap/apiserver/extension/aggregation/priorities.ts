/** Where groups and versions stand in discovery (upstream: pkg/controlplane, the APIService priorities). */

interface Priority {
  readonly group: number
  readonly version: number
}

const groups: { readonly [group: string]: number } = {
  '': 18_000,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'apiextensions.k8s.io': 16_700,
  'admissionregistration.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'resource.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'internal.apiserver.k8s.io': 16_000,
  'storagemigration.k8s.io': 15_800,
}

/** Versions that do not stand at the usual 15 (v1), 9 (beta) or 1 (alpha). */
const versions: { readonly [groupVersion: string]: number } = {
  '/v1': 1,
  'autoscaling/v2': 30,
  'flowcontrol.apiserver.k8s.io/v1': 21,
  'resource.k8s.io/v1': 21,
  'resource.k8s.io/v1beta2': 15,
  'admissionregistration.k8s.io/v1beta1': 12,
  'admissionregistration.k8s.io/v1alpha1': 9,
  'coordination.k8s.io/v1beta1': 13,
  'coordination.k8s.io/v1alpha2': 12,
  'internal.apiserver.k8s.io/v1alpha1': 9,
  'scheduling.k8s.io/v1alpha2': 2,
}

export const customPriority: Priority = { group: 1000, version: 100 }

/** Always first: it is how all others are found. */
const registrationPriority = 20_000

/** Of a built-in group version; undefined for apiregistration.k8s.io, which no APIService describes. */
export function builtInPriority(group: string, version: string): Priority | undefined {
  const ofGroup = groups[group]
  if (ofGroup === undefined) return undefined
  const usual = version.includes('alpha') ? 1 : version.includes('beta') ? 9 : 15
  return { group: ofGroup, version: versions[`${group}/${version}`] ?? usual }
}

/** Of a group as this server serves it. */
export function localGroupPriority(group: string, custom: boolean): number {
  if (custom) return customPriority.group
  return groups[group] ?? registrationPriority
}
