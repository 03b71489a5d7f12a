import { expect, test } from '@jest/globals'
import { type Condition, setCondition, withoutCondition } from './conditions.ts'

const at = Date.parse('2026-01-01T00:00:00Z')
const ready = (status: string, reason = 'R'): Condition => ({ type: 'Ready', status, reason, message: 'm' })

test('a transition is a change of status, nothing else', () => {
  const first = setCondition([], ready('False'), at)
  expect(first).toEqual([{ ...ready('False'), lastTransitionTime: '2026-01-01T00:00:00Z' }])
  expect(setCondition(first, ready('False'), at + 5000)).toBe(first)
  const reasoned = setCondition(first, ready('False', 'Other'), at + 5000)
  expect(reasoned[0]).toMatchObject({ reason: 'Other', lastTransitionTime: '2026-01-01T00:00:00Z' })
  expect(setCondition(reasoned, ready('True'), at + 5000)[0]).toMatchObject({
    status: 'True',
    lastTransitionTime: '2026-01-01T00:00:05Z',
  })
})

test('other conditions stay where they are', () => {
  const other = { type: 'Other', status: 'True' }
  const both = setCondition([other, ready('False')], ready('True'), at)
  expect(both.map(({ type }) => type)).toEqual(['Other', 'Ready'])
  expect(withoutCondition(both, 'Ready')).toEqual([other])
})
