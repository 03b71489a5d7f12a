/** Ends a session whose peer has gone, with a word or without: a cable pulled, a machine frozen, a firewall that swallows. */
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../client/clock.ts'

const lookMs = 2000
const patience = 3

/** A peer that says goodbye serves no more streams; Node would wait for those that are open, which then stand still. */
export function endWithPeer(session: Http2Session, socket: Socket): void {
  const end = () => session.destroy()
  session.once('goaway', end)
  socket.once('close', end)
}

/**
 * Destroys the session when nothing has come in for about eight seconds, though it was asked for. A connection on which bytes
 * arrive needs no ping, so one end's pings serve both. Settles when the session is closed or the signal aborts.
 */
export async function watchPeer(
  session: Http2Session,
  received: () => number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController()
  const end = () => over.abort()
  session.once('close', end)
  signal.addEventListener('abort', end, { once: true })
  if (session.destroyed || signal.aborted) end()
  try {
    for (let seen = received(), silent = 0; ; ) {
      await clock.sleep(lookMs, over.signal)
      const now = received()
      silent = now === seen ? silent + 1 : 0
      seen = now
      if (silent > patience) return session.destroy(new Error('the other end does not answer'))
      if (silent > 0) session.ping(() => {})
    }
  } catch (error) {
    if (!over.signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', end)
  }
}
