/** One part of userland by itself: `skiff operator NAME`, as a process of its own against any cluster. */
import { join } from 'node:path'
import type { EmbeddedModule } from '../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../bootstrap/client/clock.ts'
import type { Alone, Kernel } from '../bootstrap/userland.ts'
import { clusterOf, type Part } from './part.ts'
import { ensureCrds } from './runtime/crds.ts'
import { runAsLeader, type Term } from './runtime/leader-election.ts'
import { runOperators } from './runtime/run.ts'

/**
 * Makes the part's CRDs known, then runs its operators and its module until the kernel's signal aborts; with an identity
 * only while it is the leader. Rejects when the cluster cannot be reached at first.
 */
export async function runAlone(
  kernel: Kernel,
  alone: Alone,
  part: Part,
  loadModule: (() => Promise<EmbeddedModule>) | undefined,
): Promise<void> {
  const { client, home, log, signal } = kernel
  await ensureCrds(client, join(home, 'crds'), systemClock, signal, part.crds ?? [])
  const work = async (term: Term) => {
    const its = { ...kernel, ...term }
    const operators = part.operators?.(its) ?? []
    const module = await loadModule?.()
    await Promise.all([
      runOperators(operators, clusterOf(its, term.signal)),
      ...(module ? [runModule(module, its, alone, term.signal)] : []),
    ])
  }
  log.info({}, `operator ${alone.name} is running`)
  const { name, identity, leaseNamespace: namespace } = alone
  if (identity === undefined) return work({ client, signal })
  const effects = { clock: systemClock, elapsed: () => performance.now(), random: Math.random }
  await runAsLeader({ client, ...effects, log, signal, name: `skiff-${name}`, namespace, identity }, work)
}

/** Outside of a pod a module has the machine: its address, its paths, its output. */
async function runModule(module: EmbeddedModule, kernel: Kernel, alone: Alone, signal: AbortSignal): Promise<void> {
  const { client, config, log } = kernel
  const code = await module.run({
    args: alone.moduleArgs,
    env: process.env as { readonly [name: string]: string },
    pod: { name: alone.name, namespace: 'kube-system', uid: '', nodeName: config.nodeName, ips: config.nodeIps },
    client,
    certificate: alone.certificate,
    hostPath: path => path,
    stdout: text => process.stdout.write(text),
    stderr: text => process.stderr.write(text),
    signal,
  })
  if (!signal.aborted) log.warn({ code }, `module ${alone.name} has ended`)
}
