/** exec and attach over WebSocket channels. */
import { errorBytes, type StreamFlags, type StreamSet } from '../stream-set.ts'
import type { AcceptedWebSocket } from './accept.ts'
import { ChannelSocket } from './channels.ts'

export const commandSubprotocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
] as const

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const

/**
 * An empty message on the first output channel tells the client that the command's streams are open. Not with v5: kubectl,
 * the client that speaks it, may not know its channels yet and warns about messages on them.
 */
export function webSocketStreams({ ws, protocol }: AcceptedWebSocket, flags: StreamFlags): StreamSet {
  const socket = new ChannelSocket(ws, protocol)
  const error = socket.writer(channels.error)
  const set = {
    ...(flags.stdin && { stdin: socket.reader(channels.stdin) }),
    ...(flags.stdout && { stdout: socket.writer(channels.stdout) }),
    ...(flags.stderr && { stderr: socket.writer(channels.stderr) }),
    ...(flags.tty && { resize: socket.reader(channels.resize) }),
  }
  if (!protocol.startsWith('v5.')) (set.stdout ?? set.stderr ?? error).write(Buffer.alloc(0))
  return {
    ...set,
    closed: socket.closed,
    finish: status => void error.end(errorBytes(status, /^v[45]\./.test(protocol)), () => socket.close()),
  }
}
