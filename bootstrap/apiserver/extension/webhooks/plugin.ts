/** Admission by webhooks (upstream: apiserver pkg/admission/plugin/webhook/{mutating,validating}). */
import { randomUUID } from 'node:crypto'
import { errors, failure } from '../../../api/errors.ts'
import type { KubeObject } from '../../../api/object.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../../admission/plugin.ts'
import type { Kind, Mutable } from '../../kinds/kind.ts'
import { jsonEqual } from '../../patch/json.ts'
import { applyJsonPatch } from '../../patch/json-patch.ts'
import { copyOf } from '../../verbs/copy.ts'
import { decodeObject } from '../../verbs/decode.ts'
import type { Send } from './call.ts'
import { conditionsHold } from './conditions.ts'
import type { Hook, Hooks } from './hooks.ts'
import { type Invocation, inVersion, invocationOf, isExempt, type MatchParts } from './matching.ts'
import { denial, reviewOf, type Verdict, verdictOf } from './review.ts'

export interface WebhookParts extends MatchParts {
  readonly mutating: Hooks
  readonly validating: Hooks
  readonly send: Send
  readonly log?: { warn(fields: object, message: string): void } | undefined
}

/** A webhook that cannot be asked or answers badly; whether that refuses the request is for its failure policy. */
class CallError extends Error {}

/** Hooks that changed an object make those asked before them, if they wish, look again. */
interface Round {
  again: boolean
  readonly toAsk: Set<string>
  readonly asked: Set<string>
}

export function mutatingWebhooks(parts: WebhookParts): AdmissionPlugin {
  const rounds = new WeakMap<AdmissionRequest, Round>()
  return {
    name: 'MutatingAdmissionWebhook',
    mutate(request) {
      const hooks = parts.mutating.all
      if (hooks.length === 0 || isExempt(request)) return
      const round = rounds.get(request)
      if (!round) rounds.set(request, { again: false, toAsk: new Set(), asked: new Set() })
      return mutate(parts, hooks, request, rounds.get(request)!, round !== undefined)
    },
    again: request => rounds.get(request)?.again ?? false,
  }
}

export function validatingWebhooks(parts: WebhookParts): AdmissionPlugin {
  return {
    name: 'ValidatingAdmissionWebhook',
    validate(request) {
      const hooks = parts.validating.all
      if (hooks.length === 0 || isExempt(request)) return undefined
      const invocations = hooks.flatMap(hook => invited(parts, hook, request) ?? [])
      return invocations.length === 0 ? undefined : validate(parts, invocations, request)
    },
  }
}

async function mutate(
  parts: WebhookParts,
  hooks: readonly Hook[],
  request: AdmissionRequest,
  round: Round,
  second: boolean,
): Promise<void> {
  for (const hook of hooks) {
    const invocation = invited(parts, hook, request)
    if (!invocation || (second && !round.toAsk.has(hook.id))) continue
    const verdict = await ask(parts, invocation, request, true)
    const changed = verdict?.patch !== undefined && patch(invocation, request, verdict.patch)
    if (changed) {
      round.again = true
      for (const id of round.asked) round.toAsk.add(id)
    }
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') round.asked.add(hook.id)
  }
}

/** All at once; the first refusal, in the order of the webhooks, is the answer. */
async function validate(
  parts: WebhookParts,
  invocations: readonly Invocation[],
  request: AdmissionRequest,
): Promise<void> {
  const results = await Promise.allSettled(invocations.map(invocation => ask(parts, invocation, request, false)))
  const refused = results.find(result => result.status === 'rejected')
  if (refused) throw refused.reason
}

/** Throws 403 where a match condition cannot be evaluated and the webhook is not to be ignored. */
function invited(parts: WebhookParts, hook: Hook, request: AdmissionRequest): Invocation | undefined {
  const invocation = invocationOf(parts, hook, request)
  if (!invocation || !hook.webhook.matchConditions?.length) return invocation
  return conditionsHold(invocation, request) ? invocation : undefined
}

/** What the webhook says; undefined where it cannot be asked and that does not matter. Throws for a refusal. */
async function ask(
  parts: WebhookParts,
  invocation: Invocation,
  request: AdmissionRequest,
  mutating: boolean,
): Promise<Verdict | undefined> {
  const { webhook } = invocation.hook
  const { name } = webhook
  if (request.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') {
    throw errors.badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`)
  }
  let verdict: Verdict
  try {
    verdict = await review(parts, invocation, request, mutating)
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    const text = `failed calling webhook ${JSON.stringify(name)}: ${error.message}`
    if (webhook.failurePolicy !== 'Ignore') throw errors.internal(text)
    parts.log?.warn({ webhook: name }, `${text}; it may be ignored`)
    return undefined
  }
  for (const warning of verdict.warnings) request.warn(warning)
  if (!verdict.allowed) throw denial(name, verdict.status)
  return verdict
}

async function review(
  parts: WebhookParts,
  invocation: Invocation,
  request: AdmissionRequest,
  mutating: boolean,
): Promise<Verdict> {
  const uid = randomUUID()
  const failing = (prefix: string) => (error: unknown) => {
    throw new CallError(`${prefix}: ${(error as Error).message}`)
  }
  const asked = attempt(() => reviewOf(invocation, request, uid), failing('could not create admission objects'))
  const signal = new AbortController().signal
  const text = await parts.send(invocation.hook.webhook, asked, signal).catch(failing('failed to call webhook'))
  return attempt(() => verdictOf(text, asked, uid, mutating), failing('received invalid webhook response'))
}

function attempt<T>(work: () => T, failed: (error: unknown) => never): T {
  try {
    return work()
  } catch (error) {
    return failed(error)
  }
}

/** Applies a webhook's patch to the object in place; tells whether it changed anything. */
function patch({ hook, kind }: Invocation, request: AdmissionRequest, patch: unknown): boolean {
  const { object } = request
  if (Array.isArray(patch) && patch.length === 0) return false
  if (!object) {
    const name = JSON.stringify(hook.webhook.name)
    throw errors.internal(
      `admission webhook ${name} attempted to modify the object, which is not supported for this operation`,
    )
  }
  // Subresources with objects of their own kind have no schema here.
  const own = object.kind === request.kind.kind
  const before = own ? inVersion(object, request.kind, kind) : object
  let patched: KubeObject
  try {
    patched = applyJsonPatch(copyOf(before), patch) as KubeObject
  } catch (error) {
    throw failure(500, 'InternalError', `Internal error occurred: ${(error as Error).message}`)
  }
  const after = own ? defaulted(patched, kind) : (patched as Mutable)
  if (jsonEqual(before, after)) return false
  replace(object, copyOf(own ? inVersion(after, kind, request.kind) : after))
  return true
}

function defaulted(patched: KubeObject, kind: Kind): Mutable {
  const decoded = decodeObject(kind, { value: patched, duplicates: [], summary: '' }, 'Ignore', () => {})
  kind.strategy.defaults?.(decoded)
  return decoded
}

function replace(object: Mutable, next: Mutable): void {
  const target = object as { [field: string]: unknown }
  for (const field of Object.keys(target)) delete target[field]
  Object.assign(target, next)
}
