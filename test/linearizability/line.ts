/** A TCP line on loopback that can stand still or break: what lies between a server and its database. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

type State = 'open' | 'held' | 'broken'

export class Line {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #state: State = 'open'

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  static async to(port: number): Promise<Line> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const line = new Line(server, (server.address() as { port: number }).port)
    server.on('connection', socket => line.#join(socket, port))
    return line
  }

  #join(client: Socket, port: number): void {
    if (this.#state === 'broken') return void client.destroy()
    const upstream = connect(port, '127.0.0.1')
    const both = [client, upstream] as const
    const end = () => {
      for (const socket of both) {
        socket.destroy()
        this.#sockets.delete(socket)
      }
    }
    for (const [from, to] of [both, both.toReversed()] as [Socket, Socket][]) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.on('data', data => to.write(data)).on('end', () => to.end())
      from.on('error', end).on('close', end)
    }
    if (this.#state === 'open') client.resume()
    else upstream.pause()
  }

  /** What is on its way arrives when it is open again, as with a cable that is out for a while. */
  hold(): void {
    this.#state = 'held'
    for (const socket of this.#sockets) socket.pause()
  }

  /** Connections are reset, whatever was on its way; new ones too, until it is open again. */
  break(): void {
    this.#state = 'broken'
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  open(): void {
    this.#state = 'open'
    for (const socket of this.#sockets) socket.resume()
  }

  close(): void {
    this.break()
    this.#server.close()
  }
}
