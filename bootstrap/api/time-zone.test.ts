import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { timeZone, utc, zonedTimestamp } from './time-zone.ts'

test.each(['America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/Sao_Paulo', 'UTC'])(
  'where the process is in %s, its own zone is that',
  name => {
    // A process has one zone, so each has its own.
    const program = `
      import { systemZone as own, timeZone } from ${JSON.stringify(join(import.meta.dirname, 'time-zone.ts'))}
      const named = timeZone(${JSON.stringify(name)})
      const apart = []
      for (let ms = Date.UTC(2018, 0); ms < Date.UTC(2019, 0); ms += 900_000) {
        const local = named.local(ms)
        if (own.local(ms) !== local || own.instant(local) !== named.instant(local)) apart.push(ms)
      }
      console.log(own.name, apart.length)`
    const environment = { ...process.env, TZ: name }
    const node = [process.execPath, ['--input-type=module-typescript', '-e', program], { env: environment }] as const
    expect(execFileSync(...node).toString()).toBe('Local 0\n')
  },
)

test('names no zone that is none', () => {
  expect([timeZone('Nowhere/City'), timeZone('+01:00'), timeZone('')]).toEqual([undefined, undefined, undefined])
})

test.each([
  ['Asia/Kolkata', '2026-01-01T05:30:00+05:30'],
  ['America/St_Johns', '2025-12-31T20:30:00-03:30'],
  ['UTC', '2026-01-01T00:00:00Z'],
])('a time of %s is written with its offset', (name, expected) => {
  expect(zonedTimestamp(Date.UTC(2026, 0), timeZone(name) ?? utc)).toBe(expected)
})
