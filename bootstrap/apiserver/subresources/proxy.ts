/** nodes/proxy, pods/proxy and services/proxy: plain HTTP to what an object stands for. */
import { errors, StatusError } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { HandlerParts } from '../handler.ts'
import type { ApiResponse } from '../http/message.ts'
import { headerOf } from '../http/message.ts'
import type { RequestInfo } from '../http/requestinfo.ts'
import type { Exchange } from '../http/verbs.ts'
import type { Call } from '../verbs/call.ts'
import { storeOf } from '../verbs/call.ts'
import { getObject } from '../verbs/read.ts'
import type { BackendResponse, ProxyTarget } from './backends.ts'
import { admitConnect, connectOf, forwardedHeaders } from './connect.ts'
import type { ProxiedAt } from './proxy-links.ts'
import { proxiedUrl, rewritePage } from './proxy-links.ts'

interface Target {
  readonly scheme: 'http' | 'https'
  readonly name: string
  readonly port: string
}

export async function connectProxy(parts: HandlerParts, exchange: Exchange, info: RequestInfo): Promise<ApiResponse> {
  const { request, call } = exchange
  const { prefix, rest } = splitPath(request.path)
  const reading = ['GET', 'HEAD'].includes(request.method)
  const query = request.query.size === 0 ? '' : `?${request.query}`
  if (rest === '' && reading) return { status: 301, headers: { location: `${prefix}/${query}` }, body: undefined }
  const target = parseTarget(call.name)
  const named: Call = { ...call, name: target.name }
  await admitConnect(exchange.deps, named, { path: rest || '/' })
  const path = `${rest || '/'}${query}`
  const headers = {
    ...forwardedHeaders(request.headers),
    'x-forwarded-uri': request.path,
    'x-forwarded-for': request.remoteAddress,
  }
  const body = reading ? undefined : await request.body()
  const hosts = [headerOf(request, 'host')]
  const send = async (): Promise<BackendResponse> => {
    if (info.resource === 'nodes') {
      await getObject(exchange.deps, named)
      return await connectOf(parts).request(target.name, request.method, path, headers, request.signal, body)
    }
    const { proxyDialer } = parts.deps
    if (!proxyDialer) throw errors.serviceUnavailable('this server has no way into the cluster network')
    const address = await addressOf(parts, { ...exchange, call: named }, info, target)
    hosts.push(address.host, `${address.host}:${address.port}`)
    return await proxyDialer.request(address, request.method, path, headers, request.signal, body)
  }
  return relay(await guarded(send), { prefix, hosts })
}

async function guarded(send: () => Promise<BackendResponse>): Promise<BackendResponse> {
  try {
    return await send()
  } catch (error) {
    if (error instanceof StatusError) throw error
    throw errors.serviceUnavailable(`error trying to reach service: ${(error as Error).message}`)
  }
}

function relay(answer: BackendResponse, at: ProxiedAt): ApiResponse {
  const page = rewritePage(forwardedHeaders(answer.headers), answer.body, at)
  const headers: { [name: string]: string | readonly string[] } = {}
  for (const [name, value] of Object.entries(page.headers)) {
    if (value !== undefined) headers[name] = value
  }
  const { location } = headers
  if (typeof location === 'string') headers.location = proxiedUrl(location, at)
  return { status: answer.status, headers, body: page.body }
}

/** What stands before and after ".../proxy" in the raw path. */
function splitPath(path: string): { prefix: string; rest: string } {
  const match = /^(.*?\/proxy)(\/.*)?$/.exec(path)
  return { prefix: match?.[1] ?? path, rest: match?.[2] ?? '' }
}

/** "[scheme:]name[:port]" */
function parseTarget(text: string): Target {
  const parts = text.split(':')
  if (parts.length === 1) return { scheme: 'http', name: text, port: '' }
  if (parts.length === 2) return { scheme: 'http', name: parts[0]!, port: parts[1]! }
  const [scheme, name, port] = parts
  if (parts.length > 3 || (scheme !== 'http' && scheme !== 'https')) {
    throw errors.badRequest(`invalid proxy target ${JSON.stringify(text)}`)
  }
  return { scheme, name: name!, port: port! }
}

async function addressOf(
  parts: HandlerParts,
  exchange: Exchange,
  info: RequestInfo,
  target: Target,
): Promise<ProxyTarget> {
  const object = (await getObject(exchange.deps, exchange.call)).object
  return info.resource === 'pods' ? podAddress(object, target) : await serviceAddress(parts, exchange, object, target)
}

function podAddress(pod: KubeObject, target: Target): ProxyTarget {
  const { podIP = '' } = (pod.status ?? {}) as { podIP?: string }
  if (podIP === '') throw errors.serviceUnavailable(`pod ${pod.metadata.name} has no address yet`)
  const { containers } = pod.spec as { containers: { ports?: { name?: string; containerPort: number }[] }[] }
  const ports = containers.flatMap(container => container.ports ?? [])
  const named = ports.find(port => port.name === target.port)?.containerPort
  const port = target.port === '' ? (ports[0]?.containerPort ?? 80) : (named ?? Number(target.port))
  return { scheme: target.scheme, host: podIP, port: checkedPort(port, target.port) }
}

function checkedPort(port: number, text: string): number {
  if (Number.isInteger(port) && port > 0 && port < 65536) return port
  throw errors.badRequest(`invalid port ${JSON.stringify(text)}`)
}

interface Slice extends KubeObject {
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[]
  readonly endpoints?: readonly {
    readonly addresses: readonly string[]
    readonly conditions?: { readonly ready?: boolean }
  }[]
}

async function serviceAddress(
  { deps }: HandlerParts,
  exchange: Exchange,
  service: KubeObject,
  target: Target,
): Promise<ProxyTarget> {
  const { name = '', namespace = '' } = service.metadata
  const { ports = [] } = service.spec as { ports?: { name?: string; port: number }[] }
  const wanted = ports.find(
    port => target.port === '' || port.name === target.port || String(port.port) === target.port,
  )
  if (!wanted)
    throw errors.serviceUnavailable(
      `no service port ${JSON.stringify(target.port)} found for service ${JSON.stringify(name)}`,
    )
  const kind = deps.registry.byResource('discovery.k8s.io', 'v1', 'endpointslices')!
  const cache = await storeOf(exchange.deps, kind)
  const found: ProxyTarget[] = []
  for (const stored of cache.all(namespace)) {
    if (stored.labels['kubernetes.io/service-name'] !== name) continue
    const slice = stored.object as Slice
    const port = slice.ports?.find(candidate => (candidate.name ?? '') === (wanted.name ?? ''))?.port
    if (port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.ready === false) continue
      for (const host of endpoint.addresses) found.push({ scheme: target.scheme, host, port })
    }
  }
  if (found.length === 0) {
    throw errors.serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`)
  }
  return found[Math.floor(exchange.deps.random() * found.length)]!
}
