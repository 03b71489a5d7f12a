/** The Job that applies a plan to one node (upstream pkg/upgrade/job New). */
import { createHash } from 'node:crypto'
import { parseDuration } from '../../bootstrap/api/time.ts'
import type { Affinity, Container, PodSpec, SecurityContext, Volume } from '../../bootstrap/api/types.gen.ts'
import type { Job, Node } from '../../bootstrap/client/resources.ts'
import { containerOf, secretVolume } from './containers.ts'
import { drainArgs } from './drain-args.ts'
import { safeName, withTag } from './names.ts'
import { annotation, hostnameLabel, hostnameOf, label, type Plan, type PlanStatus, planLabel } from './plan.ts'
import type { Settings } from './settings.ts'

export interface JobMaking {
  readonly settings: Settings
  /** Of the containers `drain` and `cordon`. */
  readonly kubectlImage: string
  readonly controller: string
}

export function jobName(plan: Plan, { latestHash = '' }: PlanStatus, node: Node): string {
  const [shortNode = ''] = (node.metadata.name ?? '').split('.')
  return safeName('apply', plan.metadata.name ?? '', 'on', shortNode, 'with', latestHash)
}

/** `parallelism` 0 is a Job that waits until the node is recorded in the plan's status. */
export function jobOf(
  plan: Plan,
  status: PlanStatus,
  node: Node,
  { settings, kubectlImage, controller }: JobMaking,
  parallelism: 0 | 1,
): Job {
  const { annotations = {}, labels = {}, name = '', namespace } = plan.metadata
  const carried = Object.fromEntries(
    Object.entries(annotations).filter(
      ([key]) => !key.includes('cattle.io/') && !key.includes('kubectl.kubernetes.io/'),
    ),
  )
  const ttl = ttlSeconds(plan, settings)
  const jobLabels = {
    [label.controller]: controller,
    [label.exclusive]: String(plan.spec.exclusive ?? false),
    [label.node]: node.metadata.name ?? '',
    [label.plan]: name,
    [label.version]: status.latestVersion ?? '',
    [planLabel(name)]: status.latestHash ?? '',
    ...Object.fromEntries(Object.entries(labels).filter(([key]) => !key.includes('cattle.io/'))),
  }
  const deadline = activeDeadline(plan, settings)
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName(plan, status, node),
      namespace,
      annotations: { ...carried, [annotation.ttl]: String(ttl), [annotation.jobSpec]: jobSpecHash(plan) },
      labels: jobLabels,
    },
    spec: {
      podReplacementPolicy: settings.podReplacementPolicy,
      backoffLimit: settings.backoffLimit,
      ttlSecondsAfterFinished: ttl,
      completions: 1,
      parallelism,
      ...(deadline === undefined ? {} : { activeDeadlineSeconds: deadline }),
      template: {
        metadata: { annotations: carried, labels: jobLabels },
        spec: podOf(plan, status, node, settings, kubectlImage),
      },
    },
  }
}

/** A plan's fields that no Job is made of: they may change while Jobs run. */
const besides = [
  'concurrency',
  'nodeSelector',
  'window',
  'channel',
  'version',
  'postCompleteDelay',
  'postCompleteLabels',
]

/** Changes with what a plan's Jobs are made of, whichever version of this program makes them. */
export function jobSpecHash({ spec }: Plan): string {
  const parts = Object.entries(spec).filter(([field]) => !besides.includes(field))
  return createHash('sha256')
    .update(JSON.stringify(sorted(Object.fromEntries(parts))))
    .digest('hex')
    .slice(0, 16)
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  )
}

/** Long enough to see that the plan's delay after a Job has passed. */
function ttlSeconds({ spec: { postCompleteDelay } }: Plan, settings: Settings): number {
  const delayMs = postCompleteDelay === undefined ? undefined : parseDuration(postCompleteDelay)
  const least = delayMs === undefined ? 0 : Math.trunc(delayMs / 1000) + 60
  return Math.max(settings.ttlSecondsAfterFinished, least)
}

function activeDeadline({ spec }: Plan, settings: Settings): number | undefined {
  const { activeDeadlineSeconds: usual, activeDeadlineSecondsMax: most } = settings
  const given = spec.jobActiveDeadlineSecs ?? -1
  const wanted = given < 0 ? usual : given
  if (given === 0) return most > 0 ? most : undefined
  return most > 0 ? Math.min(wanted, most) : wanted
}

function podOf(plan: Plan, status: PlanStatus, node: Node, settings: Settings, kubectlImage: string): PodSpec {
  const { spec } = plan
  return {
    hostIPC: true,
    hostPID: true,
    hostNetwork: true,
    dnsPolicy: 'ClusterFirstWithHostNet',
    ...(spec.priorityClassName ? { priorityClassName: spec.priorityClassName } : {}),
    ...(spec.serviceAccountName ? { serviceAccountName: spec.serviceAccountName } : {}),
    affinity: affinityOf(plan, node),
    tolerations: [
      { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
      ...(spec.tolerations ?? []),
    ],
    restartPolicy: 'Never',
    volumes: volumesOf(plan),
    ...(spec.imagePullSecrets ? { imagePullSecrets: spec.imagePullSecrets } : {}),
    initContainers: initContainers(plan, status, node, settings, kubectlImage),
    containers: [
      {
        ...containerOf(
          'upgrade',
          tagged(spec.upgrade, status),
          plan,
          status,
          settings.imagePullPolicy,
          spec.upgrade.volumes,
        ),
        securityContext: spec.upgrade.securityContext ?? privilegedContext(settings),
      },
    ],
  } as PodSpec
}

const privilegedContext = ({ privileged }: Settings): SecurityContext => ({
  privileged,
  capabilities: { add: ['CAP_SYS_BOOT'] },
})

const tagged = <C extends { readonly image: string }>(container: C, { latestVersion = '' }: PlanStatus): C => ({
  ...container,
  image: withTag(container.image, latestVersion),
})

/** First it is prepared, then pods make way. */
function initContainers(
  plan: Plan,
  status: PlanStatus,
  node: Node,
  { imagePullPolicy }: Settings,
  image: string,
): readonly Container[] {
  const { prepare, drain, cordon, upgrade } = plan.spec
  const name = node.metadata.name ?? ''
  const kubectl = (command: string, args: readonly string[]) =>
    containerOf(command, { image, args }, plan, status, imagePullPolicy, upgrade.volumes)
  const first = prepare && {
    ...containerOf('prepare', tagged(prepare, status), plan, status, imagePullPolicy, prepare.volumes),
    ...(prepare.securityContext ? { securityContext: prepare.securityContext } : {}),
  }
  return [
    ...(first ? [first] : []),
    ...(drain ? [kubectl('drain', drainArgs(drain, name))] : cordon ? [kubectl('cordon', ['cordon', name])] : []),
  ]
}

/** On this node, and nowhere beside another Job of the plan, or of any exclusive plan. */
function affinityOf(plan: Plan, node: Node): Affinity {
  const [key, value] = plan.spec.exclusive ? [label.exclusive, 'true'] : [label.plan, plan.metadata.name ?? '']
  return {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: hostnameLabel, operator: 'In', values: [hostnameOf(node)] }] }],
      },
    },
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        {
          labelSelector: { matchExpressions: [{ key, operator: 'In', values: [value] }] },
          topologyKey: hostnameLabel,
        },
      ],
    },
  }
}

function volumesOf({ spec }: Plan): readonly Volume[] {
  const field = (name: string) => ({ path: name, fieldRef: { fieldPath: `metadata.${name}`, apiVersion: 'v1' } })
  return [
    { name: 'host-root', hostPath: { path: '/', type: 'Directory' } },
    { name: 'pod-info', downwardAPI: { defaultMode: 0o644, items: [field('labels'), field('annotations')] } },
    ...(spec.secrets ?? []).map(({ name, defaultMode, ignoreUpdates = false }) => ({
      name: secretVolume(name),
      secret: { secretName: name, optional: ignoreUpdates, ...(defaultMode === undefined ? {} : { defaultMode }) },
    })),
    ...(spec.upgrade.volumes ?? []).map(({ name, source }) => ({ name, hostPath: { path: source } })),
  ]
}
