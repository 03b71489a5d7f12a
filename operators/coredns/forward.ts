/** Passing questions on to other name servers: over UDP, over TCP when the answer was cut off, to the next on failure. */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect, isIP } from 'node:net'
import type { ForwardConfig } from './config.ts'

export interface Upstream {
  readonly host: string
  readonly port: number
}

const attemptMs = 2000
const truncatedBit = 0x02

/** The servers of a forward directive; files are read as resolv.conf. `hostPath` finds files of the pod. */
export function upstreamsOf(config: ForwardConfig, hostPath: (path: string) => string): Upstream[] {
  return config.to.flatMap(target => {
    const text = target.replace(/^dns:\/\//, '')
    if (text.startsWith('/')) return resolvConfServers(readIfThere(hostPath(text)))
    const match = /^\[?([0-9a-fA-F:.]+?)\]?(?::(\d+))?$/.exec(text)
    return match && isIP(match[1]!) !== 0 ? [{ host: match[1]!, port: Number(match[2] ?? 53) }] : []
  })
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

export function resolvConfServers(text: string): Upstream[] {
  const hosts = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(match => match[1]!)
  return hosts.filter(host => isIP(host) !== 0).map(host => ({ host, port: 53 }))
}

/** The raw answer of the first server that gives one; undefined when none does. */
export async function forward(
  raw: Buffer,
  servers: readonly Upstream[],
  overTcp: boolean,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  for (const server of servers) {
    const answer = overTcp ? await askTcp(raw, server, signal) : await askUdp(raw, server, signal)
    if (!answer || signal.aborted) continue
    if (!overTcp && (answer[2]! & truncatedBit) !== 0) return (await askTcp(raw, server, signal)) ?? answer
    return answer
  }
  return undefined
}

/** One question in one socket: its port is random, and only the server's own answer with our id counts. */
function askUdp(raw: Buffer, { host, port }: Upstream, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const socket = createSocket({ type: isIP(host) === 6 ? 'udp6' : 'udp4' })
    const finish = (answer: Buffer | undefined) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      socket.close()
      resolve(answer)
    }
    const abort = () => finish(undefined)
    const timer = setTimeout(abort, attemptMs)
    signal.addEventListener('abort', abort)
    socket.once('error', abort)
    socket.on('message', message => {
      if (message.length >= 12 && message.readUInt16BE(0) === raw.readUInt16BE(0)) finish(message)
    })
    socket.connect(port, host, () => socket.send(raw))
  })
}

function askTcp(raw: Buffer, { host, port }: Upstream, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const socket = connect({ host, port, signal })
    const finish = (answer: Buffer | undefined) => {
      socket.destroy()
      resolve(answer)
    }
    let received = Buffer.alloc(0)
    socket.setTimeout(attemptMs, () => finish(undefined))
    socket.once('error', () => finish(undefined))
    socket.once('close', () => resolve(undefined))
    socket.on('data', data => {
      received = Buffer.concat([received, data])
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        finish(received.subarray(2, 2 + received.readUInt16BE(0)))
    })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(raw.length)
    socket.once('connect', () => socket.write(Buffer.concat([length, raw])))
  })
}
