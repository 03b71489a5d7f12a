/** Which pods a drain removes, in kubectl's order and words (k8s.io/kubectl/pkg/drain filters). */
import { isNotFound } from '../../../bootstrap/api/errors.ts'
import { controllerOf } from '../../../bootstrap/api/object.ts'
import { isTerminal } from '../../../bootstrap/api/pods.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import { daemonSets, type Pod } from '../../../bootstrap/client/resources.ts'
import { millis } from '../../runtime/time.ts'
import type { DrainOptions } from './arguments.ts'

export type Verdict =
  | { readonly kind: 'remove'; readonly warning?: string }
  | { readonly kind: 'leave'; readonly warning?: string }
  | { readonly kind: 'refuse'; readonly why: string }

export interface Sorted {
  readonly remove: readonly Pod[]
  /** "what: namespace/pod, ...; ..."; empty when there is nothing to warn of. */
  readonly warning: string
  /** One per reason why the drain may not begin. */
  readonly problems: readonly string[]
}

const mirrorAnnotation = 'kubernetes.io/config.mirror'
const words = {
  daemonSetFatal: 'DaemonSet-managed Pods (use --ignore-daemonsets to ignore)',
  daemonSetWarning: 'ignoring DaemonSet-managed Pods',
  localStorageFatal: 'Pods with local storage (use --delete-emptydir-data to override)',
  unmanagedFatal: 'cannot delete Pods that declare no controller (use --force to override)',
  unmanagedWarning: 'deleting Pods that declare no controller',
}

/** Asks the API about the DaemonSets that pods name. */
export async function sortPods(
  pods: readonly Pod[],
  options: DrainOptions,
  client: Client,
  now: number,
): Promise<Sorted> {
  const remove: Pod[] = []
  const warnings = new Map<string, string[]>()
  const refusals = new Map<string, string[]>()
  const note = (map: Map<string, string[]>, text: string, { metadata }: Pod) => {
    map.set(text, [...(map.get(text) ?? []), `${metadata.namespace}/${metadata.name}`])
  }
  const findDaemonSet = finder(client)
  for (const pod of pods) {
    const verdict = await judge(pod, options, findDaemonSet, now)
    if (verdict.kind === 'refuse') note(refusals, verdict.why, pod)
    else if (verdict.warning !== undefined) note(warnings, verdict.warning, pod)
    if (verdict.kind === 'remove') remove.push(pod)
  }
  return {
    remove,
    warning: [...warnings].map(([text, names]) => `${text}: ${names.join(', ')}`).join('; '),
    problems: [...refusals].map(([text, names]) => {
      const prefix = /^cannot delete/i.test(text) ? '' : 'cannot delete '
      return `${prefix}${text}: ${names.join(', ')}`
    }),
  }
}

/** Resolves with what the API has against looking for it; undefined when the DaemonSet is there. */
type FindDaemonSet = (namespace: string, name: string) => Promise<Error | undefined>

function finder(client: Client): FindDaemonSet {
  const known = new Map<string, Promise<Error | undefined>>()
  return (namespace, name) => {
    const key = `${namespace}/${name}`
    const asked = known.get(key) ?? client.get(daemonSets, { namespace, name }).then(() => undefined, asError)
    known.set(key, asked)
    return asked
  }
}

const asError = (error: unknown): Error => error as Error

/** The filters in order. The last one's word counts, so that of pods with a controller there is never a warning. */
async function judge(pod: Pod, options: DrainOptions, find: FindDaemonSet, now: number): Promise<Verdict> {
  if (isOverdue(pod, options.skipWaitForDeleteTimeoutSeconds, now)) return { kind: 'leave' }
  const finished = isTerminal(pod)
  const controller = controllerOf(pod)
  if (controller?.kind === 'DaemonSet' && !finished) {
    const missing = await find(pod.metadata.namespace ?? '', controller.name)
    if (!missing && options.ignoreDaemonSets) return { kind: 'leave', warning: words.daemonSetWarning }
    if (!missing) return { kind: 'refuse', why: words.daemonSetFatal }
    if (!isNotFound(missing) || !options.force) return { kind: 'refuse', why: missing.message }
  }
  if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) return { kind: 'leave' }
  if (finished) return { kind: 'remove' }
  const hasLocalStorage = pod.spec.volumes?.some(({ emptyDir }) => emptyDir !== undefined) === true
  if (hasLocalStorage && !options.deleteEmptyDirData) return { kind: 'refuse', why: words.localStorageFatal }
  if (controller) return { kind: 'remove' }
  return options.force
    ? { kind: 'remove', warning: words.unmanagedWarning }
    : { kind: 'refuse', why: words.unmanagedFatal }
}

/** A pod whose deletion should have been over for longer than one is ready to wait. */
export function isOverdue({ metadata }: Pod, patienceSeconds: number, now: number): boolean {
  if (patienceSeconds <= 0 || metadata.deletionTimestamp === undefined) return false
  return Math.trunc((now - millis(metadata.deletionTimestamp)) / 1000) > patienceSeconds
}
