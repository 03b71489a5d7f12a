/** The node's pod CIDRs, from the API to whoever gives pods their addresses. */
import { backoffMs } from '../client/clock.ts'
import { type Node, nodes } from '../client/resources.ts'
import type { AgentDeps } from './agent.ts'
import type { Runtime } from './runtime.ts'

/** Tells network and runtime the node's pod CIDRs as soon as the API has them, and again until they take it. */
export function followPodCidrs(
  nodeName: string,
  deps: Pick<AgentDeps, 'clock' | 'random' | 'log' | 'informers' | 'network'>,
  runtime: Pick<Runtime, 'updateRuntimeConfig'>,
  signal: AbortSignal,
): void {
  const { clock, random, log } = deps
  let known = ''
  const apply = async (podCidrs: readonly string[]) => {
    for (let failures = 0; !signal.aborted && podCidrs.join() === known; failures++) {
      try {
        await deps.network?.usePodCidrs(podCidrs)
        await runtime.updateRuntimeConfig(podCidrs.join())
        return
      } catch (error) {
        if (signal.aborted) return
        log.error({ podCidrs, error: (error as Error).message }, 'pod network not set up')
        await clock.sleep(backoffMs(failures, 500, 30_000, random), signal).catch(() => undefined)
      }
    }
  }
  const learn = ({ spec }: Node) => {
    const podCidrs = spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : [])
    if (podCidrs.length === 0 || podCidrs.join() === known) return
    known = podCidrs.join()
    void apply(podCidrs)
  }
  const unsubscribe = deps.informers.get(nodes, { fieldSelector: `metadata.name=${nodeName}` }).subscribe({
    added: node => learn(node),
    updated: node => learn(node),
  })
  signal.addEventListener('abort', unsubscribe, { once: true })
}
