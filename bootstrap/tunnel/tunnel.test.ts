import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:https'
import { createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '../client/clock.ts'
import { ServerList } from '../join/server-addresses.ts'
import type { AgentIdentity } from './connect.ts'
import { streamWindow, tunnelPath } from './protocol.ts'
import { everywhere, slowHost, startTunnelAgent, startTunnelServer, TestCa, tcpServer } from './testing/ends.ts'

const ca = new TestCa()
const never = new AbortController().signal

async function until(condition: () => boolean, ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; !condition(); await delay(5))
    if (Date.now() > end) throw new Error(`never: ${condition}`)
}

async function bytesOf(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe('streams', () => {
  let server: Awaited<ReturnType<typeof startTunnelServer>>
  let agent: ReturnType<typeof startTunnelAgent>
  let backend: Awaited<ReturnType<typeof tcpServer>>
  let serve: (socket: Socket) => void
  beforeAll(async () => {
    server = await startTunnelServer(ca)
    agent = startTunnelAgent(ca.node('a'), new ServerList([server.address]))
    backend = await tcpServer(socket => serve(socket))
    await until(() => server.tunnels.has('a'))
  })
  afterEach(async () => {
    for (const socket of backend.sockets) socket.destroy()
    await until(() => agent.sockets.size === 0)
  })
  afterAll(async () => {
    await agent.stop()
    await server.close()
    await backend.close()
  })
  const dial = () => server.tunnels.dial('a', '127.0.0.1', backend.port, never)

  test('bytes go both ways, and an end of one direction leaves the other open', async () => {
    const sent = randomBytes(3_000_000)
    serve = async socket => {
      const received = await bytesOf(socket)
      socket.write('got ')
      socket.end(received)
    }
    const stream = await dial()
    stream.end(sent)
    const answer = await bytesOf(stream)
    expect(answer.subarray(0, 4).toString()).toBe('got ')
    expect(answer.subarray(4).equals(sent)).toBe(true)
  })

  test('the far side may end first', async () => {
    const received = Promise.withResolvers<Buffer>()
    serve = socket => {
      socket.end('over')
      bytesOf(socket).then(received.resolve)
    }
    const stream = await dial()
    expect((await bytesOf(stream)).toString()).toBe('over')
    await delay(20)
    stream.end('and out')
    expect((await received.promise).toString()).toBe('and out')
  })

  test('five hundred at once do not mix', async () => {
    serve = socket => socket.pipe(socket)
    await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        const stream = await dial()
        const sent = Buffer.alloc(10_000, `${index} `)
        stream.end(sent)
        expect((await bytesOf(stream)).equals(sent)).toBe(true)
      }),
    )
  }, 60_000)

  test('TLS passes through, checked end to end', async () => {
    const secure = createTlsServer(ca.issue('kubelet', [], ['server'], ['a']), socket => socket.pipe(socket))
    await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve))
    const { port } = secure.address() as { port: number }
    const through = async (servername: string) => {
      const socket = tlsConnect({
        socket: await server.tunnels.dial('a', '127.0.0.1', port, never),
        servername,
        ca: ca.pem,
      })
      await once(socket, 'secureConnect')
      socket.end('hello')
      return (await bytesOf(socket)).toString()
    }
    expect(await through('a')).toBe('hello')
    await expect(through('b')).rejects.toThrow("Host: b. is not in the cert's altnames")
    secure.close()
  })

  test('nobody there, a target that is none, an abort', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as { port: number }
    closed.close()
    await expect(server.tunnels.dial('a', '127.0.0.1', port, never)).rejects.toMatchObject({
      name: 'TunnelError',
      status: 502,
      message: `connect ECONNREFUSED 127.0.0.1:${port}`,
    })
    await expect(server.tunnels.dial('a', '127.0.0.1', 70000, never)).rejects.toMatchObject({ status: 400 })
    await expect(server.tunnels.dial('b', '127.0.0.1', 1, never)).rejects.toThrow('failed to find Session for client b')
    await expect(server.tunnels.dial('a', '127.0.0.1', port, AbortSignal.abort(new Error('no more')))).rejects.toThrow(
      'no more',
    )
    const late = new AbortController()
    const dialled = server.tunnels.dial('a', slowHost, backend.port, late.signal)
    await until(() => agent.sockets.size === 1)
    late.abort(new Error('enough'))
    await expect(dialled).rejects.toThrow('enough')
  })

  test('a near side that gives up ends the far side', async () => {
    const closed = Promise.withResolvers<void>()
    serve = socket => {
      socket.resume()
      socket.write('x')
      socket.once('end', () => closed.resolve())
    }
    const stream = await dial()
    await once(stream, 'readable')
    stream.destroy()
    await closed.promise
  })

  test('a far side that breaks is an error, not an end', async () => {
    serve = socket => {
      socket.once('data', () => socket.write('half of it', () => socket.resetAndDestroy()))
    }
    const stream = await dial()
    stream.write('go')
    stream.resume()
    expect((await once(stream, 'error'))[0]).toMatchObject({ message: expect.stringContaining('CONNECT_ERROR') })
  })

  test('who does not read costs a window and holds up nobody', async () => {
    let written = 0
    const chunk = Buffer.alloc(64 * 1024)
    serve = socket => {
      socket.on('data', () => socket.write('pong'))
      const more = () => {
        do written += chunk.length
        while (socket.write(chunk))
      }
      socket.once('data', data => {
        if (data.toString() !== 'flood') return
        more()
        socket.on('drain', more)
      })
    }
    const stalled = await Promise.all(Array.from({ length: 40 }, dial))
    for (const stream of stalled) {
      stream.on('error', () => {})
      stream.write('flood')
    }
    // It stands still once every buffer on the way is full.
    for (let before = -1; before !== written; await delay(300)) before = written
    const held = written
    expect(held).toBeGreaterThan(40 * streamWindow)
    expect(process.memoryUsage.rss()).toBeLessThan(2 ** 30)
    const other = await dial()
    for (let i = 0; i < 20; i++) {
      other.write('ping')
      expect(String((await once(other, 'data'))[0])).toBe('pong')
    }
    expect(written).toBe(held)
    other.destroy()
    for (const stream of stalled) stream.destroy()
  }, 60_000)
})

describe('sessions', () => {
  let server: Awaited<ReturnType<typeof startTunnelServer>>
  const agents: ReturnType<typeof startTunnelAgent>[] = []
  beforeEach(async () => {
    server = await startTunnelServer(ca)
  })
  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.stop()
    await server.close()
  })
  const start = (...parameters: Parameters<typeof startTunnelAgent>) => {
    const agent = startTunnelAgent(...parameters)
    agents.push(agent)
    return agent
  }

  test.each([
    ['no certificate', undefined, 401],
    ['another CA', new TestCa().node('a'), 401],
    ['an administrator', ca.issue('system:admin', ['system:masters'], ['client']), 403],
    ['not of the group', ca.issue('system:node:a', [], ['client']), 403],
    ['no name', ca.issue('system:node:', ['system:nodes'], ['client']), 403],
  ])('%s is refused', async (_, identity, status) => {
    const call = request(`https://${server.address}${tunnelPath}`, {
      ...identity,
      ca: ca.pem,
      headers: { connection: 'upgrade', upgrade: 'skiff-tunnel/1' },
    })
    call.end()
    const [answer] = (await once(call, 'response')) as [{ statusCode: number; resume(): void }]
    answer.resume()
    expect(answer.statusCode).toBe(status)
    expect([...server.tunnels.counts()]).toEqual([])
  })

  test('a server of another CA gets no tunnel', async () => {
    const other = new TestCa()
    const identity: AgentIdentity = { ...ca.node('a'), ca: other.pem }
    const { states } = start(identity, new ServerList([server.address]))
    await until(() => states.get(server.address)?.phase === 'waiting')
    expect(states.get(server.address)).toMatchObject({ reason: expect.stringMatching(/certificate/) })
    expect(server.tunnels.has('a')).toBe(false)
  })

  test('events tell of each, and a second session of a node is the one dialled', async () => {
    const events: string[] = []
    server.tunnels.subscribe(({ type, node, sessions }) => events.push(`${type} ${node} ${sessions}`))
    const first = start(ca.node('a'), new ServerList([server.address]), () => undefined)
    await until(() => server.tunnels.has('a'))
    const forbidden = server.tunnels.dial('a', '127.0.0.1', 1, never)
    await expect(forbidden).rejects.toMatchObject({ status: 403, message: 'connect not allowed to 127.0.0.1:1' })
    const second = start(ca.node('a'), new ServerList([server.address]), everywhere)
    await until(() => events.length === 2)
    await expect(server.tunnels.dial('a', '127.0.0.1', 1, never)).rejects.toMatchObject({ status: 502 })
    await second.stop()
    await until(() => events.length === 3)
    await expect(server.tunnels.dial('a', '127.0.0.1', 1, never)).rejects.toMatchObject({ status: 403 })
    await first.stop()
    await until(() => events.length === 4)
    expect(server.tunnels.has('a')).toBe(false)
    expect(events).toEqual(['connected a 1', 'connected a 2', 'disconnected a 1', 'disconnected a 0'])
  })

  test('a server that comes back is connected again, and open streams of the old session have ended', async () => {
    const backend = await tcpServer(socket => socket.write('x'))
    const agent = start(ca.node('a'), new ServerList([server.address]))
    await until(() => server.tunnels.has('a'))
    const stream = await server.tunnels.dial('a', '127.0.0.1', backend.port, never)
    const broken = new Promise(resolve => stream.once('close', resolve))
    stream.on('error', () => {})
    await server.close()
    await broken
    await until(() => agent.sockets.size === 0)
    await until(() => agent.states.get(server.address)?.phase === 'waiting')
    server = await startTunnelServer(ca, server.port)
    await until(() => server.tunnels.has('a'))
    await backend.close()
  })

  test('servers come and go', async () => {
    const second = await startTunnelServer(ca)
    const servers = new ServerList([server.address])
    const agent = start(ca.node('a'), servers)
    await until(() => server.tunnels.has('a'))
    servers.set([server.address, second.address])
    await until(() => second.tunnels.has('a'))
    servers.set([])
    servers.set([second.address])
    await until(() => !server.tunnels.has('a'))
    expect(second.tunnels.has('a')).toBe(true)
    expect(agent.states.get(server.address)).toEqual({ phase: 'stopped' })
    await agent.stop()
    await second.close()
  })

  test('a peer that has gone silent is noticed at both ends', async () => {
    // A wire that passes everything on until it is cut, and then swallows it.
    let cut = false
    const ends: Socket[] = []
    const wire = createServer(near => {
      const far = new (near.constructor as typeof Socket)()
      far.connect(server.port, '127.0.0.1')
      ends.push(near, far)
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on('data', data => cut || to.write(data))
        from.on('error', () => {})
        from.on('end', () => cut || to.end())
      }
    })
    await new Promise<void>(resolve => wire.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${(wire.address() as { port: number }).port}`
    const { reasons, states, stop } = start(ca.node('a'), new ServerList([address]))
    await until(() => server.tunnels.has('a') && states.get(address)?.phase === 'connected')
    const began = systemClock.now()
    cut = true
    await until(() => !server.tunnels.has('a'))
    await until(() => reasons.length > 0)
    expect(reasons[0]).toBe('the other end does not answer')
    expect(systemClock.now() - began).toBeGreaterThan(4000)
    // First the agent: it dials again, and a connection accepted after the others are destroyed would stay open for good.
    await stop()
    wire.close()
    for (const end of ends) end.destroy()
  }, 40_000)
})
