import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { watchFolders } from './watch-folders.ts'

test('a burst of changes is told once, and none after the end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watch-'))
  const stop = new AbortController()
  let [told, tell] = [0, () => {}]
  const next = () => new Promise<void>(resolve => (tell = resolve))
  const changed = () => {
    told++
    tell()
  }
  watchFolders([folder, join(folder, 'none')], 30, changed, stop.signal)
  const first = next()
  for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, name), name)
  await first
  const second = next()
  writeFileSync(join(folder, 'd'), 'd')
  await second
  expect(told).toBe(2)
  stop.abort()
  watchFolders([folder], 0, changed, stop.signal)
  const other = new AbortController()
  const elsewhere = new Promise<void>(resolve => watchFolders([folder], 0, resolve, other.signal))
  writeFileSync(join(folder, 'e'), 'e')
  await elsewhere
  other.abort()
  expect(told).toBe(2)
  rmSync(folder, { recursive: true })
})
