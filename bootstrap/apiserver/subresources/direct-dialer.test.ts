import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { directDialer } from './direct-dialer.ts'

const never = new AbortController().signal

test('passes method, path, headers and body on, and streams the answer back', async () => {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    response.writeHead(418, { 'x-seen': `${request.method} ${request.url} ${request.headers['x-a']}` })
    response.end(Buffer.concat(chunks))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const target = { scheme: 'http', host: '127.0.0.1', port } as const
  const answer = await directDialer.request(target, 'PUT', '/p?q=1', { 'x-a': 'b' }, never, Buffer.from('body'))
  expect(answer).toMatchObject({ status: 418, headers: { 'x-seen': 'PUT /p?q=1 b' } })
  const chunks: Buffer[] = []
  for await (const chunk of answer.body) chunks.push(chunk as Buffer)
  expect(Buffer.concat(chunks).toString()).toBe('body')
  await new Promise(resolve => server.close(resolve))
  await expect(directDialer.request(target, 'GET', '/', {}, never)).rejects.toThrow('ECONNREFUSED')
})
