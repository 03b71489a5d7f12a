/** The node's pod CIDR, from the API to whoever gives pods their addresses. */
import { backoffMs } from '../client/clock.ts'
import { nodes } from '../client/resources.ts'
import type { AgentDeps } from './agent.ts'
import type { Runtime } from './runtime.ts'

/** Tells network and runtime the node's pod CIDR as soon as the API has one, and again until they take it. */
export function followPodCidr(
  nodeName: string,
  deps: Pick<AgentDeps, 'clock' | 'random' | 'log' | 'informers' | 'network'>,
  runtime: Pick<Runtime, 'updateRuntimeConfig'>,
  signal: AbortSignal,
): void {
  const { clock, random, log } = deps
  let known = ''
  const apply = async (podCidr: string) => {
    for (let failures = 0; !signal.aborted && podCidr === known; failures++) {
      try {
        await deps.network?.usePodCidr(podCidr)
        await runtime.updateRuntimeConfig(podCidr)
        return
      } catch (error) {
        if (signal.aborted) return
        log.error({ podCidr, error: (error as Error).message }, 'pod network not set up')
        await clock.sleep(backoffMs(failures, 500, 30_000, random), signal).catch(() => undefined)
      }
    }
  }
  const learn = (podCidr: string | undefined) => {
    if (!podCidr || podCidr === known) return
    known = podCidr
    void apply(podCidr)
  }
  const unsubscribe = deps.informers.get(nodes, { fieldSelector: `metadata.name=${nodeName}` }).subscribe({
    added: node => learn(node.spec?.podCIDR),
    updated: node => learn(node.spec?.podCIDR),
  })
  signal.addEventListener('abort', unsubscribe, { once: true })
}
