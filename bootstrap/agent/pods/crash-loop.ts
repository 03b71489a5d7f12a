/** What a pod's worker remembers of containers that fail again and again, and tells about them. */
import { formatDuration } from '../../api/time.ts'
import { containerPath } from './events.ts'
import { containerHash, podText } from './identity.ts'
import type { CrashLoop } from './plan.ts'
import type { PodRun } from './pod-run.ts'

/** Under what restarts of a container are counted; another specification starts anew. */
export function restartKey({ uid }: PodRun, container: { readonly name: string }): string {
  return `${uid}/${container.name}/${containerHash(container)}`
}

/** Shows the back-off as the reason a container waits, with an event when it is news. */
export function noteCrashLoop({ pod, waiting, services }: PodRun, { container, delayMs }: CrashLoop): void {
  const message = `back-off ${formatDuration(delayMs)} restarting failed container=${container.name} pod=${podText(pod)}`
  if (waiting.get(container.name)?.message === message) return
  waiting.set(container.name, { reason: 'CrashLoopBackOff', message })
  const event = `Back-off restarting failed container ${container.name} in pod ${podText(pod)}`
  services.events.pod(pod, 'Warning', 'BackOff', event, containerPath(pod, container.name))
}

/** What went wrong in the sandbox before says nothing about the new one. */
export function forgetFailures(run: PodRun): void {
  run.retryAt.clear()
  run.waiting.clear()
  for (const container of run.containers) run.services.restarts.forget(restartKey(run, container))
}
