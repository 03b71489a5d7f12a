/** Creating a pod's sandbox and starting its containers. */
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container } from '../../api/types.gen.ts'
import type { ContainerConfig } from '../runtime.ts'
import { VolumeError } from '../volumes/payload.ts'
import { containerConfig } from './container-config.ts'
import { hostNetworkHostsFile, hostsFile } from './dns.ts'
import { ConfigurationError } from './environment.ts'
import { containerPath } from './events.ts'
import { podLogDirectory } from './identity.ts'
import { runHook } from './lifecycle.ts'
import { withSandbox } from './observe.ts'
import type { Step } from './plan.ts'
import type { PodRun } from './pod-run.ts'
import { podCgroup, podCgroupLimits } from './qos.ts'
import { sandboxConfig } from './sandbox-config.ts'
import { StartError } from './start-error.ts'
import { stopContainer } from './stopping.ts'
import { readySandbox, type ViewedContainer } from './view.ts'

/** Of pods that are given their address by the embedded runtime itself. */
export const embeddedHandler = 'embedded'

const networkNotReady =
  'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized'

type StartStep = Extract<Step, { type: 'start' }>

/** Sets up volumes, cgroup and sandbox. Throws what prevented it, after recording the event. */
export async function createSandbox(
  run: PodRun,
  attempt: number,
  signal: AbortSignal,
  changed: () => void,
): Promise<void> {
  const { pod, services } = run
  const { runtime } = run
  const embedded = pod.spec.runtimeClassName === embeddedHandler
  if (!pod.spec.hostNetwork && !embedded && !services.networkReady()) {
    services.events.pod(pod, 'Warning', 'NetworkNotReady', `network is not ready: ${networkNotReady}`)
    throw new StartError('NetworkNotReady', networkNotReady)
  }
  for (const sandbox of run.view.sandboxes) await runtime.stopPodSandbox(sandbox.id)
  await mkdir(run.directory, { recursive: true, mode: 0o750 }).catch(error => {
    services.events.pod(pod, 'Warning', 'Failed', `error making pod data directories: ${(error as Error).message}`)
    throw error
  })
  try {
    await services.volumes.mount(pod, { podIps: [], hostIps: services.hostIps() }, changed)
  } catch (error) {
    if (error instanceof VolumeError) services.events.pod(pod, 'Warning', 'FailedMount', error.message)
    throw error
  }
  await applyCgroup(run)
  const config = await sandboxConfigOf(run, attempt)
  await mkdir(config.logDirectory, { recursive: true, mode: 0o755 })
  try {
    const id = await runtime.runPodSandbox(config, services.handlerOf(pod), signal)
    services.learn(id, run.uid)
    run.view = withSandbox(run.view, await runtime.podSandboxStatus(id))
  } catch (error) {
    const message = `Failed to create pod sandbox: rpc error: code = Unknown desc = ${(error as Error).message}`
    if (!signal.aborted) services.events.pod(pod, 'Warning', 'FailedCreatePodSandBox', message)
    throw error
  }
}

async function applyCgroup({ pod, services }: PodRun): Promise<void> {
  const cgroup = podCgroup(pod)
  try {
    await services.cgroups.apply(cgroup, podCgroupLimits(pod.spec, services.nodeLimits))
  } catch (error) {
    const reason = `failed to create container for ${cgroup} : ${(error as Error).message}`
    services.events.pod(pod, 'Warning', 'FailedCreatePodContainer', `unable to ensure pod container exists: ${reason}`)
    throw error
  }
}

async function sandboxConfigOf(run: PodRun, attempt: number) {
  const { logRoot, clusterDns } = run.services
  return sandboxConfig(run.pod, attempt, { logRoot, clusterDns, hostDns: await run.services.hostDns() })
}

/** Pulls, creates and starts one container and runs its postStart hook. Throws StartError with the reason to show. */
export async function startContainer(
  run: PodRun,
  step: StartStep,
  signal: AbortSignal,
  changed: () => void,
): Promise<void> {
  const { pod, services, runtime } = run
  const { container } = step
  const sandbox = readySandbox(pod, run.view)!
  const say = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    services.events.pod(pod, type, reason, message, containerPath(pod, container.name))
  const config = await configOf(run, step, signal, changed).catch(error => {
    const reason = error instanceof StartError && /Image/.test(error.reason) ? error.reason : (error as Error).message
    if (!signal.aborted) say('Warning', 'Failed', `Error: ${reason}`)
    throw error
  })
  await removeOldContainers(run, container.name)
  const sandboxCri = await sandboxConfigOf(run, sandbox.metadata.attempt)
  const id = await runtime.createContainer(sandbox.id, config, sandboxCri).catch(error => {
    say('Warning', 'Failed', `Error: ${(error as Error).message}`)
    throw new StartError('CreateContainerError', (error as Error).message)
  })
  services.learn(id, run.uid)
  run.applied.set(id, JSON.stringify(config.linux.resources))
  say('Normal', 'Created', 'Container created')
  try {
    await runtime.startContainer(id)
  } catch (error) {
    say('Warning', 'Failed', `Error: ${(error as Error).message}`)
    await run.observeOne(id, sandbox.id)
    throw new StartError('RunContainerError', (error as Error).message)
  }
  say('Normal', 'Started', 'Container started')
  const started = await run.observeOne(id, sandbox.id)
  await linkLog(run, container.name, id, started.logPath)
  await postStart(run, step, started, signal)
}

async function configOf(
  run: PodRun,
  step: StartStep,
  signal: AbortSignal,
  changed: () => void,
): Promise<ContainerConfig> {
  const { pod, services, runtime } = run
  const { container, restartCount } = step
  const image = await services.images.ensure(pod, container, runtime, signal)
  const addresses = { podIps: run.podIps, hostIps: services.hostIps() }
  await writeHosts(run)
  const target = pod.spec.ephemeralContainers?.find(({ name }) => name === container.name)?.targetContainerName
  try {
    return await containerConfig(pod, container, {
      image,
      volumes: await services.volumes.mount(pod, addresses, changed),
      environment: {
        configMap: (namespace, name) => services.references.configMap(namespace, name),
        secret: (namespace, name) => services.references.secret(namespace, name),
        services: services.services(),
        addresses,
        node: services.allocatable(),
      },
      nodeLimits: services.nodeLimits,
      podDirectory: run.directory,
      restartCount,
      targetId: target ? run.view.containers.find(({ metadata }) => metadata.name === target)?.id : undefined,
    })
  } catch (error) {
    if (error instanceof ConfigurationError || error instanceof VolumeError)
      throw new StartError('CreateContainerConfigError', error.message)
    throw error
  }
}

async function writeHosts(run: PodRun): Promise<void> {
  const { pod, services } = run
  const text = pod.spec.hostNetwork
    ? hostNetworkHostsFile(pod, await readFile('/etc/hosts', 'utf8').catch(() => '127.0.0.1\tlocalhost\n'))
    : hostsFile(pod, run.podIps, services.clusterDns.domain)
  await writeFile(join(run.directory, 'etc-hosts'), text, { mode: 0o644 })
}

/** Keeps the last ended container of a name, for its log and its status; removes those before it. */
async function removeOldContainers(run: PodRun, name: string): Promise<void> {
  const old = run.view.containers.filter(({ metadata }) => metadata.name === name).slice(1)
  for (const { id, logPath } of old) {
    await run.runtime.removeContainer(id).catch(() => undefined)
    if (logPath) await rm(logPath, { force: true })
    run.view = { ...run.view, containers: run.view.containers.filter(container => container.id !== id) }
  }
}

/** /var/log/containers/<pod>_<namespace>_<container>-<id>.log, what log collectors read. */
async function linkLog(run: PodRun, name: string, id: string, logPath: string): Promise<void> {
  if (!logPath) return
  const { metadata } = run.pod
  const link = join(run.services.containerLogRoot, `${metadata.name}_${metadata.namespace}_${name}-${id}.log`)
  await symlink(logPath, link).catch(() => undefined)
}

async function postStart(run: PodRun, step: StartStep, started: ViewedContainer, signal: AbortSignal): Promise<void> {
  const handler = step.container.lifecycle?.postStart
  if (!handler) return
  const { container } = step
  const target = { container, containerId: started.id, podIp: run.podIps[0] ?? '', runtime: run.runtime }
  const outcome = await runHook(handler, target, run.services.clock, signal)
  if (outcome.ok) return
  run.services.events.pod(
    run.pod,
    'Warning',
    'FailedPostStartHook',
    'PostStartHook failed',
    containerPath(run.pod, container.name),
  )
  await stopContainer(run, started, container, 'FailedPostStartHook', 2, signal)
  throw new StartError('PostStartHookError', `PostStartHook failed: ${outcome.message}`)
}

/** Applies changed limits to running containers, in place. */
export async function resizeContainers(run: PodRun, resources: (container: Container) => object): Promise<void> {
  for (const container of run.pod.spec.containers) {
    const running = run.view.containers.find(
      ({ metadata, state }) => metadata.name === container.name && state === 'CONTAINER_RUNNING',
    )
    if (!running) continue
    const wanted = resources(container)
    const applied = run.applied.get(running.id)
    run.applied.set(running.id, JSON.stringify(wanted))
    if (applied === undefined || applied === JSON.stringify(wanted)) continue
    await run.services.cgroups.apply(podCgroup(run.pod), podCgroupLimits(run.pod.spec, run.services.nodeLimits))
    await run.runtime.updateContainerResources(running.id, wanted)
  }
}

/** Deletes the pod's logs. */
export async function removePodFiles(run: PodRun): Promise<void> {
  await rm(podLogDirectory(run.services.logRoot, run.pod), { recursive: true, force: true })
}
