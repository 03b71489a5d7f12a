import { describe, expect, test } from '@jest/globals'
import { History } from './history.ts'
import { type Behavior, bounded, boundedByRules, stabilized, stabilizedByRules } from './limits.ts'

const now = 1_000_000_000
const second = 1000

test.each([
  [1, 10, 4, 'ScaleUpLimit'],
  [3, 10, 6, 'ScaleUpLimit'],
  [8, 12, 10, 'TooManyReplicas'],
  [5, 1, 2, 'TooFewReplicas'],
  [5, 6, 6, 'DesiredWithinRange'],
])('from %i to %i without a behavior: %i, %s', (current, desired, replicas, reason) => {
  expect(bounded({ current, desired, min: 2, max: 10 })).toMatchObject({ replicas, reason })
})

test('shrinking waits for the window', () => {
  const history = new History()
  expect(stabilized(history, 8, 300 * second, now).replicas).toBe(8)
  expect(stabilized(history, 3, 300 * second, now + 200 * second).replicas).toBe(8)
  expect(stabilized(history, 2, 300 * second, now + 400 * second).replicas).toBe(3)
  expect(history.recommendations).toHaveLength(2)
})

const rules = (policies: [string, number, number][], more = {}) => ({
  policies: policies.map(([type, value, periodSeconds]) => ({ type, value, periodSeconds })),
  selectPolicy: 'Max',
  stabilizationWindowSeconds: 0,
  ...more,
})
const behavior = (up: Behavior['scaleUp'], down: Behavior['scaleDown'] = rules([['Percent', 100, 15]])): Behavior => ({
  scaleUp: up,
  scaleDown: down,
})

describe('policies', () => {
  const wanted = (current: number, desired: number) => ({ current, desired, min: 1, max: 100 })
  const table: [string, Behavior, number, number, number, string][] = [
    [
      'the larger of two',
      behavior(
        rules([
          ['Pods', 4, 15],
          ['Percent', 100, 15],
        ]),
      ),
      10,
      50,
      20,
      'ScaleUpLimit',
    ],
    [
      'the smaller of two',
      behavior(
        rules(
          [
            ['Pods', 4, 15],
            ['Percent', 100, 15],
          ],
          { selectPolicy: 'Min' },
        ),
      ),
      10,
      50,
      14,
      'ScaleUpLimit',
    ],
    ['none', behavior(rules([['Pods', 4, 15]], { selectPolicy: 'Disabled' })), 10, 50, 10, 'ScaleUpLimit'],
    ['percent is rounded up', behavior(rules([['Percent', 5, 15]])), 3, 50, 4, 'ScaleUpLimit'],
    ['down by pods', behavior(rules([]), rules([['Pods', 2, 15]])), 10, 1, 8, 'ScaleDownLimit'],
    ['down by percent', behavior(rules([]), rules([['Percent', 25, 15]])), 10, 1, 7, 'ScaleDownLimit'],
    [
      'down by the smaller',
      behavior(
        rules([]),
        rules(
          [
            ['Pods', 2, 15],
            ['Percent', 50, 15],
          ],
          { selectPolicy: 'Min' },
        ),
      ),
      10,
      1,
      8,
      'ScaleDownLimit',
    ],
    ['the maximum is nearer', behavior(rules([['Pods', 400, 15]])), 10, 500, 100, 'TooManyReplicas'],
  ]
  test.each(table)('%s', (_, given, current, desired, replicas, reason) => {
    expect(boundedByRules(new History(), wanted(current, desired), given, now)).toMatchObject({ replicas, reason })
  })

  test('what was done within the period counts', () => {
    const history = new History()
    const given = behavior(rules([['Pods', 4, 60]]))
    history.scaled(10, 13, now - 30 * second, 60 * second)
    expect(boundedByRules(history, wanted(13, 50), given, now).replicas).toBe(14)
    expect(boundedByRules(history, wanted(13, 50), given, now + 40 * second).replicas).toBe(17)
  })
})

test('windows of a behavior hold both ways', () => {
  const history = new History()
  const given = behavior(rules([], { stabilizationWindowSeconds: 60 }), rules([], { stabilizationWindowSeconds: 300 }))
  const look = (current: number, desired: number, at: number) =>
    stabilizedByRules(history, { current, desired, min: 1, max: 100 }, given, now + at * second)
  look(5, 5, 0)
  expect(look(5, 9, 30)).toMatchObject({ replicas: 5, reason: 'ScaleUpStabilized' })
  expect(look(5, 9, 70)).toMatchObject({ replicas: 9 })
  expect(look(9, 2, 100)).toMatchObject({ replicas: 9, reason: 'ScaleDownStabilized' })
  expect(look(9, 2, 500)).toMatchObject({ replicas: 2 })
})
