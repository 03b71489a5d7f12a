import { expect, test } from '@jest/globals'
import { parseWish } from './wish.ts'

test('defaults', () => {
  expect(parseWish({})).toEqual({
    ...{ name: 'dev', servers: 1, agents: 0, datastore: 'sqlite' },
    ...{ flags: [], agentFlags: [], images: [], ports: [] },
  })
  expect(parseWish({ NODES: '3', AGENTS: '2', NAME: '' })).toMatchObject({
    servers: 3,
    agents: 2,
    datastore: 'embedded-etcd',
  })
  expect(parseWish({ SERVERS: '2', NODES: '9', DATASTORE: 'mysql' })).toMatchObject({ servers: 2, datastore: 'mysql' })
})

test('lists', () => {
  const { flags, ports } = parseWish({ FLAGS: ' --disable  coredns', PORTS: '8080:80 30000' })
  expect(flags).toEqual(['--disable', 'coredns'])
  expect(ports).toEqual([
    { host: 8080, cluster: 80 },
    { host: 30000, cluster: 30000 },
  ])
})

test.each([
  [{ NAME: 'My_Cluster' }, 'NAME=My_Cluster: lower case letters, digits and dashes, at most 22'],
  [{ NODES: 'many' }, 'NODES=many: a number'],
  [{ NODES: '0' }, 'NODES=0: a cluster needs a server'],
  [{ AGENTS: '100' }, 'at most 100 nodes'],
  [{ DATASTORE: 'oracle' }, 'DATASTORE=oracle: one of sqlite, embedded-etcd, etcd, postgres, mysql'],
  [
    { NODES: '2', DATASTORE: 'sqlite' },
    'DATASTORE=sqlite: a file serves one server; several need etcd, postgres or mysql',
  ],
  [{ PORTS: 'http' }, 'PORTS=http: HOST:NODE, e.g. 8080:80'],
])('%j is refused', (env, message) => {
  expect(() => parseWish(env)).toThrow(message)
})
