/** Where the agent keeps its files. */
import { join } from 'node:path'
import type { AgentOptions } from './options.ts'

export interface Paths {
  readonly agent: string
  readonly images: string
  readonly kubelet: string
  readonly podLogs: string
  readonly containerLogs: string
}

export function pathsOf(options: AgentOptions): Paths {
  const agent = join(options.dataDir, 'agent')
  return {
    agent,
    images: join(agent, 'images'),
    kubelet: options.kubeletDir ?? '/var/lib/kubelet',
    podLogs: options.podLogDir ?? '/var/log/pods',
    containerLogs: options.containerLogDir ?? '/var/log/containers',
  }
}
