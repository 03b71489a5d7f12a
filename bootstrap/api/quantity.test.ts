import { expect, test } from '@jest/globals'
import { parseQuantity, Quantity, tryParseQuantity } from './quantity.ts'

test.each([
  ['0', '0'],
  ['0.5', '500m'],
  ['1', '1'],
  [2, '2'],
  [0.25, '250m'],
  ['100m', '100m'],
  ['1000m', '1'],
  ['1500', '1500'],
  ['2000', '2k'],
  ['1024Mi', '1Gi'],
  ['1.5Gi', '1536Mi'],
  ['0.5Ki', '512'],
  ['1.1Ki', '1126400m'],
  ['1Ei', '1Ei'],
  ['2e3', '2e3'],
  ['1E3', '1e3'],
  ['1E', '1E'],
  ['12e-1', '1200e-3'],
  ['-1.5', '-1500m'],
  ['+3', '3'],
  ['.5', '500m'],
  ['5.', '5'],
  ['0.0000000001', '1n'],
  ['129e6', '129e6'],
  ['100000k', '100M'],
  ['9223372036854775808', '9223372036854775807'],
])('%j is canonically %s', (text, canonical) => {
  expect(parseQuantity(text).toString()).toBe(canonical)
})

test.each([
  ['', 'quantities must match'],
  ['.', 'quantities must match'],
  ['x', 'quantities must match'],
  ['1 Gi', 'quantities must match'],
  ['1.2.3', 'quantities must match'],
  ['1Kib', 'quantities must match'],
  ['1mm', "unable to parse quantity's suffix"],
  ['1Gi5', "unable to parse quantity's suffix"],
  ['1e', "unable to parse quantity's suffix"],
])('%j is refused', (text, message) => {
  expect(() => parseQuantity(text)).toThrow(message)
  expect(tryParseQuantity(text)).toBeUndefined()
})

test('values round away from zero', () => {
  expect(parseQuantity('1500m').value()).toBe(2)
  expect(parseQuantity('-1500m').value()).toBe(-2)
  expect(parseQuantity('1u').milliValue()).toBe(1)
  expect(parseQuantity('1Gi').value()).toBe(1_073_741_824)
  expect(parseQuantity('100u').roundUpToMilli().toString()).toBe('1m')
})

test('arithmetic keeps the first format, or takes the second when the first is zero', () => {
  expect(parseQuantity('1Gi').add(parseQuantity('1Gi')).toString()).toBe('2Gi')
  expect(Quantity.zero.add(parseQuantity('1Gi')).toString()).toBe('1Gi')
  expect(parseQuantity('1').sub(parseQuantity('250m')).toString()).toBe('750m')
  expect(parseQuantity('1').compare(parseQuantity('1000m'))).toBe(0)
  expect(parseQuantity('1Mi').compare(parseQuantity('1M'))).toBe(1)
  expect(JSON.stringify({ cpu: Quantity.ofMilli(1500), pods: Quantity.of(3) })).toBe('{"cpu":"1500m","pods":"3"}')
})
