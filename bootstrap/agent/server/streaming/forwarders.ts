/** Ways to a pod's port: through the runtime, which enters the pod's network, or straight by TCP for pods on the host's. */
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { connectSpdy } from '../../../streaming/spdy/connect.ts'
import type { SpdySession } from '../../../streaming/spdy/session.ts'
import type { Runtime } from '../../runtime.ts'

export interface Forwarder {
  /** Joins `data` with a connection to the port. Resolves when that is over, with what went wrong or "". */
  forward(port: number, data: Duplex): Promise<string>
}

/** `describe` words a failure for the client. */
export function tcpForwarder(
  host: string,
  signal: AbortSignal,
  describe: (port: number, why: string) => string,
): Forwarder {
  return {
    async forward(port, data) {
      const socket = connect({ host, port, allowHalfOpen: true })
      const abort = () => socket.destroy()
      signal.addEventListener('abort', abort, { once: true })
      try {
        data.pipe(socket)
        socket.pipe(data)
        await finished(socket)
        return ''
      } catch (error) {
        return signal.aborted ? '' : describe(port, reason(error as NodeJS.ErrnoException, host, port))
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
  }
}

function reason(error: NodeJS.ErrnoException, host: string, port: number): string {
  const refused = error.code === 'ECONNREFUSED'
  return `failed to connect to ${host}:${port}: ${refused ? 'connect: connection refused' : error.message}`
}

/** One session with the runtime carries all connections; it is opened again when the runtime has ended it. */
export function runtimeForwarder(runtime: Runtime, sandboxId: string, signal: AbortSignal): Forwarder {
  let current: Promise<SpdySession> | undefined
  let requests = 0
  const open = async (): Promise<SpdySession> => {
    const session = await connectSpdy(await runtime.portForwardUrl(sandboxId, []), 'portforward.k8s.io', signal)
    const reopen = () => {
      current = undefined
    }
    session.closed.addEventListener('abort', reopen, { once: true })
    signal.addEventListener('abort', () => session.close(), { once: true })
    return session
  }
  const session = () =>
    (current ??= open().catch(error => {
      current = undefined
      throw error
    }))
  return {
    async forward(port, data) {
      const common = { port: String(port), requestid: String(requests++) }
      const connection = await session()
      const error = await connection.open({ streamtype: 'error', ...common })
      error.end()
      const remote = await connection.open({ streamtype: 'data', ...common })
      data.pipe(remote)
      remote.pipe(data)
      return text(error)
    },
  }
}
