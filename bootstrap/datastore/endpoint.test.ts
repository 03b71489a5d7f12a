import { expect, test } from '@jest/globals'
import { EndpointError, engineOf } from './endpoint.ts'

test.each([
  ['', { name: 'sqlite', file: undefined }],
  ['sqlite', { name: 'sqlite', file: undefined }],
  ['sqlite://', { name: 'sqlite', file: undefined }],
  ['sqlite:///data/state.db?_journal=WAL', { name: 'sqlite', file: '/data/state.db' }],
  ['postgres://u:p@h/db', { name: 'postgres', source: 'u:p@h/db' }],
  ['postgresql://', { name: 'postgres', source: '' }],
  ['mysql://u:p@tcp(h:3306)/db', { name: 'mysql', source: 'u:p@tcp(h:3306)/db' }],
  ['http://127.0.0.1:2379', { name: 'etcd', endpoints: ['http://127.0.0.1:2379'] }],
  [
    'https://a:2379,https://[::1]:2379/, https://c',
    { name: 'etcd', endpoints: ['https://a:2379', 'https://[::1]:2379', 'https://c:443'] },
  ],
])('%s', (endpoint, engine) => {
  expect(engineOf(endpoint)).toEqual(engine)
})

test.each([
  ['localhost:5432', 'invalid --datastore-endpoint: want <scheme>://<address>'],
  ['nats://h', '--datastore-endpoint: unknown scheme nats://: want postgres://, mysql://'],
  ['https://a:2379,a:2380', 'invalid --datastore-endpoint "a:2380": want https://host:port'],
  ['https://a:2379/v3', 'invalid --datastore-endpoint "https://a:2379/v3"'],
  ['https://a:port', 'invalid --datastore-endpoint "https://a:port"'],
])('%s is refused', (endpoint, message) => {
  expect(() => engineOf(endpoint)).toThrow(EndpointError)
  expect(() => engineOf(endpoint)).toThrow(message)
})
