/** However a connection through a tunnel ends, and the tunnel itself: no socket is left open, counted in this process. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type ConnectionOptions,
  createServer as createTlsServer,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '../client/clock.ts'
import { ServerList } from '../join/server-addresses.ts'
import { connectTunnel } from './connect.ts'
import { tunnelPath } from './protocol.ts'
import { quiet, slowHost, startTunnelAgent, startTunnelServer, TestCa, tcpServer } from './testing/ends.ts'
import { Tunnels } from './tunnels.ts'

const ca = new TestCa()
const never = new AbortController().signal
const openSockets = () => process.getActiveResourcesInfo().filter(kind => kind === 'TCPSocketWrap').length

/** Waits for a state; jest's own limit ends what never comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(2)
}

const ignoreErrors = (stream: Duplex) => stream.on('error', () => {})
const ended = (stream: Duplex) => new Promise<void>(resolve => stream.once('end', resolve).resume())
const closed = (stream: Duplex) => new Promise<void>(resolve => stream.once('close', resolve))
/** More than all buffers on the way hold. */
const flood = (stream: Duplex) => {
  const more = () => {
    while (!stream.destroyed && stream.write(Buffer.alloc(65_536)));
  }
  stream.on('drain', more)
  more()
}

let atFirst: number
beforeAll(() => {
  atFirst = openSockets()
})
// So that what one test leaves is not the next one's.
afterEach(() => until(() => openSockets() <= atFirst))

describe('connections through a tunnel', () => {
  let server: Awaited<ReturnType<typeof startTunnelServer>>
  let agent: ReturnType<typeof startTunnelAgent>
  let backend: Awaited<ReturnType<typeof tcpServer>>
  let accepted: (socket: Socket) => void
  let before: number
  beforeEach(async () => {
    server = await startTunnelServer(ca)
    const policy = (target: { host: string; port: number }) => (target.port === 2 ? undefined : target)
    agent = startTunnelAgent(ca.node('a'), new ServerList([server.address]), policy)
    backend = await tcpServer(socket => accepted(socket))
    await until(() => server.tunnels.has('a'))
    before = openSockets()
  })
  afterEach(async () => {
    await agent.stop()
    await server.close()
    await backend.close()
  })

  /** Both ends of a connection. The far one does what any server does: it ends when its client has. */
  async function connection(): Promise<{ near: Duplex; far: Socket }> {
    const arrived = new Promise<Socket>(resolve => (accepted = resolve))
    const near = ignoreErrors(await server.tunnels.dial('a', '127.0.0.1', backend.port, never)) as Duplex
    return { near, far: await arrived }
  }

  const endings: { readonly [what: string]: (near: Duplex, far: Socket) => unknown } = {
    'near ends, then far': async (near, far) => {
      near.end('bye')
      await ended(far)
      far.end('bye')
      await ended(near)
    },
    'far ends, then near': async (near, far) => {
      far.end('bye')
      await ended(near)
      near.end('bye')
      await ended(far)
    },
    'both end at once': (near, far) => Promise.all([ended(near.end('x')), ended(far.end('y'))]),
    'near gives up': (near, far) => {
      near.destroy()
      return ended(far.on('end', () => far.end()))
    },
    'near gives up in the middle of what comes': async (near, far) => {
      flood(far)
      await once(near, 'readable')
      near.destroy()
    },
    'near gives up in the middle of what it sends': async (near, far) => {
      flood(near)
      await once(far, 'data')
      near.destroy()
      far.on('end', () => far.end()).resume()
    },
    'near gives up after its own end': async (near, far) => {
      near.end()
      await ended(far)
      near.destroy()
    },
    'near gives up after the far end': async (near, far) => {
      far.end('last')
      await ended(near)
      near.destroy()
      await ended(far)
    },
    'near gives up with the far end unread': async (near, far) => {
      far.end('never read')
      await once(near, 'readable')
      near.destroy()
      await ended(far)
    },
    'near is destroyed with an error': (near, far) => {
      near.destroy(new Error('enough'))
      return ended(far.on('end', () => far.end()))
    },
    'far breaks': (near, far) => {
      far.resetAndDestroy()
      return closed(near)
    },
    'far breaks after the near end': async (near, far) => {
      near.end()
      await ended(far)
      far.resetAndDestroy()
      await closed(near)
    },
    'far breaks after its own end': async (near, far) => {
      far.end('last')
      await ended(near)
      far.resetAndDestroy()
      near.write('into the void')
      await closed(near)
    },
    'the tunnel is cut': (near, far) => {
      server.tunnels.disconnect('a')
      return Promise.all([closed(near), ended(far.on('end', () => far.end()))])
    },
    'the tunnel is cut after the near end': async (near, far) => {
      near.end()
      await ended(far)
      server.tunnels.disconnect('a')
      await closed(near)
    },
    'the tunnel is cut after the far end': async (near, far) => {
      far.end('last')
      await ended(near)
      server.tunnels.disconnect('a')
      await Promise.all([closed(near), ended(far)])
    },
  }
  // A server whose own code breaks off does not answer an end with an end.
  const ownFar = new Set(['near gives up after its own end', 'the tunnel is cut after the near end'])

  test.each(Object.keys(endings))('%s', async what => {
    const { near, far } = await connection()
    await endings[what]!(near, far)
    if (ownFar.has(what)) far.destroy()
    await until(() => agent.sockets.size === 0 && backend.sockets.size === 0)
    await until(() => server.tunnels.has('a') && openSockets() <= before && near.destroyed)
  })

  test('none is left of those that were refused, could not be made, or were given up', async () => {
    const dial = (host: string, port: number, signal = never) => server.tunnels.dial('a', host, port, signal)
    await expect(dial('127.0.0.1', 2)).rejects.toMatchObject({ status: 403 })
    await expect(dial('127.0.0.1', 1)).rejects.toMatchObject({ status: 502 })
    const late = new AbortController()
    const dialled = dial(slowHost, 80, late.signal)
    await until(() => agent.sockets.size === 1)
    late.abort(new Error('enough'))
    await expect(dialled).rejects.toThrow('enough')
    await until(() => agent.sockets.size === 0 && openSockets() <= before)
  })

  test('none is left when either side stops while it connects', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const others = startTunnelAgent(ca.node(`b${turn}`), new ServerList([server.address]))
      for (let turns = turn; turns > 0; turns--) await new Promise(setImmediate)
      await others.stop()
    }
    await until(() => openSockets() <= before)
    await agent.stop()
    for (let turn = 0; turn < 20; turn++) {
      const other = await startTunnelServer(ca)
      const others = startTunnelAgent(ca.node('b'), new ServerList([other.address]))
      for (let turns = turn; turns > 0; turns--) await new Promise(setImmediate)
      other.tunnels.close()
      await until(() => others.reasons.length > 0)
      await others.stop()
      await other.close()
    }
    await until(() => openSockets() <= before - 2)
  })

  test('a server that stops while it answers an agent takes no tunnel', async () => {
    const tunnels = new Tunnels({ clock: systemClock, log: quiet })
    const arrived = new Promise<Socket>(resolve => (accepted = resolve))
    const client = connect(backend.port, '127.0.0.1').resume()
    const socket = await arrived
    tunnels.accept('c', socket, Buffer.alloc(0))
    tunnels.close()
    await closed(client)
    expect([tunnels.has('c'), socket.destroyed]).toEqual([false, true])
  })
})

describe('a server that does not let the agent in', () => {
  test.each([
    ['in a line', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno', 'answers 403: no'],
    ['at length', `HTTP/1.1 403 Forbidden\r\n\r\n${'no '.repeat(3000)}`, 'answers 403: no no'],
    ['without an end', 'HTTP/1.1 403 Forbidden\r\n\r\nbecause', 'enough'],
    ['with silence', '', 'enough'],
  ])('%s', async (_, answer, reason) => {
    const before = openSockets()
    const sockets = new Set<TLSSocket>()
    let came = false
    const refusing = createTlsServer(ca.issue('server', [], ['server'], ['127.0.0.1']), socket => {
      came = true
      sockets.add(socket.on('error', () => {}))
      socket.once('data', () => socket.write(answer)).once('close', () => sockets.delete(socket))
    })
    await new Promise<void>(resolve => refusing.listen(0, '127.0.0.1', resolve))
    const giveUp = new AbortController()
    const address = `127.0.0.1:${(refusing.address() as { port: number }).port}`
    const connecting = connectTunnel(address, ca.node('a'), () => {}, giveUp.signal)
    const failed = expect(connecting).rejects.toThrow(reason)
    await until(() => came)
    if (reason === 'enough') giveUp.abort(new Error('enough'))
    await failed
    // Not the server ends it.
    await until(() => sockets.size === 0 && openSockets() <= before)
    await new Promise(resolve => refusing.close(resolve))
  })
})

test('a client that is refused and talks on without an end is cut off', async () => {
  const server = await startTunnelServer(ca)
  const before = openSockets()
  const [host, port] = server.address.split(':') as [string, string]
  const raw = () => {
    const socket = tlsConnect({ host, port: Number(port), ca: ca.pem, allowHalfOpen: true } as ConnectionOptions)
    socket.write(
      `GET ${tunnelPath} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: skiff-tunnel/1\r\n\r\nand more`,
    )
    return ignoreErrors(socket) as TLSSocket
  }
  const [polite, stubborn] = [raw(), raw()]
  await Promise.all([ended(polite), ended(stubborn)])
  for (const socket of [polite, stubborn]) socket.write('not heard')
  polite.end()
  // The polite one is not held until the patience with the other is over.
  await until(() => openSockets() <= before + 2)
  expect(openSockets()).toBe(before + 2)
  await until(() => openSockets() <= before + 1)
  stubborn.destroy()
  await until(() => openSockets() <= before)
  await server.close()
}, 30_000)

test('the sockets of this process can be counted', async () => {
  const before = openSockets()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [far] = (await once(server, 'connection')) as [Socket]
  expect(openSockets()).toBe(before + 2)
  client.destroy()
  far.destroy()
  server.close()
  await until(() => openSockets() <= before)
})
