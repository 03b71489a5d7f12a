import { expect, test } from '@jest/globals'
import { after, healthValue, type ServerEvent, type ServerState } from './server-state.ts'

const now = 1000

test.each<[ServerState['kind'], ServerEvent, ServerState['kind']]>([
  ['unchecked', 'connected', 'active'],
  ['unchecked', 'failed', 'failed'],
  ['unchecked', 'checked', 'healthy'],
  ['failed', 'checked', 'recovering'],
  ['failed', 'connected', 'active'],
  ['recovering', 'checked', 'preferred'],
  ['recovering', 'failed', 'failed'],
  ['healthy', 'checked', 'healthy'],
  ['active', 'checked', 'active'],
  ['active', 'succeeded', 'healthy'],
  ['active', 'failed', 'failed'],
  ['failed', 'succeeded', 'failed'],
  ['standby', 'connected', 'standby'],
  ['standby', 'failed', 'standby'],
])('%s and %s make %s', (kind, event, expected) => {
  expect(after({ kind } as ServerState, event, now).kind).toBe(expected)
})

test('a server is preferred for a minute', () => {
  const preferred = after({ kind: 'recovering' }, 'checked', now)
  expect(after(preferred, 'checked', now + 59_000)).toEqual(preferred)
  expect(after(preferred, 'checked', now + 61_000).kind).toBe('healthy')
})

test('K3s orders the states like this', () => {
  const kinds = ['failed', 'standby', 'unchecked', 'recovering', 'healthy', 'preferred', 'active'] as const
  expect(kinds.map(kind => healthValue({ kind } as ServerState))).toEqual([1, 2, 3, 4, 5, 6, 7])
})
