/** A network path to a server that a test can cut, freeze, or make one-sided. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export type Path =
  | 'open'
  /** Connections break and are refused. */
  | 'cut'
  /** Nothing arrives on either side, and nobody is told. */
  | 'frozen'
  /** What clients say arrives; what the server answers does not. */
  | 'mute'

export interface Relay {
  readonly port: number
  path(state: Path): void
  destroy(): Promise<void>
}

export async function startRelay(to: number): Promise<Relay> {
  let state: Path = 'open'
  const pairs = new Set<readonly [client: Socket, server: Socket]>()

  const listener = createServer(client => {
    client.on('error', () => undefined)
    if (state === 'cut') {
      client.resetAndDestroy()
      return
    }
    const server = connect(to, '127.0.0.1')
    const pair = [client, server] as const
    pairs.add(pair)
    const forward = (from: Socket, target: Socket, passes: () => boolean) => {
      const waiting: Buffer[] = []
      from.on('data', data => {
        if (passes()) target.write(data)
        else waiting.push(data)
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        pairs.delete(pair)
        target.destroy()
      })
    }
    forward(client, server, () => state === 'open' || state === 'mute')
    forward(server, client, () => state === 'open')
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')

  return {
    port: (listener.address() as { port: number }).port,
    path(next) {
      const healed = next === 'open' && state !== 'open'
      state = next
      // What was held back on a frozen path is lost: its connections are of no more use, as after a partition.
      if (next === 'cut' || healed)
        for (const [client, server] of pairs) for (const end of [client, server]) end.resetAndDestroy()
    },
    async destroy() {
      for (const [client, server] of pairs) for (const end of [client, server]) end.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}
