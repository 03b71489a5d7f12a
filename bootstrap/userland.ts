/** What the kernel knows of userland: nothing but this shape. skiff.ts hands the operators in. */
import type { EmbeddedModules } from './agent/embedded/module.ts'
import type { Client } from './client/client.ts'
import type { ServerConfig } from './config/server-config.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface Kernel {
  readonly config: ServerConfig
  /** In-process transport to the API, as system:masters; `as` narrows it. */
  readonly client: Client
  readonly caPem: string
  /** The program's own folder, where manifests/ and crds/ are. */
  readonly home: string
  readonly log: Logger
  /** What the server's /metrics shows. */
  readonly metrics: Pick<Metrics, 'register'>
  readonly signal: AbortSignal
}

export interface Userland {
  readonly embeddedModules: EmbeddedModules
  /** Starts every operator; resolves once they run. */
  start(kernel: Kernel): Promise<void>
}
