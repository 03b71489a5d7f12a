/** Requests that go on to a node agent: pods/log, exec, attach and portforward. */
import { errors, failure, field } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { HandlerParts } from '../handler.ts'
import type { ApiResponse, RequestHeaders } from '../http/message.ts'
import { isTrue, type RequestInfo } from '../http/requestinfo.ts'
import type { Exchange } from '../http/verbs.ts'
import type { Call, VerbDeps } from '../verbs/call.ts'
import { getObject } from '../verbs/read.ts'
import { type NodeConnect, UnreachableError } from './backends.ts'

interface Pod extends KubeObject {
  readonly spec: {
    readonly nodeName?: string
    readonly containers: readonly { readonly name: string }[]
    readonly initContainers?: readonly { readonly name: string }[]
    readonly ephemeralContainers?: readonly { readonly name: string }[]
  }
  readonly status?: { readonly phase?: string }
}

/** Where the agent serves a request. */
export interface NodeTarget {
  readonly node: string
  readonly path: string
}

export async function podLog(parts: HandlerParts, { deps, call, request }: Exchange): Promise<ApiResponse> {
  const pod = (await getObject(deps, call)).object as Pod
  const path = logPath(call, pod, request.query)
  const text = { 'content-type': 'text/plain; charset=utf-8' }
  const { nodeName } = pod.spec
  if (!nodeName) return { status: 200, headers: text, body: undefined }
  const answer = await asking(() => connectOf(parts).request(nodeName, 'GET', path, {}, request.signal))
  if (answer.status === 200) return { status: 200, headers: text, body: answer.body }
  const message = await textOf(answer.body)
  if (answer.status === 400) throw errors.badRequest(message)
  if (answer.status === 404) throw errors.badRequest(message)
  throw errors.internal(message)
}

/** A failure to reach the agent is passed on as upstream's HTTP client words it. */
async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    throw failure(500, '', `Get ${JSON.stringify(error.url)}: ${error.message}`)
  }
}

function logPath(call: Call, pod: Pod, query: URLSearchParams): string {
  checkLogOptions(call, query)
  const container = containerOf(pod, query.get('container') ?? '')
  const kept = new URLSearchParams()
  for (const flag of ['follow', 'previous', 'timestamps']) if (isTrue(query.get(flag))) kept.set(flag, 'true')
  for (const name of ['sinceSeconds', 'sinceTime', 'tailLines', 'limitBytes']) {
    const value = query.get(name)
    if (value) kept.set(name, value)
  }
  const stream = query.get('stream')
  if (stream && stream !== 'All') kept.set('stream', stream)
  return pathWith(['containerLogs', call.namespace, call.name, container], kept)
}

function checkLogOptions(call: Call, query: URLSearchParams): void {
  const problems = []
  const number = (name: string) => {
    const text = query.get(name)
    if (text === null || text === '') return undefined
    if (!/^-?\d+$/.test(text)) {
      throw errors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
    }
    return Number(text)
  }
  const tail = number('tailLines')
  const limit = number('limitBytes')
  const since = number('sinceSeconds')
  if (tail !== undefined && tail < 0) {
    problems.push(field.invalid('tailLines', tail, 'must be greater than or equal to 0'))
  }
  if (limit !== undefined && limit < 1) problems.push(field.invalid('limitBytes', limit, 'must be greater than 0'))
  if (since !== undefined && query.get('sinceTime')) {
    problems.push(field.forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
  } else if (since !== undefined && since < 1) {
    problems.push(field.invalid('sinceSeconds', since, 'must be greater than 0'))
  }
  const stream = query.get('stream')
  if (stream && !['All', 'Stdout', 'Stderr'].includes(stream)) {
    problems.push(field.notSupported('stream', stream, ['All', 'Stdout', 'Stderr']))
  }
  if (stream && stream !== 'All' && tail !== undefined) {
    problems.push(field.forbidden('', '`tailLines` and specific `stream` are mutually exclusive for now'))
  }
  if (problems.length > 0) throw errors.invalid({ group: '', kind: 'PodLogOptions' }, call.name, problems)
}

/** Throws 400 when the name is missing and ambiguous, or unknown. */
function containerOf(pod: Pod, asked: string): string {
  const name = pod.metadata.name ?? ''
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec
  if (asked !== '') {
    const all = [...containers, ...initContainers, ...ephemeralContainers]
    if (all.some(container => container.name === asked)) return asked
    throw errors.badRequest(`container ${asked} is not valid for pod ${name}`)
  }
  if (containers.length === 1) return containers[0]!.name
  const list = (items: readonly { name: string }[]) => `[${items.map(item => item.name).join(' ')}]`
  const init = initContainers.length > 0 ? ` or one of the init containers: ${list(initContainers)}` : ''
  throw errors.badRequest(
    `a container name must be specified for pod ${name}, choose one of: ${list(containers)}${init}`,
  )
}

/** exec, attach and portforward need an upgraded connection (upgrade.ts). */
export async function connectPod(): Promise<ApiResponse> {
  throw errors.badRequest('Upgrade request required')
}

/** The agent's path for an exec, attach or portforward. Runs CONNECT admission; throws 400 for a pod that runs nowhere. */
export async function podTarget(
  deps: VerbDeps,
  call: Call,
  info: RequestInfo,
  query: URLSearchParams,
): Promise<NodeTarget> {
  const pod = (await getObject(deps, call)).object as Pod
  const options = connectOptions(query)
  await admitConnect(deps, call, options)
  const { nodeName } = pod.spec
  if (!nodeName) throw errors.badRequest(`pod ${call.name} does not have a host assigned`)
  const phase = pod.status?.phase ?? ''
  if (info.subresource === 'portforward') {
    const ports = new URLSearchParams(query.getAll('ports').map((port): [string, string] => ['port', port]))
    return { node: nodeName, path: pathWith(['portForward', call.namespace, call.name], ports) }
  }
  if (phase === 'Succeeded' || phase === 'Failed') {
    throw errors.badRequest(`cannot exec into a container in a completed pod; current phase is ${phase}`)
  }
  const container = containerOf(pod, query.get('container') ?? '')
  return {
    node: nodeName,
    path: pathWith([info.subresource, call.namespace, call.name, container], streamQuery(query)),
  }
}

/** The agent names the streams as the kubelet does. */
function streamQuery(query: URLSearchParams): URLSearchParams {
  const streams = new URLSearchParams()
  if (isTrue(query.get('stdin'))) streams.set('input', '1')
  if (isTrue(query.get('stdout'))) streams.set('output', '1')
  if (isTrue(query.get('stderr'))) streams.set('error', '1')
  if (isTrue(query.get('tty'))) streams.set('tty', '1')
  for (const word of query.getAll('command')) streams.append('command', word)
  return streams
}

function connectOptions(query: URLSearchParams): { [field: string]: unknown } {
  const options: { [field: string]: unknown } = {}
  for (const name of ['stdin', 'stdout', 'stderr', 'tty']) if (query.has(name)) options[name] = isTrue(query.get(name))
  if (query.has('container')) options.container = query.get('container')
  if (query.has('command')) options.command = query.getAll('command')
  if (query.has('ports')) options.ports = query.getAll('ports').map(Number)
  return options
}

export async function admitConnect(deps: VerbDeps, call: Call, options: { [field: string]: unknown }): Promise<void> {
  const request = {
    operation: 'CONNECT' as const,
    kind: call.kind,
    subresource: call.subresource,
    namespace: call.namespace,
    name: call.name,
    user: call.user,
    dryRun: false,
    object: undefined,
    old: undefined,
    options,
    warn: (text: string) => call.warn(text),
  }
  await deps.admission.mutate(request)
  await deps.admission.validate(request)
}

export function connectOf({ deps }: HandlerParts): NodeConnect {
  if (!deps.nodeConnect) throw errors.serviceUnavailable('no node agent is connected')
  return deps.nodeConnect
}

function pathWith(parts: readonly string[], query: URLSearchParams): string {
  const path = parts.map(encodeURIComponent).join('/')
  return query.size === 0 ? `/${path}` : `/${path}?${query}`
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8').trim()
}

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])
const credentials = /^(authorization$|impersonate-|x-remote-)/

/** Headers as they may be passed on: nothing about this connection, nothing about who asked. */
export function forwardedHeaders(headers: RequestHeaders, upgrade = false): RequestHeaders {
  const kept = Object.entries(headers).filter(
    ([name]) =>
      !name.startsWith(':') &&
      !credentials.test(name) &&
      (!hopByHop.has(name) || (upgrade && (name === 'upgrade' || name === 'connection'))),
  )
  return Object.fromEntries(kept)
}
