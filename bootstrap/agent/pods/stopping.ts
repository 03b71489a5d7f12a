/** Stopping containers gracefully: preStop hook, SIGTERM, grace period, SIGKILL; sidecars after the rest. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container } from '../../api/types.gen.ts'
import { isRuntimeNotFound } from '../runtime.ts'
import { containerPath } from './events.ts'
import { isSidecar } from './identity.ts'
import { runHook } from './lifecycle.ts'
import type { PodRun } from './pod-run.ts'
import { isRunning, type ViewedContainer } from './view.ts'

/** A container gets this long even when its hook has used up the grace period. */
const minimumGraceSeconds = 2

/** Resolves once the container is dead. `message` is the text of the Killing event. */
export async function stopContainer(
  run: PodRun,
  target: ViewedContainer,
  container: Container,
  message: string,
  graceSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const { clock, events } = run.services
  const path = containerPath(run.pod, container.name)
  events.pod(run.pod, 'Normal', 'Killing', message, path)
  const startedAt = clock.now()
  const preStop = container.lifecycle?.preStop
  if (preStop && graceSeconds > 0) {
    const hook = { container, containerId: target.id, podIp: run.podIps[0] ?? '', runtime: run.runtime }
    const outcome = await runHook(preStop, hook, clock, signal, graceSeconds * 1000).catch(
      () => ({ ok: true }) as const,
    )
    if (!outcome.ok) events.pod(run.pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', path)
  }
  const left = Math.ceil(graceSeconds - (clock.now() - startedAt) / 1000)
  await run.runtime.stopContainer(target.id, Math.max(left, minimumGraceSeconds)).catch(error => {
    if (!isRuntimeNotFound(error)) throw error
  })
  await run.observeOne(target.id, target.sandboxId).catch(() => undefined)
}

/** Stops every running container of a pod, then its sandboxes. `progress` is called as containers end. */
export async function stopPod(
  run: PodRun,
  graceSeconds: number,
  signal: AbortSignal,
  progress: () => void,
): Promise<void> {
  const { clock } = run.services
  const deadline = clock.now() + graceSeconds * 1000
  const running = run.view.containers.filter(isRunning)
  const definition = (target: ViewedContainer): Container =>
    run.containers.find(({ name }) => name === target.metadata.name) ?? { name: target.metadata.name }
  const stop = async (target: ViewedContainer, grace: number) => {
    const container = definition(target)
    await stopContainer(run, target, container, `Stopping container ${container.name}`, grace, signal)
    progress()
  }
  const sidecarOrder = (run.pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name)
  const isLate = ({ metadata }: ViewedContainer) => sidecarOrder.includes(metadata.name)
  await Promise.all(running.filter(target => !isLate(target)).map(target => stop(target, graceSeconds)))
  const order = ({ metadata }: ViewedContainer) => sidecarOrder.indexOf(metadata.name)
  for (const target of running.filter(isLate).sort((a, b) => order(b) - order(a)))
    await stop(target, Math.max(0, Math.ceil((deadline - clock.now()) / 1000)))
  for (const { id } of run.view.sandboxes) await ignoreGone(run.runtime.stopPodSandbox(id))
  await run.observe()
}

/** Deletes what is left of a stopped pod in the runtime, and its log links. */
export async function removePod(run: PodRun): Promise<void> {
  const { metadata } = run.pod
  for (const { id, metadata: container } of run.view.containers) {
    const link = `${metadata.name}_${metadata.namespace}_${container.name}-${id}.log`
    await rm(join(run.services.containerLogRoot, link), { force: true })
    await ignoreGone(run.runtime.removeContainer(id))
  }
  for (const { id } of run.view.sandboxes) await ignoreGone(run.runtime.removePodSandbox(id))
}

async function ignoreGone(promise: Promise<void>): Promise<void> {
  await promise.catch(error => {
    if (!isRuntimeNotFound(error)) throw error
  })
}
