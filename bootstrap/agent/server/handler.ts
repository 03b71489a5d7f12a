/** The kubelet's HTTP API, apart from how it is reached: its own listener, or a tunnel. */
import { access } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Pod } from '../../client/resources.ts'
import type { Metric } from '../../metrics.ts'
import { lastWords } from '../../streaming/http.ts'
import { isGuest } from '../embedded/guests.ts'
import type { LogOptions } from '../logs/reader.ts'
import { readLog } from '../logs/reader.ts'
import { containerLogPath } from '../pods/identity.ts'
import type { PodManager } from '../pods/manager.ts'
import type { AgentLog } from '../pods/services.ts'
import { newestContainer, type PodView, type ViewedContainer } from '../pods/view.ts'
import type { Runtime } from '../runtime.ts'
import type { Stats } from '../stats/summary.ts'

export interface KubeletUser {
  readonly name: string
  readonly groups: readonly string[]
}

/** What a streaming request is about. */
export interface StreamTarget {
  readonly kind: 'exec' | 'attach' | 'portForward'
  readonly pod: Pod
  readonly runtime: Runtime
  readonly sandboxId: string
  /** Unset for portForward. */
  readonly containerId: string | undefined
  readonly query: URLSearchParams
}

/** Carries exec, attach and port-forward; owns the socket from then on. */
export interface StreamHandler {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, target: StreamTarget): void
}

export interface HandlerDeps {
  readonly manager: PodManager
  readonly stats: Stats
  readonly streams?: StreamHandler | undefined
  readonly log: AgentLog
  /** What /metrics shows besides the kubelet's own. */
  readonly metrics?: readonly Metric[] | undefined
  /** Whether the user may do that; verbs are those of nodes/<subresource>. */
  authorize(user: KubeletUser, verb: string, subresource: string): Promise<boolean>
}

type Respond = (response: ServerResponse, url: URL) => Promise<void>

/** A failure with its HTTP status. */
class HttpError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export class KubeletHandler {
  readonly #deps: HandlerDeps
  readonly #routes: { readonly [path: string]: Respond }

  constructor(deps: HandlerDeps) {
    this.#deps = deps
    const json = (response: ServerResponse, body: unknown) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
    const text = (response: ServerResponse, body: string) =>
      response.setHeader('content-type', 'text/plain; charset=utf-8').end(body)
    const podList = () => ({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: deps.manager.pods })
    this.#routes = {
      healthz: async response => void text(response, 'ok'),
      pods: async response => void json(response, podList()),
      runningpods: async response => void json(response, podList()),
      'stats/summary': async response => void json(response, await deps.stats.summary()),
      'metrics/resource': async response => void text(response, await deps.stats.resourceMetrics()),
      metrics: async response => void text(response, await this.#metrics()),
      containerLogs: (response, url) => this.#logs(response, url),
    }
  }

  /** Answers a request of an authenticated user. */
  async request(request: IncomingMessage, response: ServerResponse, user: KubeletUser): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://kubelet')
    try {
      const [first = '', second = ''] = url.pathname.slice(1).split('/')
      const route = this.#routes[`${first}/${second}`] ?? this.#routes[first]
      if (!route) throw new HttpError(404, '404 page not found')
      await this.#permit(user, request.method ?? 'GET', subresourceOf(first))
      if (request.method !== 'GET') throw new HttpError(405, 'Method Not Allowed')
      await route(response, url)
    } catch (error) {
      this.#fail(response, error as Error)
    }
  }

  /** Answers an upgrade request: exec, attach or port-forward. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, user: KubeletUser): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://kubelet')
    try {
      const { streams } = this.#deps
      const kind = url.pathname.split('/')[1]
      if (!streams || (kind !== 'exec' && kind !== 'attach' && kind !== 'portForward'))
        throw new HttpError(404, '404 page not found')
      await this.#permit(user, 'POST', 'proxy')
      streams.upgrade(request, socket, head, this.#streamTarget(kind, url))
    } catch (error) {
      const code = error instanceof HttpError ? error.code : 500
      const { message } = error as Error
      lastWords(
        socket,
        `HTTP/1.1 ${code} Error\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
      )
    }
  }

  async #permit(user: KubeletUser, method: string, subresource: string): Promise<void> {
    const verb = { POST: 'create', PUT: 'update', DELETE: 'delete' }[method] ?? 'get'
    if (!(await this.#deps.authorize(user, verb, subresource)))
      throw new HttpError(
        403,
        `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresource}])`,
      )
  }

  #fail(response: ServerResponse, error: Error): void {
    const code = error instanceof HttpError ? error.code : 500
    if (code === 500) this.#deps.log.warn({ error: error.message }, 'kubelet request failed')
    if (response.headersSent) response.destroy()
    else response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' }).end(`${error.message}\n`)
  }

  /** /exec/<namespace>/<pod>[/<uid>]/<container>, /portForward/<namespace>/<pod>[/<uid>] */
  #streamTarget(kind: StreamTarget['kind'], url: URL): StreamTarget {
    const [namespace = '', name = '', ...rest] = url.pathname.split('/').slice(2).map(decodeURIComponent)
    const worker = this.#deps.manager.find(namespace, name)
    const sandbox = worker?.view.sandboxes[0]
    if (!worker || !sandbox) throw new HttpError(404, 'pod does not exist')
    const common = {
      kind,
      pod: worker.pod,
      runtime: this.#deps.manager.runtimeOf(worker.pod),
      sandboxId: sandbox.id,
      query: url.searchParams,
    }
    if (kind === 'portForward') return { ...common, containerId: undefined }
    const container = rest.at(-1) ?? ''
    const running = worker.view.containers.find(
      ({ metadata, state }) => metadata.name === container && state === 'CONTAINER_RUNNING',
    )
    if (!running) throw new HttpError(404, `container not found ("${container}")`)
    return { ...common, containerId: running.id }
  }

  async #logs(response: ServerResponse, url: URL): Promise<void> {
    const [namespace = '', name = '', container = ''] = url.pathname.split('/').slice(2).map(decodeURIComponent)
    const worker = this.#deps.manager.find(namespace, name)
    if (!worker) throw new HttpError(404, `pod "${name}" not found`)
    const query = url.searchParams
    const target =
      forgottenLog(worker, container, this.#deps.manager.logDirectoryOf(worker.pod)) ??
      logTarget(worker.pod, worker.view.containers, container, query.get('previous') === 'true')
    await access(target.logPath).catch((error: Error) => {
      throw new HttpError(400, `failed to try resolving symlinks in path "${target.logPath}": ${error.message}`)
    })
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    const options = logOptions(query)
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.flushHeaders()
    const ended = this.#deps.manager.whenEnded(target.id)
    for await (const part of readLog(target.logPath, options, ended, gone.signal))
      if (!response.write(part)) await new Promise(resolve => response.once('drain', resolve).once('close', resolve))
    response.end()
  }

  async #metrics(): Promise<string> {
    const { manager } = this.#deps
    const lines = [
      '# HELP kubelet_running_pods [BETA] Number of pods that have a running pod sandbox',
      '# TYPE kubelet_running_pods gauge',
      `kubelet_running_pods ${manager.pods.length}`,
      '# HELP kubelet_running_containers [BETA] Number of containers currently running',
      '# TYPE kubelet_running_containers gauge',
      `kubelet_running_containers{container_state="running"} ${manager.running().length}`,
    ]
    const others = (this.#deps.metrics ?? []).flatMap(metric => [...metric.lines()])
    return `${[...lines, ...others].join('\n')}\n`
  }
}

/** The subresource of nodes a path is authorised as. */
function subresourceOf(path: string): string {
  return { stats: 'stats', metrics: 'metrics', logs: 'log', healthz: 'healthz', pods: 'pods' }[path] ?? 'proxy'
}

/**
 * An embedded container that ended before this process began, e.g. the drain of the upgrade that replaced it: no runtime knows
 * of it any more, its log is still there. Undefined for any other.
 */
export function forgottenLog(
  { pod, view }: { readonly pod: Pod; readonly view: PodView },
  name: string,
  directory: string,
): Pick<ViewedContainer, 'id' | 'logPath'> | undefined {
  if (newestContainer(view, name)) return undefined
  const { initContainers = [], containers } = pod.spec
  const container = [...initContainers, ...containers].find(each => each.name === name)
  if (!container || !isGuest(pod, container)) return undefined
  const all = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
  const status = all.find(each => each.name === name)
  if (!status?.state?.terminated) return undefined
  return {
    id: status.state.terminated.containerID ?? '',
    logPath: `${directory}/${containerLogPath(name, status.restartCount)}`,
  }
}

function logTarget(pod: Pod, containers: readonly ViewedContainer[], name: string, previous: boolean): ViewedContainer {
  const named = containers.filter(({ metadata }) => metadata.name === name)
  const [newest, older] = named
  if (previous) {
    const ended =
      newest &&
      newest.state === 'CONTAINER_EXITED' &&
      pod.status?.containerStatuses?.some(status => status.name === name && status.state?.waiting)
        ? newest
        : older
    if (!ended)
      throw new HttpError(400, `previous terminated container "${name}" in pod "${pod.metadata.name}" not found`)
    return ended
  }
  if (newest && newest.state !== 'CONTAINER_CREATED') return newest
  const all = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
  const waiting = all.find(status => status.name === name)?.state?.waiting
  const reason = waiting?.reason ?? 'ContainerCreating'
  const why = /Image/.test(reason) ? 'trying and failing to pull image' : reason
  throw new HttpError(400, `container "${name}" in pod "${pod.metadata.name}" is waiting to start: ${why}`)
}

/** Query parameters of PodLogOptions. */
export function logOptions(query: URLSearchParams): LogOptions {
  const number = (key: string) => (query.has(key) ? Number(query.get(key)) : undefined)
  const seconds = number('sinceSeconds')
  const time = query.get('sinceTime')
  const stream = query.get('stream')
  return {
    follow: query.get('follow') === 'true',
    timestamps: query.get('timestamps') === 'true',
    tailLines: number('tailLines'),
    limitBytes: number('limitBytes'),
    since: seconds !== undefined ? Date.now() - seconds * 1000 : time ? Date.parse(time) : undefined,
    stream: stream === 'Stdout' ? 'stdout' : stream === 'Stderr' ? 'stderr' : undefined,
  }
}
