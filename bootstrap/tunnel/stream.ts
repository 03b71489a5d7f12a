/** One connection through a session: a CONNECT stream that the agent has accepted. */
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import type { Duplex } from 'node:stream'
import { authorityOf, type Target } from './protocol.ts'

/** The agent, or the connection to it, did not open what was asked for. */
export class TunnelError extends Error {
  /** The agent's answer: 403 its policy forbids the target, 502 nobody answers there; undefined when the session was lost. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.name = 'TunnelError'
    this.status = status
  }
}

const longestReason = 4096

/** Rejects with TunnelError, or with the signal's reason when it aborts first. Later the stream is the caller's. */
export function openStream(session: ClientHttp2Session, target: Target, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const stream = request(session, target)
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', abort)
      stream.off('error', lost).off('close', lost).off('response', answered)
      act()
    }
    const abort = () =>
      settle(() => {
        stream.on('error', () => {})
        stream.close(constants.NGHTTP2_CONNECT_ERROR)
        reject(signal.reason)
      })
    const lost = (error?: Error) =>
      settle(() => {
        stream.on('error', () => {})
        reject(new TunnelError(`the tunnel was lost${error ? `: ${error.message}` : ''}`))
      })
    const answered = (headers: IncomingHttpHeaders) =>
      settle(() => {
        const status = Number(headers[':status'])
        if (status === 200) return resolve(brokenOff(stream))
        refusal(stream).then(text => reject(new TunnelError(text || `the agent answers ${status}`, status)))
      })
    signal.addEventListener('abort', abort, { once: true })
    stream.on('error', lost).on('close', lost).on('response', answered)
  })
}

/**
 * A stream destroyed before its end tells the agent so. Left to itself, Node resets it as if nothing were wrong, which the agent
 * takes for an end. (Not by CANCEL, which Node forgets to send when the stream is destroyed while something comes in.)
 */
function brokenOff(stream: ClientHttp2Stream): ClientHttp2Stream {
  const destroy = stream.destroy.bind(stream)
  const settle = stream._destroy.bind(stream)
  let givenUp = false
  stream.destroy = error => {
    const whole = stream.readableEnded && stream.writableFinished
    if (!whole && !stream.closed && !stream.destroyed) {
      givenUp = true
      stream.close(constants.NGHTTP2_CONNECT_ERROR)
    }
    return destroy(error)
  }
  // Who gives up is not told of it as of a failure.
  stream._destroy = (error, done) => settle(error, failure => done(givenUp ? error : failure))
  return stream
}

function request(session: ClientHttp2Session, target: Target): ClientHttp2Stream {
  try {
    return session.request({ ':method': 'CONNECT', ':authority': authorityOf(target) })
  } catch (error) {
    throw new TunnelError(`the tunnel was lost: ${(error as Error).message}`)
  }
}

/** What the agent says, at most the beginning of it. */
async function refusal(stream: ClientHttp2Stream): Promise<string> {
  let text = ''
  try {
    for await (const chunk of stream) {
      text += String(chunk)
      if (text.length > longestReason) break
    }
  } catch {
    // It broke off: what there is will do.
  }
  stream.on('error', () => {})
  stream.close()
  return text.slice(0, longestReason).trim()
}
