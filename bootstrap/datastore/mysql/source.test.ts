import { expect, test } from '@jest/globals'
import { EndpointError } from '../endpoint.ts'
import { describe as describeSource, readSource } from './source.ts'

const tcp = (host: string, port = 3306) => ({ address: { host, port } })
const socket = '/var/run/mysqld/mysqld.sock'

test.each([
  ['', { address: { socketPath: socket }, user: 'root', password: '', database: 'kubernetes', tls: undefined }],
  ['u:p@tcp(h:3307)/db', { ...tcp('h', 3307), user: 'u', password: 'p', database: 'db' }],
  ['u:p@s/:@tcp(h)/', { ...tcp('h'), user: 'u', password: 'p@s/:', database: 'kubernetes' }],
  ['u@tcp([::1]:1)/db?charset=utf8', { ...tcp('::1', 1), user: 'u', password: '' }],
  ['u:p@unix(/tmp/s)/db', { address: { socketPath: '/tmp/s' }, database: 'db' }],
  ['u@unix/db', { address: { socketPath: socket } }],
  ['u:p@/db', tcp('127.0.0.1')],
  ['u:p@tcp(h)/db?tls=true', { tls: { required: true, verify: true } }],
  ['u:p@tcp(h)/db?tls=skip-verify', { tls: { required: true, verify: false } }],
  ['u:p@tcp(h)/db?tls=preferred', { tls: { required: false, verify: false } }],
])('mysql://%s', (source, wanted) => {
  expect(readSource(source, {})).toMatchObject(wanted)
})

test('files of certificates mean TLS, and 127.0.0.1 where no address is given', () => {
  expect(readSource('', { ca: 'CA' })).toMatchObject({ ...tcp('127.0.0.1'), tls: { required: true, verify: true } })
  expect(readSource('u@tcp(h)/db', { ca: 'CA', cert: 'C', key: 'K' })).toMatchObject({
    tls: { required: true, verify: true, options: { ca: 'CA', cert: 'C', key: 'K' } },
  })
})

test.each(['u:p@tcp(h:3306)', 'u:p@h:3306/db', 'u:p@tcp(h:x)/db', 'u:p@tcp(h:0)/db', 'u@tcp(h)/db?tls=maybe'])(
  'mysql://%s is refused',
  source => {
    expect(() => readSource(source, {})).toThrow(EndpointError)
  },
)

test('a description has no password', () => {
  expect(describeSource(readSource('u:secret@tcp(h:1)/db', {}))).toBe('MySQL h:1/db')
})
