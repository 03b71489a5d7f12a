/** What admission webhooks are tried with, against our API server and, where there is one, upstream's. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Answer as HttpAnswer, HttpClient, Json } from '../integration/http-client.ts'
import { type Answer, patch, type WebhookServer } from './webhook-server.ts'

const rule = (more: Json = {}) => ({
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['configmaps'],
  ...more,
})

/** What each path of the webhook server answers. */
export const answers: Answer = (path, request) => {
  const labels = request.object?.metadata.labels ?? {}
  const data = request.object?.data ?? {}
  switch (path) {
    case '/allow':
      return { allowed: true, warnings: ['mind the gap'] }
    case '/deny':
      return { allowed: false, status: { message: 'not today', code: 403, reason: 'Forbidden' } }
    case '/deny-plain':
      return { allowed: false }
    case '/deny-odd':
      return { allowed: false, status: { message: 'odd', code: 200 } }
    case '/deny-reason':
      return { allowed: false, status: { reason: 'NotNow' } }
    case '/first':
      return data.second === 'seen'
        ? patch({ op: 'add', path: '/data/again', value: 'first' })
        : patch({ op: 'add', path: '/data/first', value: 'seen' })
    case '/second':
      return patch({ op: 'add', path: '/data/second', value: 'seen' })
    case '/strange':
      return patch({ op: 'add', path: '/nothing', value: 1 }, { op: 'add', path: '/data/kept', value: 'yes' })
    case '/broken-patch':
      return patch({ op: 'remove', path: '/data/absent' })
    case '/patch-without-type':
      return { allowed: true, patch: patch().patch }
    case '/wrong-uid':
      return { uid: 'other', allowed: true }
    case '/garbage':
      return 'no json'
    case '/wrong-kind':
      return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', response: { uid: request.uid, allowed: true } })
    case '/nothing':
      return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' })
    case '/failing':
      return '!500 it is broken'
    case '/code-400':
    case '/code-401':
    case '/code-403':
    case '/code-404':
    case '/code-409':
    case '/code-418':
    case '/code-429':
    case '/code-503':
    case '/code-504':
      return `!${path.slice(6)} so it is`
    case '/slow':
      return undefined
    default:
      return { allowed: labels.allowed !== 'no' }
  }
}

export interface Case {
  readonly name: string
  readonly webhooks: readonly Json[]
  readonly mutating?: boolean
  readonly object?: Json
  readonly query?: string
}

export const cases: readonly Case[] = [
  ...[
    '/allow',
    '/deny',
    '/deny-plain',
    '/deny-odd',
    '/deny-reason',
    '/wrong-uid',
    '/garbage',
    '/wrong-kind',
    '/nothing',
    '/failing',
  ].map(path => ({ name: path.slice(1), webhooks: [{ path }] })),
  ...[400, 401, 403, 404, 409, 418, 429, 503, 504].map(code => ({
    name: `code-${code}`,
    webhooks: [{ path: `/code-${code}` }],
  })),
  { name: 'slow', webhooks: [{ path: '/slow', timeoutSeconds: 1 }] },
  { name: 'slow-ignored', webhooks: [{ path: '/slow', timeoutSeconds: 1, failurePolicy: 'Ignore' }] },
  { name: 'failing-ignored', webhooks: [{ path: '/failing', failurePolicy: 'Ignore' }] },
  { name: 'patched', mutating: true, webhooks: [{ path: '/first' }, { path: '/second' }] },
  {
    name: 'reinvoked',
    mutating: true,
    webhooks: [{ path: '/first', reinvocationPolicy: 'IfNeeded' }, { path: '/second' }],
  },
  { name: 'strange', mutating: true, webhooks: [{ path: '/strange' }] },
  { name: 'broken-patch', mutating: true, webhooks: [{ path: '/broken-patch' }] },
  { name: 'patch-without-type', mutating: true, webhooks: [{ path: '/patch-without-type' }] },
  { name: 'other-resource', webhooks: [{ path: '/deny', rules: [rule({ resources: ['secrets'] })] }] },
  {
    name: 'star',
    webhooks: [{ path: '/deny', rules: [rule({ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] })] }],
  },
  { name: 'stars', webhooks: [{ path: '/deny', rules: [rule({ resources: ['*/*'] })] }] },
  { name: 'only-status', webhooks: [{ path: '/deny', rules: [rule({ resources: ['configmaps/status'] })] }] },
  { name: 'cluster-scope', webhooks: [{ path: '/deny', rules: [rule({ scope: 'Cluster' })] }] },
  { name: 'only-delete', webhooks: [{ path: '/deny', rules: [rule({ operations: ['DELETE'] })] }] },
  {
    name: 'object-selected',
    webhooks: [{ path: '/deny', objectSelector: { matchLabels: { a: 'b' } } }],
    object: { labels: { a: 'b' } },
  },
  {
    name: 'object-not-selected',
    webhooks: [{ path: '/deny', objectSelector: { matchLabels: { a: 'c' } } }],
    object: { labels: { a: 'b' } },
  },
  {
    name: 'namespace-selected',
    webhooks: [{ path: '/deny', namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'hooks' } } }],
  },
  { name: 'namespace-not-selected', webhooks: [{ path: '/deny', namespaceSelector: { matchLabels: { team: 'x' } } }] },
  {
    name: 'condition-true',
    webhooks: [
      {
        path: '/deny',
        matchConditions: [{ name: 'c', expression: "object.data.k == 'v' && request.operation == 'CREATE'" }],
      },
    ],
  },
  {
    name: 'condition-false',
    webhooks: [
      { path: '/deny', matchConditions: [{ name: 'c', expression: "request.userInfo.username == 'nobody'" }] },
    ],
  },
  { name: 'dry-run', webhooks: [{ path: '/deny', sideEffects: 'NoneOnDryRun' }], query: '?dryRun=All' },
]

const configMaps = '/api/v1/namespaces/hooks/configmaps'
const configurations = '/apis/admissionregistration.k8s.io/v1'

export async function prepare(api: HttpClient): Promise<void> {
  await api.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'hooks' } })
  await api.until('/api/v1/namespaces/hooks', ({ status }) => status === 200)
}

/** Registers the case's webhooks, creates a ConfigMap, and tells what came of it. */
export async function tried(api: HttpClient, server: WebhookServer, one: Case): Promise<Json> {
  const kind = one.mutating ? 'MutatingWebhookConfiguration' : 'ValidatingWebhookConfiguration'
  const path = `${configurations}/${kind.toLowerCase()}s`
  const webhooks = one.webhooks.map(({ path: at, ...more }, index) => ({
    name: `w${index}.hooks.example.com`,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    clientConfig: { url: `https://127.0.0.1:${server.port}${at}`, caBundle: server.caBundle },
    rules: [rule()],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'hooks' } },
    ...more,
  }))
  const made = await api.post(path, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind,
    metadata: { name: one.name },
    webhooks,
  })
  if (made.status !== 201) throw new Error(`${one.name}: ${made.text}`)
  try {
    await settled(api, server, path)
    const object = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: one.name, ...one.object },
      data: { k: 'v' },
    }
    return told(await api.post(`${configMaps}${one.query ?? ''}`, object))
  } finally {
    await api.delete(`${path}/${one.name}`)
    await settled(api, server, path)
  }
}

/** Upstream notices a change of its configurations a moment later: a webhook for Secrets, made after it, shows when. */
async function settled(api: HttpClient, server: WebhookServer, path: string): Promise<void> {
  const kind = path.includes('mutating') ? 'MutatingWebhookConfiguration' : 'ValidatingWebhookConfiguration'
  const webhook = {
    name: 'marker.hooks.example.com',
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    clientConfig: { url: `https://127.0.0.1:${server.port}/deny`, caBundle: server.caBundle },
    rules: [rule({ resources: ['secrets'] })],
  }
  await api.post(path, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind,
    metadata: { name: 'aa-marker' },
    webhooks: [webhook],
  })
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'marker' } }
  const until = async (wanted: boolean) => {
    for (let tries = 0; tries < 200; tries++) {
      const answer = await api.post('/api/v1/namespaces/hooks/secrets?dryRun=All', secret)
      if (answer.text.includes('marker.hooks') === wanted) return
      if (tries === 199) throw new Error(`webhooks do not settle: ${answer.text}`)
      await delay(10)
    }
  }
  await until(true)
  await api.delete(`${path}/aa-marker`)
  await until(false)
}

/** The parts of an answer that are the same everywhere. */
function told({ status, headers, body }: HttpAnswer): Json {
  const { data, message, reason, code } = body
  const text = message?.replace(/:\d{4,5}\//, ':PORT/').replace(/response\.uid="[^"]*"/, 'response.uid="UID"')
  return { status, warning: headers.warning, data, message: text, reason, code }
}
