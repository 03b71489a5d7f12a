import { expect, test } from '@jest/globals'
import { serverFlags } from './flags.ts'
import { ConfigError, parseFlags } from './parse.ts'
import { isSnapshotName, snapshotSettings } from './snapshot-settings.ts'

const settings = (...args: string[]) => snapshotSettings(parseFlags(serverFlags, [], args, {}), '/data')

test.each(['0 0,12 * * 1-5', '*/5 * ? * SUN', '@daily', '@every 6h', ' @hourly ', 'CRON_TZ=Europe/Berlin 0 3 * * *'])(
  'snapshots may be taken at %j',
  schedule => expect(settings('--etcd-snapshot-schedule-cron', schedule).schedule).toBe(schedule.trim()),
)

test('a schedule that is none is refused, unless no snapshots are taken', () => {
  const never = ['--etcd-snapshot-schedule-cron', '0 0 * * 7']
  expect(() => settings(...never)).toThrow(
    new ConfigError(
      'invalid --etcd-snapshot-schedule-cron "0 0 * * 7": end of range (7) above maximum (6): 7: want minute, hour, day of month, month and day of week, such as "0 */12 * * *", or "@every 6h"',
    ),
  )
  expect(settings(...never, '--etcd-disable-snapshots').disabled).toBe(true)
})

test('a name is the beginning of a plain file name', () => {
  for (const name of ['etcd-snapshot', 'before upgrade', 'v1.36']) expect(isSnapshotName(name)).toBe(true)
  for (const name of ['', '../x', 'a/b', '.hidden', 'x'.repeat(300)]) expect(isSnapshotName(name)).toBe(false)
})
