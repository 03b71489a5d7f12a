import { describe, expect, test } from '@jest/globals'
import { diff } from './diff.ts'
import type { Backend, Plane, Server } from './plane.ts'
import { assign, assignAll, slotsFor } from './slots.ts'

const server = (port: number, more: Partial<Server> = {}): Server => ({
  address: '10.0.0.1',
  port,
  weight: 1,
  state: 'ready',
  ...more,
})
const backend = (servers: readonly Server[], lines: readonly string[] = []): Backend => ({
  name: 'web',
  lines: lines.map(text => ({ text })),
  serverOptions: '',
  servers,
  owner: undefined,
})
const plane = (part: Partial<Plane> = {}, servers: readonly Server[] = [server(1)]): Plane => ({
  head: [{ text: 'global' }],
  backends: new Map([['web', backend(servers)]]),
  maps: new Map([['web.prefix', new Map([['a/', 'web|1|0']])]]),
  certificates: [{ file: 'default.pem', pem: 'A\n', options: '', hosts: [] }],
  files: new Map(),
  ...part,
})

function commands(before: Plane, after: Plane): string[] {
  const change = diff(before, assignAll(before, undefined), after)
  if (change.type === 'reload') return [`reload: ${change.reason}`]
  return change.type === 'none'
    ? []
    : [...change.commands.map(({ line }) => line), ...change.maps.map(({ name }) => `map ${name}`)]
}

describe('the smallest change', () => {
  const old = plane()
  const cases: [string, Plane, string[]][] = [
    ['nothing', plane(), []],
    [
      'a new endpoint',
      plane({}, [server(1), server(2)]),
      ['set server web/s2 addr 10.0.0.1 port 2', 'set server web/s2 weight 1', 'set server web/s2 state ready'],
    ],
    ['an endpoint gone', plane({}, []), ['set server web/s1 state maint']],
    [
      'another endpoint, in a slot of its own',
      plane({}, [server(2)]),
      [
        'set server web/s1 state maint',
        'set server web/s2 addr 10.0.0.1 port 2',
        'set server web/s2 weight 1',
        'set server web/s2 state ready',
      ],
    ],
    ['an endpoint that drains', plane({}, [server(1, { state: 'draining' })]), ['set server web/s1 weight 0']],
    ['another weight', plane({}, [server(1, { weight: 9 })]), ['set server web/s1 weight 9']],
    ['a route', plane({ maps: new Map([['web.prefix', new Map([['b/', 'web|1|0']])]]) }), ['map maps/web.prefix']],
    [
      'another certificate',
      plane({ certificates: [{ file: 'default.pem', pem: 'B\n', options: '', hosts: [] }] }),
      ['set ssl cert certs/default.pem', 'commit ssl cert certs/default.pem'],
    ],
    [
      'a new certificate',
      plane({
        certificates: [...old.certificates, { file: 'x.pem', pem: 'X\n', options: 'alpn h2', hosts: ['x.org'] }],
      }),
      [
        'new ssl cert certs/x.pem',
        'set ssl cert certs/x.pem',
        'commit ssl cert certs/x.pem',
        'add ssl crt-list certs/list',
      ],
    ],
    [
      'a new backend',
      plane({ backends: new Map([...old.backends, ['new', { ...backend([]), name: 'new' }]]) }),
      ['reload: backend new is new'],
    ],
    ['a backend gone', plane({ backends: new Map() }), []],
    [
      'other rules',
      plane({ backends: new Map([['web', backend([server(1)], ['  retries 1'])]]) }),
      ['reload: backend web has changed'],
    ],
    ['another head', plane({ head: [{ text: 'global ' }] }), ['reload: frontends have changed']],
    [
      'more endpoints than slots',
      plane(
        {},
        Array.from({ length: 9 }, (_, index) => server(index + 1)),
      ),
      ['reload: backend web needs more slots'],
    ],
  ]
  test.each(cases)('%s', (_, after, wanted) => expect(commands(old, after)).toEqual(wanted))

  test('a certificate gone', () => {
    const more = plane({
      certificates: [...old.certificates, { file: 'x.pem', pem: 'X\n', options: '', hosts: ['x.org'] }],
    })
    expect(commands(more, old)).toEqual(['del ssl crt-list certs/list certs/x.pem', 'del ssl cert certs/x.pem'])
  })

  test('a large map travels in parts, a large certificate by reload', () => {
    const large = new Map(
      Array.from({ length: 2000 }, (_, index): [string, string] => [`host${index}.example.com/`, 'web|1|0']),
    )
    const change = diff(old, assignAll(old, undefined), plane({ maps: new Map([['web.prefix', large]]) }))
    const [map] = change.type === 'patch' ? change.maps : []
    expect(map!.chunks.length).toBeGreaterThan(1)
    expect(Math.max(...map!.chunks.map(chunk => chunk.length))).toBeLessThan(16_384)
    expect(map!.chunks.join('').split('\n').length - 1).toBe(2000)
    const certificates = [{ file: 'default.pem', pem: 'A'.repeat(20_000), options: '', hosts: [] }]
    expect(commands(old, plane({ certificates }))).toEqual(['reload: a certificate is too large for the socket'])
  })
})

describe('slots', () => {
  test('there is room for as many again', () => expect([0, 1, 4, 5, 100].map(slotsFor)).toEqual([8, 8, 8, 16, 256]))

  test('an endpoint keeps its slot; a new one takes one that was empty before one that was just left', () => {
    const before = [server(1), server(2), undefined, undefined]
    const ports = (servers: readonly Server[]) => assign(before, servers)?.map(slot => slot?.port ?? 0)
    expect(ports([server(2), server(1)])).toEqual([1, 2, 0, 0])
    expect(ports([server(2), server(3)])).toEqual([0, 2, 3, 0])
    expect(ports([server(3), server(4), server(5)])).toEqual([5, 0, 3, 4])
    expect(ports([server(1), server(2), server(3), server(4), server(5)])).toBeUndefined()
  })
})
