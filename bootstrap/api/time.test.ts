import { expect, test } from '@jest/globals'
import { ageText, formatDuration, humanDuration, parseDuration, parseTime, rfc3339, rfc3339Micro } from './time.ts'

const moment = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

test('points in time', () => {
  expect(rfc3339(moment)).toBe('2026-01-02T03:04:05Z')
  expect(rfc3339Micro(moment)).toBe('2026-01-02T03:04:05.678000Z')
  expect(rfc3339Micro(moment + 0.5)).toBe('2026-01-02T03:04:05.678500Z')
  expect(parseTime('2026-01-02T03:04:05.678000Z')).toBe(moment)
  expect(parseTime('2026-01-02T04:04:05+01:00')).toBe(moment - 678)
  for (const bad of [undefined, null, '', '2026-01-02', 'yesterday', '2026-13-02T03:04:05Z']) {
    expect(parseTime(bad)).toBeUndefined()
  }
})

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
test.each([
  [-5 * second, '<invalid>'],
  [-second, '0s'],
  [0, '0s'],
  [119 * second, '119s'],
  [2 * minute, '2m'],
  [9 * minute + 5 * second, '9m5s'],
  [10 * minute + 5 * second, '10m'],
  [179 * minute, '179m'],
  [3 * hour, '3h'],
  [7 * hour + 59 * minute, '7h59m'],
  [47 * hour, '47h'],
  [48 * hour, '2d'],
  [7 * day + 3 * hour, '7d3h'],
  [8 * day + 3 * hour, '8d'],
  [730 * day, '2y'],
  [800 * day, '2y70d'],
  [3000 * day, '8y'],
])('%d ms reads %s', (ms, text) => {
  expect(humanDuration(ms)).toBe(text)
})

test('ages', () => {
  expect(ageText('2026-01-02T03:04:05Z', moment + 5000)).toBe('5s')
  expect(ageText(undefined, moment)).toBe('<unknown>')
})

test.each([
  ['0s', 0],
  ['1h30m0s', 5_400_000],
  ['1.5s', 1500],
  ['100ms', 100],
  ['1µs', 0.001],
  ['20ns', 0.00002],
  ['-2m0s', -120_000],
])('duration %s', (text, ms) => {
  expect(parseDuration(text)).toBeCloseTo(ms, 9)
  expect(formatDuration(ms)).toBe(text)
})

test('other duration texts', () => {
  expect(parseDuration('90m')).toBe(5_400_000)
  expect(parseDuration('0')).toBe(0)
  for (const bad of ['', '5', 's', '1d', '1h-', 'h1']) expect(parseDuration(bad)).toBeUndefined()
})
