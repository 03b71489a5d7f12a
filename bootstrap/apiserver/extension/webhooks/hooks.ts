/** The webhooks there are, in the order they are called: by the name of their configuration, then as they stand in it. */
import type { KubeObject } from '../../../api/object.ts'
import type { MutatingWebhook, ValidatingWebhook } from '../../../api/types.gen.ts'
import { followStore } from '../../auth/follow.ts'
import type { ResourceStore } from '../../store/store.ts'

export type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>

export interface Hook {
  /** Tells it from all others: configuration, name and place. */
  readonly id: string
  readonly webhook: Webhook
}

/** Follows the configurations of one kind. */
export class Hooks {
  readonly #configurations = new Map<string, readonly Hook[]>()
  #all: readonly Hook[] | undefined

  get all(): readonly Hook[] {
    const names = () => [...this.#configurations.keys()].sort()
    this.#all ??= names().flatMap(name => this.#configurations.get(name)!)
    return this.#all
  }

  /** Everything known is in place before the promise is returned; it settles when the signal aborts. */
  follow(store: ResourceStore, signal: AbortSignal): Promise<void> {
    const changed = (act: () => void) => {
      this.#all = undefined
      act()
    }
    return followStore(
      store,
      {
        clear: () => changed(() => this.#configurations.clear()),
        set: object => changed(() => this.#configurations.set(object.metadata.name ?? '', hooksOf(object))),
        delete: ({ metadata }) => changed(() => this.#configurations.delete(metadata.name ?? '')),
      },
      signal,
    )
  }
}

function hooksOf(configuration: KubeObject): Hook[] {
  const { webhooks = [] } = configuration as { webhooks?: readonly Webhook[] }
  const { uid, name } = configuration.metadata
  return webhooks.map((webhook, index) => ({ id: `${name}/${uid}/${webhook.name}/${index}`, webhook }))
}
