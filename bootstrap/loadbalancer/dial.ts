/** Connecting to the first of several servers that answers. */
import { connect, type Socket } from 'node:net'

export interface Dialed {
  readonly address: string
  readonly socket: Socket
}

export interface DialEffects {
  /** Starts to connect to "host:port". */
  readonly connect: (address: string) => Socket
  /** How the attempt at one server ended, after how many milliseconds, and why it failed. */
  readonly told: (address: string, event: 'connected' | 'failed', ms: number, why?: string) => void
  readonly now: () => number
}

export interface DialTimes {
  /** A server that has not answered by then gets a rival. */
  readonly patienceMs: number
  /** An attempt ends then. */
  readonly limitMs: number
}

/** One lost SYN is sent again after a second. */
export const dialTimes: DialTimes = { patienceMs: 1250, limitMs: 5000 }

/**
 * Tries the servers in order: the next one as soon as one fails, or stays silent too long. The first to answer wins and
 * those tried before it count as failed. Undefined when nobody answers.
 */
export function dialFirst(
  addresses: readonly string[],
  { connect, told, now }: DialEffects,
  { patienceMs, limitMs }: DialTimes = dialTimes,
): Promise<Dialed | undefined> {
  return new Promise(resolve => {
    const attempts = new Map<string, { readonly socket: Socket; readonly timer: NodeJS.Timeout; readonly at: number }>()
    let next = 0
    let patience: NodeJS.Timeout | undefined
    const abandon = (address: string) => {
      const attempt = attempts.get(address)!
      clearTimeout(attempt.timer)
      attempts.delete(address)
      attempt.socket.on('error', () => {}).destroy()
      return now() - attempt.at
    }
    const tryNext = () => {
      clearTimeout(patience)
      const address = addresses[next++]
      if (address !== undefined) start(address)
      else if (attempts.size === 0) resolve(undefined)
    }
    const start = (address: string) => {
      const socket = connect(address)
      const at = now()
      const failed = (error?: Error) => {
        if (!attempts.has(address)) return
        told(address, 'failed', abandon(address), error?.message)
        tryNext()
      }
      attempts.set(address, { socket, at, timer: setTimeout(failed, limitMs) })
      patience = setTimeout(tryNext, patienceMs)
      socket.once('error', failed)
      socket.once('connect', () => {
        const attempt = attempts.get(address)
        if (!attempt) return
        clearTimeout(patience)
        clearTimeout(attempt.timer)
        attempts.delete(address)
        socket.off('error', failed)
        for (const [rival, { at: since }] of [...attempts]) {
          const ms = abandon(rival)
          // One that had less time than the winner has not failed.
          if (since < at) told(rival, 'failed', ms)
        }
        told(address, 'connected', now() - at)
        resolve({ address, socket })
      })
    }
    tryNext()
  })
}

/** A plain TCP connection to "host:port" or "[v6]:port". */
export function connectTcp(address: string): Socket {
  const { hostname, port } = new URL(`tcp://${address}`)
  return connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true })
}
