/** Reaches pods and services: from this machine's own network, which is part of the cluster's, unless told another way. */
import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import type { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import type { RequestHeaders } from '../http/message.ts'
import type { BackendResponse, ConnectVia, ProxyDialer } from './backends.ts'

/** `via` is asked first, for those that only another node can reach. */
export function clusterDialer(via?: ConnectVia): ProxyDialer {
  return {
    async request(target, method, path, headers, signal, body) {
      const secure = target.scheme === 'https'
      const open = secure ? requestSecure : requestPlain
      const { host, port } = target
      const given = await via?.(host, port)
      if (given && signal.aborted) given.destroy()
      const options: RequestOptions & { rejectUnauthorized: boolean } = {
        host,
        port,
        method,
        path,
        headers: { ...plain(headers), host: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` },
        signal,
        rejectUnauthorized: false,
        ...(given ? over(given, secure) : { agent: false }),
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
}

export const directDialer = clusterDialer()

function over(socket: Duplex, secure: boolean): Pick<RequestOptions, 'createConnection'> {
  return { createConnection: () => (secure ? tlsConnect({ socket, rejectUnauthorized: false }) : socket) }
}

function plain(headers: RequestHeaders): { [name: string]: string | string[] } {
  const kept: { [name: string]: string | string[] } = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) kept[name] = typeof value === 'string' ? value : [...value]
  }
  return kept
}
