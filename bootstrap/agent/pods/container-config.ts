/** A container in CRI's terms: environment, mounts, limits, security and the annotations it is found again by. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Container, VolumeMount } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { ContainerConfig, Mount, RuntimeImage } from '../runtime.ts'
import { resolveSubPath } from '../volumes/subpath.ts'
import type { MountedVolumes } from '../volumes/volumes.ts'
import { ConfigurationError, containerEnvironment, type EnvironmentSources } from './environment.ts'
import { expand, missingReferences } from './expand.ts'
import { containerAnnotation, containerHash, containerLogPath, podLabel, podUid } from './identity.ts'
import { containerResources, type NodeLimits } from './qos.ts'
import { containerSecurity } from './security.ts'

export interface ContainerContext {
  readonly image: RuntimeImage
  readonly volumes: MountedVolumes
  readonly environment: EnvironmentSources
  readonly nodeLimits: NodeLimits
  /** The pod's directory below /var/lib/kubelet/pods. */
  readonly podDirectory: string
  readonly restartCount: number
  /** The container whose processes an ephemeral container joins. */
  readonly targetId: string | undefined
}

/** Throws ConfigurationError (or VolumeError) for what the user must correct. */
export async function containerConfig(
  pod: Pod,
  container: Container,
  context: ContainerContext,
): Promise<ContainerConfig> {
  const values = await containerEnvironment(pod, container, context.environment)
  const { restartCount } = context
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: context.image.id },
    command: (container.command ?? []).map(text => expand(text, values)),
    args: (container.args ?? []).map(text => expand(text, values)),
    ...(container.workingDir ? { workingDir: container.workingDir } : {}),
    envs: Object.entries(values).map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: await mounts(container, values, context),
    labels: {
      [podLabel.name]: pod.metadata.name ?? '',
      [podLabel.namespace]: pod.metadata.namespace ?? '',
      [podLabel.uid]: podUid(pod),
      [podLabel.container]: container.name,
    },
    annotations: {
      [containerAnnotation.hash]: containerHash(container),
      [containerAnnotation.restartCount]: String(restartCount),
      [containerAnnotation.terminationMessagePath]: container.terminationMessagePath ?? '/dev/termination-log',
      [containerAnnotation.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
      [containerAnnotation.podGracePeriod]: String(pod.spec.terminationGracePeriodSeconds ?? 30),
    },
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    linux: {
      resources: containerResources(pod, container, context.nodeLimits),
      securityContext: containerSecurity(pod, container, context.image, context.targetId),
    },
  }
}

/** Where a container's termination message is written on the host. */
export function terminationLogPath(podDirectory: string, container: string, restartCount: number): string {
  return join(podDirectory, 'containers', container, `termination-${restartCount}`)
}

async function mounts(
  container: Container,
  values: { [name: string]: string },
  context: ContainerContext,
): Promise<Mount[]> {
  const result: Mount[] = []
  for (const mount of container.volumeMounts ?? []) result.push(await volumeMount(mount, values, context))
  const taken = new Set(result.map(({ containerPath }) => containerPath))
  const hosts = join(context.podDirectory, 'etc-hosts')
  if (!taken.has('/etc/hosts')) result.push(plainMount('/etc/hosts', hosts))
  const logPath = container.terminationMessagePath ?? '/dev/termination-log'
  if (logPath !== '' && !taken.has(logPath)) {
    const hostPath = terminationLogPath(context.podDirectory, container.name, context.restartCount)
    await mkdir(dirname(hostPath), { recursive: true, mode: 0o750 })
    await writeFile(hostPath, '', { flush: false })
    // Containers that run as somebody else write it too; a mode on creation would be cut by the umask.
    await chmod(hostPath, 0o666)
    result.push(plainMount(logPath, hostPath))
  }
  return result
}

const plainMount = (containerPath: string, hostPath: string): Mount => ({
  containerPath,
  hostPath,
  readonly: false,
  propagation: 'PROPAGATION_PRIVATE',
})

const propagations: { readonly [mode: string]: Mount['propagation'] } = {
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
}

async function volumeMount(
  mount: VolumeMount,
  values: { [name: string]: string },
  context: ContainerContext,
): Promise<Mount> {
  const volume = context.volumes.get(mount.name)
  if (!volume) throw new ConfigurationError(`cannot find volume "${mount.name}" to mount into container`)
  let { subPath } = mount
  if (mount.subPathExpr) {
    const missing = missingReferences(mount.subPathExpr, values)
    if (missing.length > 0) throw new ConfigurationError(`missing value for "${missing[0]}"`)
    subPath = expand(mount.subPathExpr, values)
  }
  return {
    containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
    hostPath: subPath ? await resolveSubPath(volume.hostPath, subPath) : volume.hostPath,
    readonly: mount.readOnly === true || volume.readOnly,
    propagation: propagations[mount.mountPropagation ?? ''] ?? 'PROPAGATION_PRIVATE',
  }
}
