/** The parts of a server: those of its own, and, where there are several servers, those that only a leader runs. */
import { systemClock } from '../bootstrap/client/clock.ts'
import { reading } from '../bootstrap/metrics.ts'
import type { Kernel, RunningUserland } from '../bootstrap/userland.ts'
import { clusterOf, informersOf, type LeaseName, type Part } from './part.ts'
import { type ElectionTiming, electionTiming, runAsLeader, type Term } from './runtime/leader-election.ts'
import { operatorMetrics } from './runtime/metrics.ts'
import { type RunOptions, runOperators } from './runtime/run.ts'
import { SharedInformers } from './runtime/shared-informers.ts'

const namespace = 'kube-system'

/** Starts them; they run until the kernel's signal aborts. Throws for arguments that make no sense. */
export function startParts(parts: readonly Part[], kernel: Kernel): RunningUserland {
  const options = operatorMetrics(kernel.metrics)
  const { candidate } = kernel
  if (candidate === undefined) return { stopped: run(parts, kernel, options) }
  const timing = electionTiming(kernel.config.controllerArgs)
  const own = parts.filter(part => part.everywhere)
  const led = Map.groupBy(
    parts.filter(part => !part.everywhere && part.operators),
    ({ lease = 'k3s' }) => lease,
  )
  const elections = elect(led, kernel, { identity: candidate, timing }, options)
  return { stopped: Promise.all([run(own, kernel, options), elections]).then(() => {}) }
}

/** One election for each Lease. What this server leads shares its informers. */
async function elect(
  led: ReadonlyMap<LeaseName, readonly Part[]>,
  kernel: Kernel,
  election: { readonly identity: string; readonly timing: ElectionTiming },
  options: RunOptions,
): Promise<void> {
  const { client, log, metrics, signal } = kernel
  const effects = { clock: systemClock, elapsed: () => performance.now(), random: Math.random, log }
  const leads = new Set<LeaseName>()
  metrics.register(
    reading('gauge', 'leader_election_master_status', 'Whether this server leads: 1, or 0.', () =>
      [...led.keys()].map(name => [`name="${name}"`, leads.has(name) ? 1 : 0] as const),
    ),
  )
  const informers = new SharedInformers(until => informersOf(kernel, until))
  await Promise.all(
    Array.from(led, ([name, parts]) =>
      runAsLeader({ client, ...effects, signal, name, namespace, ...election }, async (term: Term) => {
        leads.add(name)
        term.signal.addEventListener('abort', () => leads.delete(name), { once: true })
        await run(parts, { ...kernel, ...term }, options, informers.during(term.signal))
      }),
    ),
  )
}

/** What an operator cannot deal with ends all, which is a defect; it is told, and the server goes on. */
async function run(
  parts: readonly Part[],
  kernel: Kernel,
  options: RunOptions,
  informers = informersOf(kernel, kernel.signal),
): Promise<void> {
  const operators = parts.flatMap(part => part.operators?.(kernel) ?? [])
  try {
    await runOperators(operators, clusterOf(kernel, kernel.signal, informers), options)
  } catch (error) {
    if (!kernel.signal.aborted) kernel.log.error({ err: error }, 'the operators have stopped')
  }
}
