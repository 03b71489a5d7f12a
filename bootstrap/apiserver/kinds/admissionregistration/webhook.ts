/** MutatingWebhookConfiguration and ValidatingWebhookConfiguration. */
import { field } from '../../../api/errors.ts'
import { qualifiedNameErrors } from '../../../api/labels.ts'
import type { Draft } from '../../../api/object.ts'
import type {
  AdmissionregistrationV1WebhookClientConfig as ClientConfig,
  MatchCondition,
  MutatingWebhook,
  MutatingWebhookConfiguration,
  RuleWithOperations,
  ValidatingWebhookConfiguration,
} from '../../../api/types.gen.ts'
import { programOf } from '../../extension/webhooks/expressions.ts'
import type { Errors, TypedColumn } from '../common/build.ts'
import { ageColumn, nameColumn, strategy } from '../common/build.ts'
import { supportedOrEmpty } from '../common/checks.ts'
import { fill, same, when } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsSubdomain, portNumber } from '../common/names.ts'
import { selectorErrors } from '../common/selector.ts'
import { countColumn } from '../common/workload-columns.ts'

type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration
type Webhook = Omit<MutatingWebhook, 'reinvocationPolicy'>

function webhookDefaults(webhook: Draft<Webhook>): void {
  fill(webhook, {
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    namespaceSelector: {},
    objectSelector: {},
    timeoutSeconds: 10,
  })
  for (const rule of webhook.rules ?? []) fill(rule, { scope: '*' })
  when(webhook.clientConfig?.service, service => fill(service, { port: 443 }))
}

function* validate({ webhooks }: Configuration): Errors {
  const names = new Set<string>()
  for (const [index, webhook] of (webhooks ?? []).entries()) {
    const at = `webhooks[${index}]`
    yield* webhookErrors(webhook, at)
    yield* supportedOrEmpty((webhook as MutatingWebhook).reinvocationPolicy, `${at}.reinvocationPolicy`, [
      'IfNeeded',
      'Never',
    ])
    if (names.has(webhook.name)) yield field.duplicate(`${at}.name`, webhook.name)
    names.add(webhook.name)
  }
}

function* webhookErrors(webhook: Webhook, path: string): Errors {
  yield* qualifiedErrors(webhook.name ?? '', `${path}.name`)
  yield* reviewVersionErrors(webhook.admissionReviewVersions ?? [], `${path}.admissionReviewVersions`)
  for (const [index, rule] of (webhook.rules ?? []).entries()) yield* ruleErrors(rule, `${path}.rules[${index}]`)
  yield* supportedOrEmpty(webhook.failurePolicy, `${path}.failurePolicy`, ['Fail', 'Ignore'])
  yield* supportedOrEmpty(webhook.matchPolicy, `${path}.matchPolicy`, ['Equivalent', 'Exact'])
  if (!webhook.sideEffects) yield field.required(`${path}.sideEffects`, 'must specify one of None, NoneOnDryRun')
  else yield* supportedOrEmpty(webhook.sideEffects, `${path}.sideEffects`, ['None', 'NoneOnDryRun'])
  const seconds = webhook.timeoutSeconds
  if (typeof seconds === 'number' && (seconds < 1 || seconds > 30)) {
    yield field.invalid(`${path}.timeoutSeconds`, seconds, 'the timeout value must be between 1 and 30 seconds')
  }
  yield* selectorErrors(webhook.namespaceSelector, `${path}.namespaceSelector`)
  yield* selectorErrors(webhook.objectSelector, `${path}.objectSelector`)
  yield* clientErrors(webhook.clientConfig, `${path}.clientConfig`)
  yield* conditionErrors(webhook.matchConditions ?? [], `${path}.matchConditions`)
}

const maxConditions = 64

function* conditionErrors(conditions: readonly MatchCondition[], path: string): Errors {
  if (conditions.length > maxConditions) yield field.tooMany(path, conditions.length, maxConditions)
  const names = new Set<string>()
  for (const [index, { name, expression }] of conditions.entries()) {
    const at = `${path}[${index}]`
    if (!name) yield field.required(`${at}.name`)
    else for (const text of qualifiedNameErrors(name)) yield field.invalid(`${at}.name`, name, text)
    if (names.has(name)) yield field.duplicate(`${at}.name`, name)
    names.add(name)
    if (!expression?.trim()) yield field.required(`${at}.expression`)
    else yield* expressionErrors(expression, `${at}.expression`)
  }
}

function* expressionErrors(expression: string, path: string): Errors {
  try {
    programOf(expression)
  } catch (error) {
    yield field.invalid(path, expression, `compilation failed: ${(error as Error).message}`)
  }
}

/** A name of at least three segments, "a.example.com". */
function* qualifiedErrors(name: string, path: string): Errors {
  if (name === '') return yield field.required(path)
  const problems = dnsSubdomain(name)
  if (problems.length > 0) yield field.invalid(path, name, problems.join(','))
  else if (name.split('.').length < 3) {
    yield field.invalid(path, name, 'should be a domain with at least three segments separated by dots')
  }
}

function* reviewVersionErrors(versions: readonly string[], path: string): Errors {
  if (versions.length === 0) return yield field.required(path, 'must specify one of v1, v1beta1')
  if (!versions.some(version => version === 'v1' || version === 'v1beta1')) {
    yield field.invalid(path, versions, 'must include at least one of v1, v1beta1')
  }
}

/** Checks what a rule selects; webhooks and policies share it. */
export function* ruleErrors(rule: Partial<RuleWithOperations>, path: string): Errors {
  for (const name of ['apiGroups', 'apiVersions', 'resources', 'operations'] as const) {
    const values = rule[name] ?? []
    if (values.length === 0) yield field.required(`${path}.${name}`)
    if (name !== 'resources' && values.length > 1 && values.includes('*')) {
      yield field.invalid(`${path}.${name}`, values, `if '*' is present, must not specify other ${wordFor[name]}`)
    }
  }
  for (const [index, operation] of (rule.operations ?? []).entries()) {
    const supported = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
    yield* supportedOrEmpty(operation, `${path}.operations[${index}]`, supported)
  }
  yield* supportedOrEmpty(rule.scope, `${path}.scope`, ['*', 'Cluster', 'Namespaced'])
}

const wordFor = { apiGroups: 'API groups', apiVersions: 'API versions', operations: 'operations' }

function* clientErrors(client: ClientConfig | undefined, path: string): Errors {
  const { url, service } = client ?? {}
  if ((url === undefined) === (service === undefined)) {
    return yield field.required(path, 'exactly one of url or service is required')
  }
  if (url !== undefined) {
    if (!URL.canParse(url)) yield field.required(`${path}.url`, 'url must be a valid URL')
    else if (!url.startsWith('https:')) {
      const text = `'https' is the only allowed URL scheme; desired format: https://host[/path]`
      yield field.invalid(`${path}.url`, new URL(url).protocol.slice(0, -1), text)
    }
  }
  if (!service) return
  if (!service.name) yield field.required(`${path}.service.name`, 'service name is required')
  else yield* textErrors(dnsSubdomain, service.name, `${path}.service.name`)
  if (!service.namespace) yield field.required(`${path}.service.namespace`, 'service namespace is required')
  if (service.path && !service.path.startsWith('/')) {
    yield field.invalid(`${path}.service.path`, service.path, "must start with a '/'")
  }
  for (const text of portNumber(service.port ?? 0)) {
    yield field.invalid(`${path}.service.port`, service.port ?? 0, `port is not valid: ${text}`)
  }
}

const columns: readonly TypedColumn<Configuration>[] = [
  nameColumn,
  countColumn('Webhooks', object => object.webhooks?.length),
  ageColumn,
]
const bumpsGeneration = (object: Configuration, old: Configuration) => !same(object.webhooks, old.webhooks)

export const mutatingWebhookConfiguration = strategy<MutatingWebhookConfiguration>({
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  bumpsGeneration,
  defaults({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      webhookDefaults(webhook)
      fill(webhook, { reinvocationPolicy: 'Never' })
    }
  },
  validate,
  columns,
})

export const validatingWebhookConfiguration = strategy<ValidatingWebhookConfiguration>({
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  bumpsGeneration,
  defaults: ({ webhooks }) => webhooks?.forEach(webhookDefaults),
  validate,
  columns,
})
