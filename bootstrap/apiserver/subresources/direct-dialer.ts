/** Reaches pods and services from this machine's own network, which is part of the cluster's. */
import type { IncomingMessage, RequestOptions } from 'node:http'
import type { RequestHeaders } from '../http/message.ts'
import type { BackendResponse, ProxyDialer } from './backends.ts'

export const directDialer: ProxyDialer = {
  async request(target, method, path, headers, signal, body) {
    const { request: open } = target.scheme === 'https' ? await import('node:https') : await import('node:http')
    const { host, port } = target
    const options: RequestOptions & { rejectUnauthorized: boolean } = {
      host,
      port,
      method,
      path,
      headers: { ...plain(headers), host: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` },
      signal,
      agent: false,
      rejectUnauthorized: false,
    }
    return await new Promise<BackendResponse>((resolve, reject) => {
      const request = open(options, (response: IncomingMessage) =>
        resolve({ status: response.statusCode ?? 502, headers: response.headers, body: response }),
      )
      request.on('error', reject)
      request.end(body)
    })
  },
}

function plain(headers: RequestHeaders): { [name: string]: string | string[] } {
  const kept: { [name: string]: string | string[] } = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) kept[name] = typeof value === 'string' ? value : [...value]
  }
  return kept
}
