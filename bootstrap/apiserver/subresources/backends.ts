/** What the API server passes requests on to; the process that starts it says how they are reached. */
import type { Duplex, Readable } from 'node:stream'
import type { RequestHeaders } from '../http/message.ts'

export interface BackendResponse {
  readonly status: number
  readonly headers: RequestHeaders
  readonly body: Readable
}

/** The way to the agent of a node. */
export interface NodeConnect {
  request(
    nodeName: string,
    method: string,
    path: string,
    headers: RequestHeaders,
    signal: AbortSignal,
    body?: Buffer,
  ): Promise<BackendResponse>
  /**
   * Takes over the client's socket; `head` is what followed its upgrade request, which has not been answered. Rejects, with the
   * socket untouched, when the agent cannot be reached.
   */
  upgrade(
    nodeName: string,
    path: string,
    headers: RequestHeaders,
    socket: Duplex,
    head: Buffer,
    method: string,
  ): void | Promise<void>
}

/** What was to be asked could not be reached; the message says why. */
export class UnreachableError extends Error {
  readonly url: string

  constructor(url: string, message: string) {
    super(message)
    this.name = 'UnreachableError'
    this.url = url
  }
}

/** A connection to an address that is not simply dialled; undefined: dial it. */
export type ConnectVia = (host: string, port: number) => Promise<Duplex> | undefined

export interface ProxyTarget {
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
}

/** Opens HTTP requests to addresses inside the cluster's network. */
export interface ProxyDialer {
  request(
    target: ProxyTarget,
    method: string,
    path: string,
    headers: RequestHeaders,
    signal: AbortSignal,
    body?: Buffer,
  ): Promise<BackendResponse>
}
