/** The admission chain: every plugin, in upstream's order (kubernetes pkg/kubeapiserver/options/plugins.go). */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Authorizer } from '../auth/authorizer.ts'
import { checkEscalation } from '../auth/escalation.ts'
import type { Rbac } from '../auth/rbac.ts'
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts'
import { defaultIngressClass, defaultStorageClass } from './default-class.ts'
import { defaultTolerationSeconds } from './default-tolerations.ts'
import { embeddedRuntime } from './embedded-runtime.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'
import { podSecurity } from './pod-security.ts'
import { podTopologyLabels } from './pod-topology-labels.ts'
import { priority } from './priority.ts'
import { persistentVolumeClaimResize } from './pvc-resize.ts'
import type { QuotaReservations } from './quota-reservations.ts'
import { resourceQuota } from './resource-quota.ts'
import { runtimeClass } from './runtime-class.ts'
import { serviceAccount } from './service-account.ts'
import { storageObjectInUseProtection } from './storage-protection.ts'
import { taintNodesByCondition } from './taint-nodes.ts'

export interface ChainDeps extends AdmissionDeps {
  readonly rbac: Rbac
  readonly authorizer: Authorizer
  /** Names of the modules that pods of the runtime class "embedded" may run. */
  readonly embeddedModules: () => ReadonlySet<string>
  /** Policies and webhooks: they come after the built-in plugins and before quotas. */
  readonly extensions?: readonly AdmissionPlugin[]
  /** Where several servers let things through: see QuotaReservations. */
  readonly reservations?: QuotaReservations
  readonly wait?: (ms: number) => Promise<unknown>
}

export interface AdmissionChain {
  /** Changes request.object in place. Rejects with StatusError to refuse. */
  mutate(request: AdmissionRequest): Promise<void>
  /** Sees the final object. Rejects with StatusError to refuse. */
  validate(request: AdmissionRequest): Promise<void>
}

export function admissionChain(deps: ChainDeps): AdmissionChain {
  const wait = deps.wait ?? (ms => sleep(ms, undefined, { ref: false }))
  const plugins: readonly AdmissionPlugin[] = [
    namespaceLifecycle(deps),
    limitRanger(deps),
    serviceAccount({ ...deps, wait }),
    nodeRestriction(deps),
    taintNodesByCondition(),
    podSecurity(deps),
    priority(deps),
    defaultTolerationSeconds(),
    defaultStorageClass(deps),
    storageObjectInUseProtection(),
    persistentVolumeClaimResize(deps),
    runtimeClass(deps),
    certificateApproval(deps.authorizer),
    certificateSigning(deps.authorizer),
    certificateSubjectRestriction(),
    defaultIngressClass(deps),
    podTopologyLabels(deps),
    embeddedRuntime(deps.embeddedModules, deps.authorizer),
    { name: 'RoleEscalation', validate: request => checkEscalation(request, deps) },
    ...(deps.extensions ?? []),
    resourceQuota(deps),
  ]
  return {
    async mutate(request) {
      await runAll(plugins, 'mutate', request)
      if (plugins.some(plugin => plugin.again?.(request))) await runAll(plugins, 'mutate', request)
    },
    validate: request => runAll(plugins, 'validate', request),
  }
}

async function runAll(
  plugins: readonly AdmissionPlugin[],
  step: 'mutate' | 'validate',
  request: AdmissionRequest,
): Promise<void> {
  for (const plugin of plugins) {
    const pending = plugin[step]?.(request)
    if (pending) await pending
  }
}
