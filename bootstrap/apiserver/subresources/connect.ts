/** Requests that are passed on to a node agent or to a pod's or service's own address. */
import type { Duplex, Readable } from 'node:stream'
import type { RequestHeaders } from '../http/message.ts'

/** The way to the agent of a node. */
export interface NodeConnect {
  request(
    nodeName: string,
    method: string,
    path: string,
    headers: RequestHeaders,
    signal: AbortSignal,
    body?: Buffer,
  ): Promise<{ status: number; headers: RequestHeaders; body: Readable }>
  /** Hands the client's socket over; `head` is what it has sent already after its upgrade request. */
  upgrade(nodeName: string, path: string, headers: RequestHeaders, socket: Duplex, head: Buffer): void
}

/** Opens HTTP requests to addresses inside the cluster's network. */
export interface ProxyDialer {
  request(
    target: {
      readonly scheme: 'http' | 'https'
      readonly host: string
      readonly port: number
      readonly nodeName?: string
    },
    method: string,
    path: string,
    headers: RequestHeaders,
    signal: AbortSignal,
    body?: Buffer,
  ): Promise<{ status: number; headers: RequestHeaders; body: Readable }>
}
