import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { WebSocket } from 'ws'
import { failure } from '../../api/errors.ts'
import type { StreamSet } from '../stream-set.ts'
import { acceptWebSocket } from './accept.ts'
import { commandSubprotocols, webSocketStreams } from './command-streams.ts'

let server: Server
let serve: (streams: StreamSet) => unknown

beforeAll(async () => {
  server = createServer()
  server.on('upgrade', async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const accepted = await acceptWebSocket(request, socket, head, commandSubprotocols)
    if (accepted) serve(webSocketStreams(accepted, { stdin: true, stdout: true, stderr: true, tty: true }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.close()
})

async function dial(protocol: string) {
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ws = protocol === '' ? new WebSocket(url) : new WebSocket(url, protocol)
  const messages: Buffer[] = []
  ws.on('message', (data: Buffer) => messages.push(data))
  await once(ws, 'open')
  return { ws, messages }
}

/** Answers the input on stdout, the terminal's size on stderr, and fails with the exit code 3. */
const failing = failure(500, 'NonZeroExitCode', 'command terminated with exit code 3').status
async function echo({ stdin, stdout, stderr, resize, finish }: StreamSet) {
  const [size] = (await once(resize!, 'data')) as [Buffer]
  await new Promise(resolve => stderr!.end(size, () => resolve(undefined)))
  const [input] = (await once(stdin!, 'data')) as [Buffer]
  await new Promise(resolve => stdout!.end(input, () => resolve(undefined)))
  finish(failing)
}

const size = '{"Width":80,"Height":24}'
test.each([
  ['', failing.message],
  ['channel.k8s.io', failing.message],
  ['v4.channel.k8s.io', JSON.stringify(failing)],
  ['v5.channel.k8s.io', JSON.stringify(failing)],
])('binary channels of "%s"', async (protocol, report) => {
  serve = echo
  const { ws, messages } = await dial(protocol)
  expect(ws.protocol).toBe(protocol)
  ws.send(Buffer.from(`\x04${size}`))
  ws.send(Buffer.from('\x00input'))
  await once(ws, 'close')
  const greeting = protocol.startsWith('v5') ? [] : ['\x01']
  expect(messages.map(String)).toEqual([...greeting, `\x02${size}`, '\x01input', `\x03${report}`])
})

test.each([
  ['base64.channel.k8s.io', failing.message ?? ''],
  ['v4.base64.channel.k8s.io', JSON.stringify(failing)],
])('base64 channels of %s', async (protocol, report) => {
  serve = echo
  const { ws, messages } = await dial(protocol)
  const base64 = (words: string) => Buffer.from(words).toString('base64')
  ws.send(`4${base64(size)}`)
  ws.send(`0${base64('input')}`)
  await once(ws, 'close')
  expect(messages.map(String)).toEqual(['1', `2${base64(size)}`, `1${base64('input')}`, `3${base64(report)}`])
})

test('v5 closes the input by a message on channel 255', async () => {
  const input = new Promise<string>(resolve => {
    serve = ({ stdin }: StreamSet) => resolve(text(stdin!))
  })
  const { ws } = await dial('v5.channel.k8s.io')
  ws.send(Buffer.from('\x00all of it'))
  ws.send(Buffer.from([255, 0]))
  expect(await input).toBe('all of it')
  ws.terminate()
})

test('a client that goes away ends its input and aborts', async () => {
  const streams = new Promise<StreamSet>(resolve => {
    serve = resolve
  })
  const { ws } = await dial('v4.channel.k8s.io')
  const { stdin, closed } = await streams
  ws.terminate()
  expect(await text(stdin!)).toBe('')
  expect(closed.aborted).toBe(true)
})

test('input nobody reads stops the client', async () => {
  const streams = new Promise<StreamSet>(resolve => {
    serve = resolve
  })
  const { ws } = await dial('v4.channel.k8s.io')
  const chunk = Buffer.concat([Buffer.of(0), Buffer.alloc(100_000, 1)])
  for (let index = 0; index < 100; index++) ws.send(chunk)
  ws.send(Buffer.from('\x00end'))
  const { stdin } = await streams
  while (ws.bufferedAmount === 0 || stdin!.readableLength === 0) await new Promise(resolve => setImmediate(resolve))
  expect(stdin!.readableLength).toBeLessThan(1_000_000)
  let got = 0
  for await (const data of stdin as AsyncIterable<Buffer>) {
    got += data.length
    if (data.toString('latin1').endsWith('end')) break
  }
  expect(got).toBe(10_000_003)
  ws.terminate()
})

test('an unknown subprotocol is refused', async () => {
  await expect(dial('v9.channel.k8s.io')).rejects.toThrow('403')
})

test('a channel that is closed while it is full does not stop the others', async () => {
  const input = Buffer.alloc(300_000)
  const full = Promise.withResolvers<void>()
  const sizes = Promise.withResolvers<Buffer>()
  const taken = Promise.withResolvers<number>()
  serve = async ({ stdin, resize }: StreamSet) => {
    resize!.once('data', sizes.resolve)
    while (stdin!.readableLength < input.length) await new Promise(resolve => setImmediate(resolve))
    full.resolve()
    taken.resolve((await buffer(stdin!)).length)
  }
  const { ws } = await dial('v5.channel.k8s.io')
  ws.send(Buffer.concat([Buffer.of(0), input]))
  ws.send(Buffer.of(255, 0))
  await full.promise
  ws.send(Buffer.from(`\x04${size}`))
  expect(await taken.promise).toBe(input.length)
  expect(String(await sizes.promise)).toBe(size)
  ws.terminate()
})
