import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { selfSigned } from '../pki/self-signed.ts'
import { localNodeConnect } from './local-node.ts'

describe('a server that drops kept connections when they are used again', () => {
  let server: ReturnType<typeof createServer>
  let asked = 0
  const never = new AbortController().signal
  beforeEach(async () => {
    asked = 0
    const used = new WeakSet<Socket>()
    server = createServer(selfSigned(['x'], Date.now()), (request, response) => {
      asked++
      if (used.has(request.socket)) return request.socket.destroy()
      used.add(request.socket)
      return response.end('ok')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  async function twice(method: string, repeatable: boolean): Promise<number> {
    const { port } = server.address() as AddressInfo
    const node = localNodeConnect({ port, insecure: true, serverName: 'x', repeatable })
    try {
      for (let i = 0; i < 2; i++) {
        const { body } = await node.request(
          '',
          method,
          '/',
          {},
          never,
          method === 'POST' ? Buffer.from('a') : undefined,
        )
        await body.toArray()
        await new Promise(resolve => setImmediate(resolve))
      }
      return asked
    } finally {
      node.close()
    }
  }

  test('reading is tried again', async () => expect(await twice('GET', false)).toBe(3))
  test('what may be repeated, too', async () => expect(await twice('POST', true)).toBe(3))
  test('nothing else', async () => expect(twice('POST', false)).rejects.toThrow('socket hang up'))
})
