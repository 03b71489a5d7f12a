import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { GrpcChannel } from './grpc.ts'

type Answer = (stream: ServerHttp2Stream, request: Buffer, path: string) => void

let folder: string
let server: Http2Server | undefined
let sessions: Set<ServerHttp2Session>
let answer: Answer
let channel: GrpcChannel

async function listen(): Promise<void> {
  sessions = new Set()
  server = createServer()
  server.on('session', session => {
    sessions.add(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => answer(stream, Buffer.concat(chunks), String(headers[':path'])))
  })
  server.listen(join(folder, 'socket'))
  await once(server, 'listening')
}

async function stop(): Promise<void> {
  for (const session of sessions) session.destroy()
  server?.close()
  server = undefined
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-grpc-'))
  channel = new GrpcChannel(join(folder, 'socket'))
  await listen()
})
afterEach(async () => {
  channel.close()
  await stop()
  rmSync(folder, { recursive: true })
})

const frame = (text: string) => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(text.length, 1)
  return Buffer.concat([head, Buffer.from(text)])
}

/** Sends these bytes in pieces of their own, and then the status. */
function send(stream: ServerHttp2Stream, pieces: readonly Buffer[], status = '0'): void {
  stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
  const [first, ...rest] = pieces
  if (!first) stream.end()
  else stream.write(first, () => setImmediate(() => more(stream, rest)))
}

function more(stream: ServerHttp2Stream, pieces: readonly Buffer[]): void {
  const [first, ...rest] = pieces
  if (!first) stream.end()
  else stream.write(first, () => setImmediate(() => more(stream, rest)))
}

test('an answer arrives whole, however it was cut', async () => {
  answer = (stream, request, path) => {
    const bytes = frame(`${path} ${request.subarray(5)} ${'x'.repeat(100_000)}`)
    send(stream, [bytes.subarray(0, 2), bytes.subarray(2, 7), bytes.subarray(7)])
  }
  const text = (await channel.unary('/a.B/C', Buffer.from('hello'))).toString()
  expect(text.slice(0, 14)).toBe('/a.B/C hello x')
  expect(text).toHaveLength(100_000 + 13)
})

test('a stream gives every message, several to a chunk', async () => {
  const bytes = Buffer.concat(['one', '', 'three'].map(frame))
  answer = stream => send(stream, [bytes.subarray(0, 4), bytes.subarray(4)])
  const got: string[] = []
  for await (const message of channel.stream('/a/b', Buffer.alloc(0))) got.push(message.toString())
  expect(got).toEqual(['one', '', 'three'])
})

test('a refusal has its code and its words', async () => {
  answer = stream => {
    stream.respond({ ':status': 200, 'grpc-status': '5', 'grpc-message': 'no such%3A thing' }, { endStream: true })
  }
  await expect(channel.unary('/a/b', Buffer.alloc(0))).rejects.toMatchObject({ code: 5, message: 'no such: thing' })
})

test('a call ends at its deadline, and when it is cancelled', async () => {
  answer = () => {}
  await expect(channel.unary('/a/b', Buffer.alloc(0), { deadlineMs: 20 })).rejects.toMatchObject({
    code: 4,
    message: 'Deadline exceeded',
  })
  const ending = new AbortController()
  const call = channel.unary('/a/b', Buffer.alloc(0), { signal: ending.signal })
  ending.abort()
  await expect(call).rejects.toMatchObject({ code: 1 })
})

test('a server that goes away is unavailable, and used again when it is back', async () => {
  answer = () => void stop()
  await expect(channel.unary('/a/b', Buffer.alloc(0))).rejects.toMatchObject({ code: 14 })
  await expect(channel.unary('/a/b', Buffer.alloc(0))).rejects.toMatchObject({ code: 14 })
  const ready = channel.ready(5000)
  await listen()
  await ready
  answer = stream => send(stream, [frame('back')])
  expect((await channel.unary('/a/b', Buffer.alloc(0))).toString()).toBe('back')
})

test('readiness is not waited for longer than told', async () => {
  await stop()
  await expect(channel.ready(50)).rejects.toMatchObject({ code: 14 })
})
