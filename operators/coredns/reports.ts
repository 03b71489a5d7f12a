/** What users are told: lines in the log as CoreDNS writes them, and events where they look for them. */
import type { EmbeddedContext } from '../../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { configMaps } from '../../bootstrap/client/resources.ts'
import { createEventRecorder } from '../runtime/events.ts'
import type { EventRecorder } from '../runtime/operator.ts'
import { CorefileError } from './corefile.ts'
import type { LogLines } from './plugins/plugin.ts'

export class Reports {
  readonly log: LogLines
  readonly #context: EmbeddedContext
  readonly #events: EventRecorder

  constructor(context: EmbeddedContext) {
    this.#context = context
    const line = (level: string) => (text: string) => context.stdout(`[${level}] ${text}\n`)
    this.log = { info: line('INFO'), warning: line('WARNING'), error: line('ERROR') }
    this.#events = createEventRecorder({
      client: context.client,
      clock: systemClock,
      log: { debug: () => {} },
      component: 'coredns',
      host: context.pod.nodeName,
    })
  }

  plain(text: string): void {
    this.#context.stdout(`${text}\n`)
  }

  /** A configuration was refused: said in the log, on the pod, and on the ConfigMap that holds the mistake. */
  refused(error: unknown, consequence: string): void {
    const message = `${(error as Error).message} (${consequence})`
    this.log.error(`plugin/reload: ${message}`)
    this.#event('Warning', 'InvalidConfiguration', message)
    void this.#eventOnConfigMap(
      error instanceof CorefileError && error.file !== 'Corefile' ? 'coredns-custom' : 'coredns',
      message,
    )
  }

  accepted(message: string): void {
    this.#event('Normal', 'ConfigurationReloaded', message)
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { name, namespace, uid } = this.#context.pod
    this.#events.event({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, uid } }, type, reason, message)
  }

  async #eventOnConfigMap(name: string, message: string): Promise<void> {
    try {
      const { metadata } = await this.#context.client.get(configMaps, { name, namespace: this.#context.pod.namespace })
      this.#events.event({ apiVersion: 'v1', kind: 'ConfigMap', metadata }, 'Warning', 'InvalidConfiguration', message)
    } catch {
      // The configuration comes from elsewhere, or may not be read: the log and the pod say it.
    }
  }
}
