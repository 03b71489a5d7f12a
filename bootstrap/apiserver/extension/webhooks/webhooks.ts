/** Admission webhooks as one piece: follows their configurations and calls them. */
import type { AdmissionPlugin, ObjectReader } from '../../admission/plugin.ts'
import type { KindRegistry } from '../../schema/registry.ts'
import type { Store } from '../../store/store.ts'
import type { ConnectVia } from '../../subresources/backends.ts'
import { sender } from './call.ts'
import { Hooks } from './hooks.ts'
import { mutatingWebhooks, validatingWebhooks } from './plugin.ts'

export interface WebhookOptions {
  readonly store: Store
  readonly reader: ObjectReader
  readonly registry: KindRegistry
  readonly random?: (() => number) | undefined
  readonly log?: { warn(fields: object, message: string): void } | undefined
  readonly via?: ConnectVia | undefined
  readonly background: (work: Promise<void>) => void
  readonly signal: AbortSignal
}

/** The two plugins, in the order they run. What is configured is known once this resolves. */
export async function webhookAdmission(options: WebhookOptions): Promise<AdmissionPlugin[]> {
  const { store, reader, registry, random = Math.random, log, via, background, signal } = options
  const group = 'admissionregistration.k8s.io'
  const slices = await store.resource('discovery.k8s.io', 'endpointslices', true)
  const [mutating, validating] = [new Hooks(), new Hooks()]
  background(mutating.follow(await store.resource(group, 'mutatingwebhookconfigurations', false), signal))
  background(validating.follow(await store.resource(group, 'validatingwebhookconfigurations', false), signal))
  const send = sender({ reader, slices, random, via, signal })
  const parts = { reader, registry, mutating, validating, send, log }
  return [mutatingWebhooks(parts), validatingWebhooks(parts)]
}
