import { expect, test } from '@jest/globals'
import { isSchedule, isSnapshotName } from './snapshot-settings.ts'

test.each([
  '0 */12 * * *',
  '0 0,12 * * 1-5',
  '*/5 * ? * SUN',
  '@daily',
  '@every 6h',
  '59 23 31 12 7',
  '0 0 1 jan-mar *',
])('%s is a schedule', text => expect(isSchedule(text)).toBe(true))

test.each([
  '',
  '* * * *',
  '0 0 * * * *',
  '60 * * * *',
  '* 24 * * *',
  '* * 0 * *',
  '* * * 13 *',
  '5-1 * * * *',
  '*/0 * * * *',
  '@sometimes',
  '@every soon',
  'a b c d e',
])('%p is none', text => expect(isSchedule(text)).toBe(false))

test('a name is the beginning of a plain file name', () => {
  for (const name of ['etcd-snapshot', 'before upgrade', 'v1.36']) expect(isSnapshotName(name)).toBe(true)
  for (const name of ['', '../x', 'a/b', '.hidden', 'x'.repeat(300)]) expect(isSnapshotName(name)).toBe(false)
})
