import { expect, test } from '@jest/globals'
import { findCycle, lostNames, violation } from './check-imports.ts'

const edge = (from: string, to: string, typeOnly = false) => ({ from, to, typeOnly })

test.each([
  ['operators/addon/a.ts', 'operators/helm/b.ts'],
  ['operators/core/scheduler/a.ts', 'operators/core/workloads/b.ts'],
  ['operators/addon/a.ts', 'bootstrap/apiserver/server.ts'],
  ['bootstrap/agent/agent.ts', 'bootstrap/apiserver/server.ts'],
  ['bootstrap/apiserver/server.ts', 'bootstrap/agent/agent.ts'],
  ['bootstrap/server.ts', 'operators/index.ts'],
  ['bootstrap/client/client.ts', 'bootstrap/datastore/datastore.ts'],
])('%s may not import %s', (from, to) => {
  expect(violation(edge(from, to))).toBeDefined()
})

test.each([
  ['operators/addon/a.ts', 'operators/runtime/operator.ts'],
  ['operators/addon/a.ts', 'bootstrap/client/client.ts'],
  ['operators/addon/a.ts', 'bootstrap/api/object.ts'],
  ['bootstrap/server.ts', 'bootstrap/agent/agent.ts'],
  ['skiff.ts', 'operators/index.ts'],
  ['operators/index.ts', 'operators/addon/a.ts'],
])('%s may import %s', (from, to) => {
  expect(violation(edge(from, to))).toBeUndefined()
})

test('a cycle of values is found, one of types is none', () => {
  expect(findCycle([edge('a', 'b'), edge('b', 'c'), edge('c', 'a')])).toEqual(['a', 'b', 'c', 'a'])
  expect(findCycle([edge('a', 'b'), edge('b', 'a', true)])).toBeUndefined()
})

test('names of packages are not taken out of dynamic imports', () => {
  expect(lostNames("const { parse } = await import('yaml')\n  const { a, b } = await import('@scope/name')")).toEqual([
    'yaml',
    '@scope/name',
  ])
  expect(lostNames("const { default: pg } = await import('pg'); const { a } = await import('./a.ts')")).toEqual([])
  expect(lostNames("const { request } = await import('node:http')")).toEqual([])
})
