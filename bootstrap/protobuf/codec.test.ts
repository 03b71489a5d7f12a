import { describe, expect, test } from '@jest/globals'
import { Codec } from './codec.ts'
import { WireError } from './wire.ts'

const codec = new Codec({
  messages: {
    Pod: {
      name: [1, 'string'],
      ports: [2, '[]int32'],
      labels: [3, 'map<string,string>'],
      inner: [4, 'Inner'],
      state: [5, 'State'],
    },
    Inner: { big: [1, 'int64'], ratio: [2, 'double'], raw: [3, 'bytes'], on: [4, 'bool'] },
  },
  enums: { State: { IDLE: 0, BUSY: 1 } },
})

test('a message survives the round trip', () => {
  const pod = {
    name: 'ä',
    ports: [1, 300, -1],
    labels: { a: 'b', c: '' },
    inner: { big: -5_000_000_000, ratio: 1.5, raw: Buffer.from('xyz'), on: true },
    state: 1,
  }
  expect(codec.decode('Pod', codec.encode('Pod', pod))).toEqual(pod)
})

test('reads what the specification shows: field 1 varint 150', () => {
  const spec = new Codec({ messages: { Test1: { a: [1, 'int32'] } } })
  expect(spec.encode('Test1', { a: 150 })).toEqual(Buffer.from([0x08, 0x96, 0x01]))
  expect(spec.decode('Test1', Buffer.from([0x08, 0x96, 0x01]))).toEqual({ a: 150 })
})

test('packed repeated integers are read', () => {
  expect(codec.decode('Pod', Buffer.from([0x12, 0x03, 0x01, 0xac, 0x02]))).toEqual({ ports: [1, 300] })
})

test('unknown fields are skipped, truncated input is an error', () => {
  expect(codec.decode('Pod', Buffer.from([0x7a, 0x01, 0x41, 0x0a, 0x01, 0x42]))).toEqual({ name: 'B' })
  expect(() => codec.decode('Pod', Buffer.from([0x0a, 0x05, 0x41]))).toThrow(WireError)
})

test('enum names are accepted when encoding', () => {
  expect(codec.decode('Pod', codec.encode('Pod', { state: 'BUSY' }))).toEqual({ state: 1 })
})

describe('options of a field', () => {
  const options = new Codec({
    messages: {
      Outer: { name: [1, 'string', true], '+2': [2, '+Inner'], data: [3, 'bytes'], size: [4, 'int32'] },
      Inner: { path: [1, 'string'], mode: [2, 'int32'] },
    },
    bytesAsBase64: true,
  })

  test('an embedded message stands among its parent fields', () => {
    const value = { name: 'a', path: '/x', mode: 0 }
    expect(options.encode('Outer', value)).toEqual(Buffer.from('0a01611206 0a022f781000'.replace(' ', ''), 'hex'))
    expect(options.decode('Outer', options.encode('Outer', value))).toEqual(value)
  })

  test('zero values are dropped only where the table says so', () => {
    expect(options.decode('Outer', Buffer.from('0a002000', 'hex'))).toEqual({ size: 0 })
  })

  test('bytes are base64 text', () => {
    expect(options.decode('Outer', options.encode('Outer', { data: 'YQ==' }))).toEqual({ data: 'YQ==' })
  })
})

test('an id keeps all of its 64 bits', () => {
  const ids = new Codec({ messages: { Member: { ID: [1, 'id64'] } } })
  const member = { ID: '18249187646912138824' }
  expect(ids.decode('Member', ids.encode('Member', member))).toEqual(member)
})
