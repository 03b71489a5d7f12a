/** Reads a pod's sandboxes and containers from the runtime. */
import { setTimeout as delay } from 'node:timers/promises'
import { isRuntimeNotFound, type PodSandboxStatus, type Runtime } from '../runtime.ts'
import { terminationLogPath } from './container-config.ts'
import { containerAnnotation, podLabel } from './identity.ts'
import { terminationMessage } from './termination-message.ts'
import { hasEnded, type PodView, restartCountOf, type ViewedContainer } from './view.ts'

/** `before` spares asking again about what has ended. */
const settleMs = 60_000
const longestWaitMs = 250

export async function observePod(
  runtime: Runtime,
  uid: string,
  podDirectory: string,
  before: PodView,
): Promise<PodView> {
  const filter = { labelSelector: { [podLabel.uid]: uid } }
  const [sandboxList, containerList] = await Promise.all([
    runtime.listPodSandboxes(filter),
    runtime.listContainers(filter),
  ])
  const sandboxes = await Promise.all(sandboxList.map(({ id }) => orGone(runtime.podSandboxStatus(id))))
  const containers = await Promise.all(
    containerList.map(async ({ id, podSandboxId }): Promise<ViewedContainer | undefined> => {
      const known = before.containers.find(container => container.id === id)
      if (known && hasEnded(known)) return known
      return orGone(observeContainer(runtime, id, podSandboxId, podDirectory))
    }),
  )
  return {
    sandboxes: present(sandboxes).sort((a, b) => b.metadata.attempt - a.metadata.attempt || b.createdAt - a.createdAt),
    containers: present(containers).sort(newestFirst),
  }
}

export async function observeContainer(
  runtime: Runtime,
  id: string,
  sandboxId: string,
  podDirectory: string,
): Promise<ViewedContainer> {
  const status = await runtime.containerStatus(id)
  if (!hasEnded(status) || status.message !== '') return { ...status, sandboxId }
  const message = await terminationMessage(
    terminationLogPath(podDirectory, status.metadata.name, restartCountOf(status)),
    status.logPath,
    status.annotations[containerAnnotation.terminationMessagePolicy],
    status.exitCode,
  )
  return { ...status, message, sandboxId }
}

/** Puts or replaces one container in a view. */
export function withContainer(view: PodView, container: ViewedContainer): PodView {
  const others = view.containers.filter(({ id }) => id !== container.id)
  return { ...view, containers: [container, ...others].sort(newestFirst) }
}

export function withSandbox(view: PodView, sandbox: PodSandboxStatus): PodView {
  const others = view.sandboxes.filter(({ id }) => id !== sandbox.id)
  return { ...view, sandboxes: [sandbox, ...others].sort((a, b) => b.metadata.attempt - a.metadata.attempt) }
}

/**
 * Resolves once the runtime records an end that it has announced: its event may come before it says that the container runs
 * at all. Gives up after a minute, when the relist looks at everything anyway.
 */
export async function settleExit(runtime: Runtime, id: string): Promise<void> {
  const settled = async (): Promise<boolean> => {
    const container = await orGone(runtime.containerStatus(id))
    if (container) return container.state !== 'CONTAINER_RUNNING' && container.state !== 'CONTAINER_CREATED'
    return (await orGone(runtime.podSandboxStatus(id)))?.state !== 'SANDBOX_READY'
  }
  let wait = 2
  for (let waited = 0; waited < settleMs && !(await settled()); waited += wait) {
    wait = Math.min(2 * wait, longestWaitMs)
    await delay(wait)
  }
}

const newestFirst = (a: ViewedContainer, b: ViewedContainer): number => b.createdAt - a.createdAt

const present = <T>(items: readonly (T | undefined)[]): T[] => items.filter(item => item !== undefined)

function orGone<T>(promise: Promise<T>): Promise<T | undefined> {
  return promise.catch(error => {
    if (isRuntimeNotFound(error)) return undefined
    throw error
  })
}
