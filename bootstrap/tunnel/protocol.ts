/**
 * The tunnel's protocol: an agent asks a server for `GET /v1-k3s/connect` to be upgraded; after the 101 both speak HTTP/2 on
 * that connection, the agent as HTTP/2's server. The API server opens CONNECT streams (RFC 9113, 8.5) to "host:port", which the
 * agent dials where its policy allows: 200, else 403 (not allowed) or 502 (nobody there) with a line of text.
 */
import type { Settings } from 'node:http2'

export const tunnelPath = '/v1-k3s/connect'
export const tunnelProtocol = 'skiff-tunnel/1'

/**
 * What a stream may hold unread on its way: a stalled reader costs this much at most, and a stream gets this much per round
 * trip at best (10 MB/s at 25 ms). Nearby nothing larger made it faster.
 */
export const streamWindow = 256 * 1024

/** Of all streams together. Node frees it as bytes arrive, read or not, so that stalled streams take nothing from others. */
export const connectionWindow = 8 * 1024 * 1024

export const maxStreams = 10_000

export const tunnelSettings: Settings = {
  initialWindowSize: streamWindow,
  maxConcurrentStreams: maxStreams,
  enablePush: false,
}

/** Node's own limits are against strangers; here both ends are the cluster's, and kubectl gives up streams at any rate. */
export const tunnelLimits = {
  maxSessionMemory: 1000,
  peerMaxConcurrentStreams: maxStreams,
  streamResetBurst: 1_000_000,
  streamResetRate: 100_000,
}

export interface Target {
  readonly host: string
  readonly port: number
}

/** "10.42.0.7:443", "[fd00::7]:443" */
export function authorityOf({ host, port }: Target): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function parseAuthority(text: string): Target | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  return match && port > 0 && port < 65536 ? { host: match[1] ?? match[2]!, port } : undefined
}
