/** One way to a name server, over UDP, TCP or TLS, with one question on it at a time. */
import { createSocket } from 'node:dgram'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { UpstreamAddress } from './config.ts'

export type Proto = 'udp' | 'tcp' | 'tcp-tls'

export interface Connection {
  /** Sends a message; resolves with the first answer that `mine` accepts. Rejects when time is up or the way is gone. */
  exchange(message: Buffer, mine: (answer: Buffer) => boolean, timeoutMs: number): Promise<Buffer>
  readonly broken: boolean
  close(): void
}

/** The other side ended a connection that had been used before: worth another try on a new one. */
export class ClosedError extends Error {}

interface Waiting {
  readonly mine: (answer: Buffer) => boolean
  readonly resolve: (answer: Buffer) => void
  readonly reject: (error: Error) => void
}

/** The waiting question of a connection, if there is one. */
class Turn {
  #waiting: Waiting | undefined

  wait(mine: Waiting['mine'], timeoutMs: number, send: () => void): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      // A question on its way, like its socket, does not keep a process that ends.
      const timer = setTimeout(() => this.fail(new Error('i/o timeout')), timeoutMs).unref()
      this.#waiting = {
        mine,
        resolve: answer => {
          clearTimeout(timer)
          resolve(answer)
        },
        reject: error => {
          clearTimeout(timer)
          reject(error)
        },
      }
      send()
    })
  }

  receive(answer: Buffer): void {
    const waiting = this.#waiting
    if (!waiting?.mine(answer)) return
    this.#waiting = undefined
    waiting.resolve(answer)
  }

  fail(error: Error): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.reject(error)
  }
}

/** A connected UDP socket: its port is random, and only the server itself reaches it. */
export function openUdp({ host, port }: UpstreamAddress): Connection {
  const socket = createSocket(isIP(host.replace(/%.*/, '')) === 6 ? 'udp6' : 'udp4').unref()
  const turn = new Turn()
  let broken = false
  const fail = (error: Error) => {
    broken = true
    turn.fail(error)
  }
  const ready = new Promise<void>(resolve => socket.connect(port, host, () => resolve()))
  socket.on('error', fail)
  socket.on('message', message => turn.receive(message))
  return {
    get broken() {
      return broken
    },
    exchange: (message, mine, timeoutMs) =>
      turn.wait(mine, timeoutMs, () => {
        void ready.then(() => {
          if (!broken) socket.send(message, error => void (error && fail(error)))
        })
      }),
    close: () => {
      if (broken) turn.fail(new Error('closed'))
      broken = true
      socket.close()
    },
  }
}

export function openTcp({ host, port, tls }: UpstreamAddress, options: ConnectionOptions): Connection {
  const socket: Socket = tls
    ? connectTls({ host, port, ALPNProtocols: ['dot'], ...options })
    : connectTcp({ host, port })
  const turn = new Turn()
  let broken = false
  let used = false
  let received = Buffer.alloc(0)
  const fail = (error: Error) => {
    broken = true
    turn.fail(used ? new ClosedError(error.message) : error)
    socket.destroy()
  }
  socket.setNoDelay(true)
  socket.unref()
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
  socket.on('data', data => {
    received = received.length === 0 ? data : Buffer.concat([received, data])
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0)
      used = true
      turn.receive(received.subarray(2, end))
      received = received.subarray(end)
    }
  })
  return {
    get broken() {
      return broken
    },
    exchange: (message, mine, timeoutMs) =>
      turn.wait(mine, timeoutMs, () => {
        if (broken) {
          fail(new Error('closed'))
          return
        }
        const length = Buffer.alloc(2)
        length.writeUInt16BE(message.length)
        socket.write(Buffer.concat([length, message]))
      }),
    close: () => {
      broken = true
      socket.destroy()
    },
  }
}
