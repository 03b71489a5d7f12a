/** Defaults of pod specs, wherever one stands: pods, templates, workloads (pkg/apis/core/v1/defaults.go). */
import type { Draft } from '../../../../api/object.ts'
import type {
  Container,
  Lifecycle,
  PersistentVolumeClaimSpec,
  PodSpec,
  PodTemplateSpec,
  Probe,
  TopologySpreadConstraint,
  Volume,
} from '../../../../api/types.gen.ts'
import { fill, fillZero, when } from '../defaulting.ts'
import { roundResources } from '../quantity.ts'

/** Completes the pod template of a workload. */
export function defaultPodTemplate(template: Draft<PodTemplateSpec> | undefined): void {
  if (!template) return
  fill(template, { metadata: {} })
  when(template.spec, defaultPodSpec)
}

/** Completes a pod spec with everything upstream sets wherever a pod spec stands. */
export function defaultPodSpec(spec: Draft<PodSpec>): void {
  mirrorServiceAccount(spec)
  fill(spec, {
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
  })
  spec.volumes?.forEach(defaultVolume)
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) defaultContainer(container)
  spec.ephemeralContainers?.forEach(defaultContainer)
  roundResources(spec.overhead)
  when(spec.resources, resources => {
    roundResources(resources.limits)
    roundResources(resources.requests)
  })
  spec.topologySpreadConstraints?.forEach((constraint: Draft<TopologySpreadConstraint>) => {
    when(constraint.labelSelector, () => fill(constraint, { nodeAffinityPolicy: 'Honor', nodeTaintsPolicy: 'Ignore' }))
  })
}

/** `serviceAccount` is the old name of `serviceAccountName`; both always show the same. */
export function mirrorServiceAccount(spec: Draft<PodSpec>): void {
  const name = spec.serviceAccountName || spec.serviceAccount
  if (name) Object.assign(spec, { serviceAccountName: name, serviceAccount: name })
}

function defaultContainer(container: Draft<Container>): void {
  fill(container, {
    imagePullPolicy: pullPolicy(container.image ?? ''),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    resources: {},
  })
  for (const port of container.ports ?? []) fill(port, { protocol: 'TCP' })
  for (const variable of container.env ?? []) {
    when(variable.valueFrom?.fieldRef, reference => fill(reference, { apiVersion: 'v1' }))
    when(variable.valueFrom?.resourceFieldRef, reference => fill(reference, { divisor: '0' }))
    when(variable.valueFrom?.fileKeyRef, reference => fill(reference, { optional: false }))
  }
  roundResources(container.resources?.limits)
  roundResources(container.resources?.requests)
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    when(probe, defaultProbe)
  }
  when(container.lifecycle, defaultLifecycle)
}

function defaultProbe(probe: Draft<Probe>): void {
  fillZero(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 })
  when(probe.httpGet, action => fill(action, { path: '/', scheme: 'HTTP' }))
  when(probe.grpc, action => fill(action, { service: '' }))
}

function defaultLifecycle(lifecycle: Draft<Lifecycle>): void {
  when(lifecycle.postStart?.httpGet, action => fill(action, { path: '/', scheme: 'HTTP' }))
  when(lifecycle.preStop?.httpGet, action => fill(action, { path: '/', scheme: 'HTTP' }))
}

/** Always for the tag "latest" (also when none is written), IfNotPresent for other tags and digests. */
export function pullPolicy(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent'
  const tag = /:([^:/]+)$/.exec(image)?.[1]
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent'
}

const ordinaryMode = 0o644

function defaultVolume(volume: Draft<Volume>): void {
  const sources = Object.entries(volume).filter(([name, source]) => name !== 'name' && source)
  if (sources.length === 0) volume.emptyDir = {}
  when(volume.hostPath, source => {
    source.type ??= ''
  })
  when(volume.secret, source => fill(source, { defaultMode: ordinaryMode }))
  when(volume.configMap, source => fill(source, { defaultMode: ordinaryMode }))
  when(volume.downwardAPI, source => {
    fill(source, { defaultMode: ordinaryMode })
    defaultDownwardItems(source.items)
  })
  when(volume.projected, source => {
    fill(source, { defaultMode: ordinaryMode })
    for (const projection of source.sources ?? []) {
      when(projection.serviceAccountToken, token => fill(token, { expirationSeconds: 3600 }))
      defaultDownwardItems(projection.downwardAPI?.items)
    }
  })
  when(volume.image, source => fill(source, { pullPolicy: pullPolicy(source.reference ?? '') }))
  when(volume.ephemeral?.volumeClaimTemplate?.spec, defaultClaimSpec)
  defaultLegacyVolume(volume)
}

type DownwardItems = NonNullable<NonNullable<Draft<Volume>['downwardAPI']>['items']>

function defaultDownwardItems(items: DownwardItems | undefined): void {
  for (const item of items ?? []) {
    when(item.fieldRef, reference => fill(reference, { apiVersion: 'v1' }))
    when(item.resourceFieldRef, reference => fill(reference, { divisor: '0' }))
  }
}

/** The in-tree volume sources whose defaults a persistent volume shares. */
export function defaultLegacyVolume(volume: Pick<Draft<Volume>, 'iscsi' | 'rbd' | 'azureDisk' | 'scaleIO'>): void {
  when(volume.iscsi, source => fill(source, { iscsiInterface: 'default' }))
  when(volume.rbd, source => fill(source, { pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' }))
  when(volume.azureDisk, source =>
    fill(source, { cachingMode: 'ReadWrite', kind: 'Shared', fsType: 'ext4', readOnly: false }),
  )
  when(volume.scaleIO, source => fill(source, { storageMode: 'ThinProvisioned', fsType: 'xfs' }))
}

/** Completes the spec of a claim, by itself or inside a pod. */
export function defaultClaimSpec(spec: Draft<PersistentVolumeClaimSpec>): void {
  fill(spec, { volumeMode: 'Filesystem', resources: {} })
  roundResources(spec.resources?.limits)
  roundResources(spec.resources?.requests)
}
