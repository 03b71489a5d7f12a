import { constants, createDeflate, deflateSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { dictionary } from './dictionary.ts'
import { dataHeader, type Frame, FrameDecoder, FrameEncoder } from './frames.ts'
import { HeaderDecoder, HeaderEncoder, SpdyProtocolError } from './headers.ts'

const decodeAll = (decoder: FrameDecoder, bytes: Buffer, step: number): Frame[] => {
  const frames: Frame[] = []
  for (let at = 0; at < bytes.length; at += step) frames.push(...decoder.push(bytes.subarray(at, at + step)))
  return frames
}

const control = [
  { type: 'synStream', id: 1, headers: { streamtype: 'error' }, fin: false },
  { type: 'synStream', id: 3, headers: { streamtype: 'stdin', 'x-ä': 'ö' }, fin: true },
  { type: 'synReply', id: 1, headers: {}, fin: false },
  { type: 'reset', id: 3, status: 5 },
  { type: 'ping', id: 7 },
  { type: 'goAway', lastId: 3, status: 0 },
  { type: 'windowUpdate', id: 1, delta: 32_768 },
] as const

test.each([1, 7, 4096])('frames survive the wire in pieces of %i bytes', step => {
  const encoder = new FrameEncoder()
  const bytes = Buffer.concat(control.map(frame => encoder.encode(frame)))
  expect(decodeAll(new FrameDecoder(), bytes, step)).toEqual(control)
})

test('data is handed on as it comes and FIN with its last byte', () => {
  const bytes = Buffer.concat([dataHeader(5, 6, true), Buffer.from('abcdef')])
  const frames = decodeAll(new FrameDecoder(), bytes, 10)
  expect(frames.map(frame => frame.type === 'data' && [String(frame.data), frame.fin])).toEqual([
    ['ab', false],
    ['cdef', true],
  ])
})

test('the dictionary is the one of SPDY/3', () => {
  const block = deflateSync(Buffer.alloc(4), { dictionary: dictionary() })
  expect(block.subarray(2, 6).toString('hex')).toBe('e3c6a7c2')
  expect(dictionary().length).toBe(1423)
})

test('a compressor that refers back to earlier blocks is understood', async () => {
  const deflate = createDeflate({ dictionary: dictionary() })
  const compress = (headers: { [name: string]: string }) =>
    new Promise<Buffer>(resolve => {
      const plain = new HeaderEncoder().encode(headers).subarray(6 + 5, -5)
      const parts: Buffer[] = []
      deflate.removeAllListeners('data').on('data', (part: Buffer) => parts.push(part))
      deflate.write(plain)
      deflate.flush(constants.Z_SYNC_FLUSH, () => resolve(Buffer.concat(parts)))
    })
  const decoder = new HeaderDecoder()
  const lists = [
    { streamtype: 'data', port: '8080', requestid: '0' },
    { streamtype: 'error', port: '8080', requestid: '0' },
    {},
  ]
  for (const headers of lists) expect(decoder.decode(await compress(headers))).toEqual(headers)
})

/** A zlib stream whose header is corrupt (as in Go's own tests), and other things a peer must not send. */
test.each([
  ['a broken zlib header', 'gAMAAQAAABgAAAACAAAAAAAAF/nfolGyYmAAAAAA//8='],
  ['the dictionary of SPDY/2', 'gAMAAQAAABgAAAACAAAAAAAAePnfolGyYmAAAAAA//8='],
  ['another version', 'gAIABgAAAAQAAAAB'],
  ['stream 0', 'AAAAAAAAAAE='],
  ['a huge control frame', 'gAMABgD///8AAAAB'],
  ['a ping without a number', 'gAMABgAAAAA='],
  ['settings that promise more than they hold', 'gAMABAAAAAT/////'],
])('%s is a protocol error', (_, base64) => {
  expect(() => [...new FrameDecoder().push(Buffer.from(base64, 'base64'))]).toThrow(SpdyProtocolError)
})

test('a header block that inflates to much more than it is gets refused', () => {
  const bomb = deflateSync(Buffer.alloc(1 << 20), { dictionary: dictionary() })
  expect(() => new HeaderDecoder().decode(bomb)).toThrow(SpdyProtocolError)
})
