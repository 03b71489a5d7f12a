import { once } from 'node:events'
import { type Duplex, duplexPair, PassThrough } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { expect, test } from '@jest/globals'
import { dataHeader, type Frame, FrameDecoder, FrameEncoder } from './frames.ts'
import { SpdySession } from './session.ts'
import type { SpdyStream } from './stream.ts'

function pair(onStream: (stream: SpdyStream) => void = () => {}) {
  const [near, far] = duplexPair()
  const server = new SpdySession(far, { server: true, onStream, accepts: headers => headers.streamtype !== 'bad' })
  return { client: new SpdySession(near, { server: false }), server, near, far }
}

/** A peer made of raw frames. */
function rawPeer(transport: Duplex) {
  const encoder = new FrameEncoder()
  const decoder = new FrameDecoder()
  const seen: Frame[] = []
  transport.on('data', (chunk: Buffer) => seen.push(...decoder.push(chunk)))
  return { seen, send: (frame: Parameters<FrameEncoder['encode']>[0]) => transport.write(encoder.encode(frame)) }
}

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

test('streams carry headers and data both ways and close by halves', async () => {
  const { client } = pair(stream => {
    void text(stream).then(got => stream.end(`${stream.headers.streamtype}: ${got}`))
  })
  const streams = await Promise.all(['a', 'b'].map(streamtype => client.open({ streamtype })))
  for (const stream of streams) stream.end(`hello ${stream.id}`)
  expect(await Promise.all(streams.map(stream => text(stream)))).toEqual(['a: hello 1', 'b: hello 3'])
})

test('a large transfer arrives whole', async () => {
  const sent = Buffer.alloc(3_000_000, 'skiff')
  const { client } = pair(stream => void stream.pipe(stream))
  const stream = await client.open({})
  stream.end(sent)
  expect((await buffer(stream)).equals(sent)).toBe(true)
})

test('a refused stream rejects, the session goes on', async () => {
  const { client } = pair(stream => void stream.end('x'))
  await expect(client.open({ streamtype: 'bad' })).rejects.toThrow('refused')
  expect(await text(await client.open({ streamtype: 'good' }))).toBe('x')
})

test('the windows of a peer that grants some are kept to', async () => {
  const [near, far] = duplexPair()
  const peer = rawPeer(far)
  const session = new SpdySession(near, { server: true, onStream: stream => void stream.write(Buffer.alloc(200_000)) })
  peer.send({ type: 'windowUpdate', id: 0, delta: 1_000_000 })
  peer.send({ type: 'synStream', id: 1, headers: {}, fin: false })
  const received = () => peer.seen.reduce((sum, frame) => sum + (frame.type === 'data' ? frame.data.length : 0), 0)
  await turns()
  expect(received()).toBe(65_536)
  peer.send({ type: 'windowUpdate', id: 1, delta: 1000 })
  await turns()
  expect(received()).toBe(66_536)
  peer.send({ type: 'windowUpdate', id: 1, delta: 1_000_000 })
  await turns()
  expect(received()).toBe(200_000)
  session.close()
})

test('a stalled reader stops the writer, and reading goes on where it stopped', async () => {
  let held: SpdyStream | undefined
  const { client, far } = pair(stream => {
    held = stream
  })
  const stream = await client.open({})
  let written = 0
  const chunk = Buffer.alloc(16_384, 1)
  const pump = () => {
    while (written < 400 && stream.write(chunk)) written++
    written++
  }
  stream.on('drain', pump)
  pump()
  await turns(200)
  expect(far.isPaused()).toBe(true)
  expect(written).toBeLessThan(40)
  const sink = new PassThrough()
  held!.pipe(sink)
  let got = 0
  sink.on('data', (data: Buffer) => {
    got += data.length
  })
  while (written < 400) await turns(1)
  stream.end()
  await once(sink, 'end')
  expect(got).toBeGreaterThanOrEqual(400 * chunk.length)
})

test('a stream that fills up and ends at once does not stop the others for good', async () => {
  const [near, far] = duplexPair()
  const peer = rawPeer(far)
  const session = new SpdySession(near, { server: false })
  const opening = [session.open({}), session.open({})]
  for (const id of [1, 3]) peer.send({ type: 'synReply', id, headers: {}, fin: false })
  const [full, other] = await Promise.all(opening)
  const size = 100_000
  far.write(Buffer.concat([dataHeader(1, size, false), Buffer.alloc(size), dataHeader(1, 0, true)]))
  await turns()
  expect(near.isPaused()).toBe(true)
  far.write(Buffer.concat([dataHeader(3, 4, true), Buffer.from('more')]))
  expect((await buffer(full!)).length).toBe(size)
  expect(await text(other!)).toBe('more')
})

test('what came before a reset or the end of the session can still be read', async () => {
  const [near, far] = duplexPair()
  const peer = rawPeer(far)
  const session = new SpdySession(near, { server: false })
  const opening = session.open({})
  peer.send({ type: 'synReply', id: 1, headers: {}, fin: false })
  const stream = await opening
  far.write(Buffer.concat([dataHeader(1, 4, false), Buffer.from('last')]))
  peer.send({ type: 'reset', id: 1, status: 5 })
  far.end()
  await turns()
  expect(session.closed.aborted).toBe(true)
  expect(await text(stream)).toBe('last')
})

test('ping is answered, but never the answer to one', async () => {
  const [near, far] = duplexPair()
  const peer = rawPeer(far)
  new SpdySession(near, { server: true })
  peer.send({ type: 'ping', id: 1 })
  peer.send({ type: 'ping', id: 2 })
  await turns()
  expect(peer.seen).toEqual([{ type: 'ping', id: 1 }])
})

test('random and corrupted bytes end the session and nothing else', async () => {
  let state = 12345
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff
  const good = () => {
    const encoder = new FrameEncoder()
    return Buffer.concat([
      encoder.encode({ type: 'synStream', id: 1, headers: { streamtype: 'data' }, fin: false }),
      dataHeader(1, 3, false),
      Buffer.from('abc'),
      encoder.encode({ type: 'windowUpdate', id: 1, delta: 5 }),
      encoder.encode({ type: 'synStream', id: 3, headers: { streamtype: 'error' }, fin: true }),
      encoder.encode({ type: 'goAway', lastId: 0, status: 0 }),
    ])
  }
  let ended = 0
  for (let round = 0; round < 300; round++) {
    const { near, server } = pair(stream => void stream.resume())
    const bytes = round % 2 === 0 ? Buffer.from(Array.from({ length: 200 }, () => Math.floor(random() * 256))) : good()
    for (let flips = 0; flips < 3; flips++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    near.end(bytes)
    await turns(4)
    if (server.closed.aborted) ended++
  }
  expect(ended).toBe(300)
})
