/** The four probe mechanisms, and the HTTP and exec ones as used by lifecycle hooks. They succeed or say why not. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { Container, ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction } from '../../api/types.gen.ts'
import { type Runtime, RuntimeError, runtimeCode } from '../runtime.ts'

export type Outcome = { readonly ok: true } | { readonly ok: false; readonly message: string }

const success: Outcome = { ok: true }
const failure = (message: string): Outcome => ({ ok: false, message })
const maximumRedirects = 10

/** A number, or the number of the container's port with that name. */
export function portOf(port: number | string, container: Container): number | undefined {
  if (typeof port === 'number') return port
  if (/^\d+$/.test(port)) return Number(port)
  return container.ports?.find(({ name }) => name === port)?.containerPort
}

export interface HttpTarget {
  readonly url: string
  readonly headers: { readonly [name: string]: string }
}

export function httpTarget(action: HTTPGetAction, container: Container, podIp: string): HttpTarget | undefined {
  const port = portOf(action.port, container)
  if (port === undefined) return undefined
  const host = action.host || podIp
  const path = action.path || '/'
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const headers: { [name: string]: string } = { 'user-agent': 'kube-probe/1.36', accept: '*/*' }
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value
  const authority = host.includes(':') ? `[${host}]` : host
  return { url: `${scheme}://${authority}:${port}${path.startsWith('/') ? path : `/${path}`}`, headers }
}

/**
 * GET; 200 to 399 is success. Certificates are not checked. Redirects are followed on the same host only. When `stop` aborts it
 * fails at once and lets go of its connection.
 */
export async function httpGet(target: HttpTarget, timeoutMs: number, stop?: AbortSignal): Promise<Outcome> {
  const late = AbortSignal.timeout(timeoutMs)
  const signal = stop ? AbortSignal.any([late, stop]) : late
  let url = target.url
  try {
    for (let hop = 0; hop < maximumRedirects; hop++) {
      const { status, location } = await fetchOnce(url, target.headers, signal)
      const next = location !== undefined && status >= 300 && status < 400 ? new URL(location, url) : undefined
      if (!next)
        return status >= 200 && status < 400 ? success : failure(`HTTP probe failed with statuscode: ${status}`)
      if (next.hostname !== new URL(url).hostname) return success
      url = next.href
    }
    return failure(`Get "${url}": stopped after ${maximumRedirects} redirects`)
  } catch (error) {
    return failure(`Get "${url}": ${networkError(error, signal.aborted, url)}`)
  }
}

function fetchOnce(
  url: string,
  headers: HttpTarget['headers'],
  signal: AbortSignal,
): Promise<{ status: number; location: string | undefined }> {
  return new Promise((resolve, reject) => {
    const respond = (response: IncomingMessage) => {
      resolve({ status: response.statusCode ?? 0, location: response.headers.location })
      response.on('error', () => undefined)
      response.destroy()
    }
    const options = { agent: false, headers: { ...headers, connection: 'close' }, signal } as const
    const sent = url.startsWith('https:')
      ? httpsRequest(url, { ...options, rejectUnauthorized: false }, respond)
      : httpRequest(url, options, respond)
    sent.on('error', reject)
    sent.end()
  })
}

function networkError(error: unknown, timedOut: boolean, url: string): string {
  if (timedOut) return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
  const { code, message } = error as NodeJS.ErrnoException
  const { host } = new URL(url)
  return code === undefined ? message : dialError(code, host)
}

function dialError(code: string | undefined, address: string): string {
  const texts: { readonly [code: string]: string } = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'i/o timeout',
  }
  if (code === 'ECONNRESET') return 'EOF'
  return `dial tcp ${address}: ${texts[code ?? ''] ?? `connect: ${code}`}`
}

export function tcpConnect(
  action: TCPSocketAction,
  container: Container,
  podIp: string,
  timeoutMs: number,
  stop?: AbortSignal,
): Promise<Outcome> {
  const port = portOf(action.port, container)
  if (port === undefined) return Promise.resolve(failure(`couldn't find port: ${JSON.stringify(action.port)}`))
  const host = action.host || podIp
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return new Promise(resolve => {
    const socket = connect({ host, port, ...(stop ? { signal: stop } : {}) })
    socket.setTimeout(timeoutMs)
    const finish = (outcome: Outcome) => {
      socket.destroy()
      resolve(outcome)
    }
    socket.on('connect', () => finish(success))
    socket.on('timeout', () => finish(failure(`dial tcp ${address}: i/o timeout`)))
    socket.on('error', (error: NodeJS.ErrnoException) => finish(failure(dialError(error.code, address))))
  })
}

export async function execute(
  runtime: Runtime,
  containerId: string,
  action: ExecAction,
  timeoutSeconds: number,
): Promise<Outcome> {
  try {
    const { stdout, stderr, exitCode } = await runtime.execSync(containerId, action.command ?? [], timeoutSeconds)
    if (exitCode === 0) return success
    const output = Buffer.concat([stdout, stderr]).toString('utf8')
    return failure(output === '' ? `command "${(action.command ?? []).join(' ')}" exited with ${exitCode}` : output)
  } catch (error) {
    if (error instanceof RuntimeError && error.code === runtimeCode.deadlineExceeded)
      return failure(`command timed out: "${(action.command ?? []).join(' ')}" timed out after ${timeoutSeconds}s`)
    return failure((error as Error).message)
  }
}

/** grpc.health.v1.Health/Check; SERVING is success. */
export async function grpcCheck(action: GRPCAction, podIp: string, timeoutMs: number): Promise<Outcome> {
  const { Client, credentials } = await import('./grpc-client.ts')
  const { Codec } = await import('../../protobuf/codec.ts')
  const codec = new Codec({ messages: { Request: { service: [1, 'string'] }, Response: { status: [1, 'int32'] } } })
  const address = `${podIp.includes(':') ? `[${podIp}]` : podIp}:${action.port}`
  const client = new Client(address, credentials.createInsecure(), { 'grpc.primary_user_agent': 'kube-probe/1.36' })
  try {
    return await new Promise<Outcome>(resolve =>
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (value: object) => codec.encode('Request', value),
        data => codec.decode('Response', data),
        action.service ? { service: action.service } : {},
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error?.code === 4)
            resolve(
              failure(
                `timeout: failed to connect service "${address}" within ${timeoutMs / 1000}s: context deadline exceeded`,
              ),
            )
          else if (error) resolve(failure(`service unhealthy (responded with "${error.details}")`))
          else resolve(response?.status === 1 ? success : failure('service unhealthy (responded with "NOT_SERVING")'))
        },
      ),
    )
  } finally {
    client.close()
  }
}
