/** The parts of a server: those of its own, and, where there are several servers, those that only the leader runs. */
import { systemClock } from '../bootstrap/client/clock.ts'
import { reading } from '../bootstrap/metrics.ts'
import type { Kernel, RunningUserland } from '../bootstrap/userland.ts'
import { clusterOf, type Part } from './part.ts'
import { type ElectionTiming, electionTiming, runAsLeader, type Term } from './runtime/leader-election.ts'
import { operatorMetrics } from './runtime/metrics.ts'
import { type RunOptions, runOperators } from './runtime/run.ts'

/** What users know to look at: who holds it runs all that works on one server at a time, the scheduler included. */
const lease = { name: 'kube-controller-manager', namespace: 'kube-system' }

/** Starts them; they run until the kernel's signal aborts. Throws for arguments that make no sense. */
export function startParts(parts: readonly Part[], kernel: Kernel): RunningUserland {
  const options = operatorMetrics(kernel.metrics)
  const { candidate } = kernel
  if (candidate === undefined) return { stopped: run(parts, kernel, options) }
  const timing = electionTiming(kernel.config.controllerArgs)
  const own = parts.filter(part => part.everywhere)
  const led = parts.filter(part => !part.everywhere)
  return {
    stopped: Promise.all([
      run(own, kernel, options),
      elect(led, kernel, { identity: candidate, timing }, options),
    ]).then(() => {}),
  }
}

async function elect(
  parts: readonly Part[],
  kernel: Kernel,
  election: { readonly identity: string; readonly timing: ElectionTiming },
  options: RunOptions,
): Promise<void> {
  const { client, log, metrics, signal } = kernel
  const effects = { clock: systemClock, elapsed: () => performance.now(), random: Math.random, log }
  let leads = 0
  metrics.register(
    reading('gauge', 'leader_election_master_status', 'Whether this server leads: 1, or 0.', () => [
      [`name="${lease.name}"`, leads],
    ]),
  )
  await runAsLeader({ client, ...effects, signal, ...lease, ...election }, async (term: Term) => {
    leads = 1
    await run(parts, { ...kernel, ...term }, options)
    leads = 0
  })
}

/** What an operator cannot deal with ends all, which is a defect; it is told, and the server goes on. */
async function run(parts: readonly Part[], kernel: Kernel, options: RunOptions): Promise<void> {
  const operators = parts.flatMap(part => part.operators?.(kernel) ?? [])
  try {
    await runOperators(operators, clusterOf(kernel, kernel.signal), options)
  } catch (error) {
    if (!kernel.signal.aborted) kernel.log.error({ err: error }, 'the operators have stopped')
  }
}
