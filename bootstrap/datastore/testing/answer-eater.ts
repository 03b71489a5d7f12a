/** A TCP proxy on loopback that can let a request through and lose what comes back, connection and all. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface AnswerEater {
  readonly port: number
  /** The next bytes from the server are lost, with all that follow for a moment; then the connection breaks. */
  eatNextAnswer(): void
  /** How often it has done so. */
  eaten(): number
  close(): void
}

/** Long enough for the server to finish what it was asked. */
const eatingMs = 50

export async function answerEater(serverPort: number): Promise<AnswerEater> {
  let armed = false
  let eaten = 0
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connect(serverPort, '127.0.0.1')
    const both = [client, upstream]
    const end = () => {
      for (const socket of both) {
        socket.destroy()
        sockets.delete(socket)
      }
    }
    let eating = false
    for (const socket of both) {
      sockets.add(socket)
      socket.on('error', end).on('close', end)
    }
    client.on('data', data => upstream.write(data))
    upstream.on('data', data => {
      if (armed && !eating) {
        armed = false
        eating = true
        eaten++
        setTimeout(end, eatingMs)
      }
      if (!eating) client.write(data)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    eatNextAnswer: () => {
      armed = true
    },
    eaten: () => eaten,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
