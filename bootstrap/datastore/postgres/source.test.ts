import { expect, test } from '@jest/globals'
import { EndpointError } from '../endpoint.ts'
import { describe as describeSource, readSource } from './source.ts'

const base = {
  hosts: [{ host: 'localhost', port: 5432 }],
  user: 'postgres',
  password: undefined,
  database: 'kubernetes',
  schema: undefined,
}

test.each([
  ['', { password: 'postgres' }],
  ['u:p@h/db', { hosts: [{ host: 'h', port: 5432 }], user: 'u', password: 'p', database: 'db' }],
  ['u:p%40s@h:6543/Db', { hosts: [{ host: 'h', port: 6543 }], user: 'u', password: 'p@s', database: 'db' }],
  ['u:p@s:s@h', { hosts: [{ host: 'h', port: 5432 }], user: 'u', password: 'p@s:s' }],
  ['u:100%@[::1]:1/', { hosts: [{ host: '::1', port: 1 }], user: 'u', password: '100%' }],
  [
    'u@a:1,b/x?sslmode=disable&search_path=s',
    {
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 5432 },
      ],
      user: 'u',
      database: 'x',
      schema: 's',
      tls: undefined,
    },
  ],
  [
    '/x?host=/run/postgresql&user=u&port=5433',
    { hosts: [{ host: '/run/postgresql', port: 5433 }], user: 'u', database: 'x' },
  ],
])('postgres://%s', (source, wanted) => {
  expect(readSource(source, {})).toMatchObject({ ...base, ...wanted })
})

test.each(['u:p@h:x/db', 'u:p@h:70000/db', 'u:p@[::1/db', 'u:p@h/db?sslmode=maybe', 'u:p@h/db?sslrootcert=/nowhere'])(
  'postgres://%s is refused',
  source => {
    expect(() => readSource(source, {})).toThrow(EndpointError)
  },
)

test.each([
  ['', {}, { required: false, options: { rejectUnauthorized: false } }],
  ['sslmode=require', {}, { required: true, options: { rejectUnauthorized: false } }],
  ['sslmode=verify-ca', {}, { required: true, options: { rejectUnauthorized: true } }],
  ['sslmode=verify-full', {}, { required: true, options: { rejectUnauthorized: true } }],
  ['', { ca: 'CA' }, { required: true, options: { rejectUnauthorized: true, ca: 'CA' } }],
  ['sslmode=require', { ca: 'CA' }, { required: true, options: { rejectUnauthorized: true, ca: 'CA' } }],
  ['', { cert: 'C', key: 'K' }, { required: true, options: { rejectUnauthorized: true, cert: 'C', key: 'K' } }],
])('?%s with %p', (query, files, tls) => {
  const found = readSource(`h/db?${query}`, files).tls
  expect(found).toMatchObject(tls)
  // Only verify-full asks whose certificate it is.
  const full = query.includes('verify-full') || query === ''
  expect(found?.options.checkServerIdentity === undefined).toBe(full && tls.required)
})

test('a description has no password', () => {
  expect(describeSource(readSource('u:secret@a:1,[::1]:2/db', {}))).toBe('PostgreSQL a:1,[::1]:2/db')
})
