import { describe, expect, test } from '@jest/globals'
import type { Match, PathMatch, Router } from '../model/model.ts'
import { tablesOf as tablesInSteps } from './matching.ts'

function tablesOf(...given: Parameters<typeof tablesInSteps>) {
  const steps = tablesInSteps(...given)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

const path = (type: PathMatch['type'], value: string): PathMatch => ({ type, value })
const router = (name: string, matches: readonly Match[], priority = 10): Router => ({
  name,
  owner: { apiVersion: 'v1', kind: 'Ingress', metadata: { namespace: 'default', name } },
  entryPoints: ['web'],
  matches,
  priority,
  rank: 0,
  target: { type: 'answer', status: 503, filters: [] },
})
const simple = (host: string | undefined, at: PathMatch): Match => ({ type: 'simple', host, path: at })
const routed = (...routers: readonly Router[]) => routers.map(item => ({ router: item, backend: item.name }))

describe('tables of an entry point', () => {
  test('keys by host and path', () => {
    const matches = [
      simple('A.org', path('segments', '/')),
      simple('a.org', path('segments', '/x')),
      simple('a.org', path('segments', '/y/')),
      simple('a.org', path('text', '/z')),
      simple('*.a.org', path('exact', '/e')),
      simple(undefined, path('segments', '/any')),
    ]
    const { prefix, exact } = tablesOf(routed(router('r', matches)), () => {})
    expect([...prefix.keys()]).toEqual(['a.org/', 'a.org/x/', 'a.org/y/', 'a.org/z', '*/any/'])
    expect([...exact]).toEqual([['*.a.org/e', 'r|10|0']])
  })

  test('the older of two equals wins, a higher priority beats both', () => {
    const lost: string[] = []
    const same = [simple('a', path('segments', '/'))]
    const tables = tablesOf(
      routed(router('old', same), router('new', same), router('high', same, 11)),
      (loser, winner) => lost.push(`${loser.name} to ${winner.name}`),
    )
    expect([...tables.prefix]).toEqual([['a/', 'high|11|0']])
    expect(lost).toEqual(['new to old', 'old to high'])
  })

  test('rules come by priority and only beat what is lower', () => {
    const rule = (name: string, priority: number) =>
      router(name, [{ type: 'conditions', all: [{ negated: true, test: { type: 'method', value: 'get' } }] }], priority)
    const { rules } = tablesOf(routed(rule('low', 1), rule('high', 5)), () => {})
    expect(rules.map(({ text }) => text.trim())).toEqual([
      "acl t1 method 'GET'",
      'http-request set-var(txn.route) str(high|5|9007199254740991) if !t1 !{ var(txn.route),field(2,|) -m int ge 5 }',
      'http-request set-var(txn.route) str(low|1|9007199254740991) if !t1 !{ var(txn.route),field(2,|) -m int ge 1 }',
    ])
  })

  test('paths that no map can hold are refused', () =>
    expect(() => tablesOf(routed(router('r', [simple('a', path('exact', '/a b'))])), () => {})).toThrow(
      'contains a space',
    ))
})
