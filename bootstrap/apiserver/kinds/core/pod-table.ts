/** The pod table: how `kubectl get pods` sums a pod up (pkg/printers/internalversion printPod). */
import { isTerminal } from '../../../api/pods.ts'
import { humanDuration } from '../../../api/time.ts'
import type { Container, ContainerState, ContainerStatus, Pod } from '../../../api/types.gen.ts'
import type { TypedColumn } from '../common/build.ts'
import { ageColumn, column, nameColumn, wide } from '../common/build.ts'

interface Summary {
  status: string
  ready: number
  total: number
  restarts: number
  /** Epoch milliseconds of the newest termination that was restarted from; 0 for none. */
  lastRestart: number
}

/** One row's ready count, status word and restarts. */
function summarizePod(pod: Pod): Summary {
  const spec = pod.spec
  const sidecars = new Set((spec?.initContainers ?? []).filter(isSidecar).map(container => container.name))
  const summary: Summary = {
    status: pod.status?.reason || (pod.status?.phase ?? ''),
    ready: 0,
    total: (spec?.containers?.length ?? 0) + sidecars.size,
    restarts: 0,
    lastRestart: 0,
  }
  if (condition(pod, 'PodScheduled')?.reason === 'SchedulingGated') summary.status = 'SchedulingGated'
  const sidecarRestarts = { restarts: 0, lastRestart: 0 }
  const initializing = summarizeInit(pod, sidecars, summary, sidecarRestarts)
  if (!initializing || condition(pod, 'Initialized')?.status === 'True') {
    Object.assign(summary, sidecarRestarts)
    summarizeContainers(pod, summary)
  }
  if (pod.metadata?.deletionTimestamp) {
    if (pod.status?.reason === 'NodeLost') summary.status = 'Unknown'
    else if (!isTerminal(pod)) summary.status = 'Terminating'
  }
  return summary
}

const isSidecar = (container: Container) => container.restartPolicy === 'Always'
const condition = (pod: Pod, type: string) => pod.status?.conditions?.find(found => found.type === type)

function countRestarts(status: ContainerStatus, into: { restarts: number; lastRestart: number }): void {
  into.restarts += status.restartCount ?? 0
  const finished = Date.parse(status.lastState?.terminated?.finishedAt ?? '')
  if (finished > into.lastRestart) into.lastRestart = finished
}

/** Walks the init containers up to the first that is not done. True when there is one. */
function summarizeInit(
  pod: Pod,
  sidecars: ReadonlySet<string>,
  summary: Summary,
  sidecarRestarts: { restarts: number; lastRestart: number },
): boolean {
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    countRestarts(status, summary)
    const sidecar = sidecars.has(status.name)
    if (sidecar) countRestarts(status, sidecarRestarts)
    const { terminated, waiting } = status.state ?? {}
    if (terminated?.exitCode === 0) continue
    if (sidecar && status.started) {
      if (status.ready) summary.ready++
      continue
    }
    if (terminated) summary.status = `Init:${terminatedText(terminated)}`
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') summary.status = `Init:${waiting.reason}`
    else summary.status = `Init:${index}/${pod.spec?.initContainers?.length ?? 0}`
    return true
  }
  return false
}

function summarizeContainers(pod: Pod, summary: Summary): void {
  let running = false
  for (const status of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    countRestarts(status, summary)
    const { terminated, waiting } = status.state ?? {}
    if (waiting?.reason) summary.status = waiting.reason
    else if (terminated) summary.status = terminatedText(terminated)
    else if (status.ready && status.state?.running) {
      running = true
      summary.ready++
    }
  }
  if (summary.status === 'Completed' && running) {
    summary.status = condition(pod, 'Ready')?.status === 'True' ? 'Running' : 'NotReady'
  }
}

function terminatedText(state: NonNullable<ContainerState['terminated']>): string {
  if (state.reason) return state.reason
  return state.signal ? `Signal:${state.signal}` : `ExitCode:${state.exitCode}`
}

function restartsText(pod: Pod, now: number): string {
  const { restarts, lastRestart } = summarizePod(pod)
  return restarts > 0 && lastRestart > 0 ? `${restarts} (${humanDuration(now - lastRestart)} ago)` : `${restarts}`
}

function gatesText(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? []
  if (gates.length === 0) return '<none>'
  const open = gates.filter(gate => condition(pod, gate.conditionType)?.status === 'True')
  return `${open.length}/${gates.length}`
}

export const podColumns: readonly TypedColumn<Pod>[] = [
  nameColumn,
  column('Ready', pod => {
    const { ready, total } = summarizePod(pod)
    return `${ready}/${total}`
  }),
  column('Status', pod => summarizePod(pod).status),
  column('Restarts', restartsText),
  ageColumn,
  wide('IP', pod => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '<none>'),
  wide('Node', pod => pod.spec?.nodeName || '<none>'),
  wide('Nominated Node', pod => pod.status?.nominatedNodeName || '<none>'),
  wide('Readiness Gates', gatesText),
]

/** Finished pods are marked, so that clients can dim them. */
export function podRowConditions(pod: Pod) {
  if (pod.status?.phase === 'Succeeded') {
    const message = 'The pod has completed successfully.'
    return [{ type: 'Completed', status: 'True', reason: 'Succeeded', message }]
  }
  if (pod.status?.phase === 'Failed') {
    return [{ type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' }]
  }
  return []
}
