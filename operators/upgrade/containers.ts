/** The containers of a plan's Job (upstream pkg/upgrade/container). */
import { posix } from 'node:path'
import type { Container, EnvVar, VolumeMount } from '../../bootstrap/api/types.gen.ts'
import { safeName } from './names.ts'
import type { Plan, PlanContainer, PlanStatus, PlanVolume } from './plan.ts'

const secretsFolder = '/run/system-upgrade/secrets'

export const secretVolume = (secret: string): string => safeName('secret', secret)

/** A container with what all containers of a plan have; `volumes` are the host's. */
export function containerOf(
  name: string,
  spec: PlanContainer,
  plan: Plan,
  status: PlanStatus,
  imagePullPolicy: string,
  volumes: readonly PlanVolume[] = [],
): Container {
  return {
    name,
    image: spec.image,
    ...(spec.command ? { command: spec.command } : {}),
    ...(spec.args ? { args: spec.args } : {}),
    ...(spec.envFrom ? { envFrom: spec.envFrom } : {}),
    env: [...downward, ...(spec.envs ?? []), ...planEnvironment(plan, status)],
    volumeMounts: [
      { name: 'host-root', mountPath: '/host' },
      { name: 'pod-info', mountPath: '/run/system-upgrade/pod', readOnly: true },
      ...(plan.spec.secrets ?? []).map(
        ({ name, path = '' }): VolumeMount => ({
          name: secretVolume(name),
          mountPath: path.startsWith('/') ? path : posix.join(secretsFolder, path === '' ? name : path),
          readOnly: true,
        }),
      ),
      ...volumes.map(({ name, destination }): VolumeMount => ({ name, mountPath: destination })),
    ],
    imagePullPolicy,
    // Ours: what a container said last is then in the pod's status, and from there in the plan's.
    terminationMessagePolicy: 'FallbackToLogsOnError',
  } as Container
}

const fromPod = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } })

const downward: readonly EnvVar[] = [
  fromPod('SYSTEM_UPGRADE_NODE_NAME', 'spec.nodeName'),
  fromPod('SYSTEM_UPGRADE_POD_NAME', 'metadata.name'),
  fromPod('SYSTEM_UPGRADE_POD_UID', 'metadata.uid'),
]

const planEnvironment = ({ metadata }: Plan, status: PlanStatus): readonly EnvVar[] => [
  { name: 'SYSTEM_UPGRADE_PLAN_NAME', value: metadata.name ?? '' },
  { name: 'SYSTEM_UPGRADE_PLAN_LATEST_HASH', value: status.latestHash ?? '' },
  { name: 'SYSTEM_UPGRADE_PLAN_LATEST_VERSION', value: status.latestVersion ?? '' },
]
