/** kubectl's drain, cordon and uncordon of one node, with its output. */
import { isNotFound } from '../../../bootstrap/api/errors.ts'
import { assertNever } from '../../../bootstrap/api/object.ts'
import { escapeFieldValue } from '../../../bootstrap/api/selectors.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import { type Node, nodes, type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { type Command, type DrainOptions, parseCommand } from './arguments.ts'
import { type Sorted, sortPods } from './filters.ts'
import { removePods, type Surroundings } from './removal.ts'

const pageSize = 500

/** Resolves with the exit code. */
export async function runKubectl(args: readonly string[], around: Surroundings): Promise<number> {
  let command: Command
  try {
    command = parseCommand(args)
  } catch (error) {
    around.err(`error: ${(error as Error).message}`)
    return 1
  }
  const node = await around.client.get(nodes, { name: command.node }).catch(asError)
  if (node instanceof Error) {
    around.err(isNotFound(node) ? `Error from server (NotFound): ${node.message}` : `error: ${node.message}`)
    return 1
  }
  const { kind } = command
  switch (kind) {
    case 'cordon':
      return setSchedulable(node, false, around)
    case 'uncordon':
      return setSchedulable(node, true, around)
    case 'drain':
      // Unlike kubectl, which goes on: pods evicted from a node that is not cordoned come back to it.
      return (await setSchedulable(node, false, around)) || drain(command.node, command.options, around)
    default:
      return assertNever(kind)
  }
}

async function setSchedulable(node: Node, wanted: boolean, { client, out, err }: Surroundings): Promise<number> {
  const name = node.metadata.name ?? ''
  const verb = wanted ? 'uncordon' : 'cordon'
  if ((node.spec?.unschedulable === true) === !wanted) {
    out(`node/${name} already ${verb}ed`)
    return 0
  }
  const patch = { spec: { unschedulable: wanted ? null : true } }
  const failure = await client.patch(nodes, { name }, patch, { type: 'strategic' }).catch(asError)
  if (failure instanceof Error) {
    err(`error: unable to ${verb} node "${name}": ${failure.message}`)
    return 1
  }
  out(`node/${name} ${verb}ed`)
  return 0
}

async function drain(node: string, options: DrainOptions, around: Surroundings): Promise<number> {
  const { out, err } = around
  const problems = await drainPods(node, options, around)
  if (problems.length === 0) {
    out(`node/${node} drained`)
    return 0
  }
  err(`error: unable to drain node "${node}" due to error: ${aggregate(problems)}, continuing command...`)
  err(`There are pending nodes to be drained:\n ${node}`)
  for (const problem of problems) err(problem)
  return 1
}

async function drainPods(node: string, options: DrainOptions, around: Surroundings): Promise<readonly string[]> {
  const { err } = around
  const found = await podsToRemove(node, options, around)
  if (found instanceof Error) return [found.message]
  if (found.problems.length > 0) return found.problems
  if (found.warning !== '') err(`Warning: ${found.warning}`)
  const problems = await removePods(found.remove, options, around)
  if (problems.length > 0) await tellPending(node, options, aggregate(problems), around)
  return problems
}

async function tellPending(node: string, options: DrainOptions, why: string, around: Surroundings): Promise<void> {
  const left = await podsToRemove(node, options, around)
  if (left instanceof Error || left.remove.length === 0) return
  around.err(`There are pending pods in node "${node}" when an error occurred: ${why}`)
  for (const { metadata } of left.remove) around.err(`pod/${metadata.name}`)
}

async function podsToRemove(
  node: string,
  options: DrainOptions,
  { client, clock }: Surroundings,
): Promise<Sorted | Error> {
  try {
    return await sortPods(await podsOn(node, options.podSelector, client), options, client, clock.now())
  } catch (error) {
    return error as Error
  }
}

async function podsOn(node: string, labelSelector: string, client: Client): Promise<readonly Pod[]> {
  const found: Pod[] = []
  const fieldSelector = `spec.nodeName=${escapeFieldValue(node)}`
  let next: string | undefined
  do {
    const from = next === undefined ? {} : { continue: next }
    const page = await client.list(pods, { labelSelector, fieldSelector, limit: pageSize, ...from })
    found.push(...page.items)
    next = page.continue
  } while (next !== undefined && next !== '')
  return found
}

/** Several errors as Go prints them. */
function aggregate(problems: readonly string[]): string {
  const all = [...new Set(problems)]
  return all.length === 1 ? all[0]! : `[${all.join(', ')}]`
}

const asError = (error: unknown): Error => error as Error
