import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Applier } from './applier.ts'
import { configName } from './files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-applier-'))
  mkdirSync(join(folder, 'current'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Whether what an earlier life listened at is served again at these addresses. */
async function inherits(addresses: readonly string[]): Promise<boolean> {
  let loads = 0
  const applier = new Applier({
    folder,
    send: async () => '',
    load: async () => void loads++,
    check: async () => ({ ok: true }) as never,
    log: () => {},
    now: () => 0,
  })
  const inherited = await applier.inherit(addresses)
  expect([applier.serving, loads]).toEqual([inherited, inherited ? 1 : 0])
  return inherited
}

test('the configuration of an earlier life serves until the cluster is read, unless the pod has another address', async () => {
  expect(await inherits(['10.42.0.7'])).toBe(false)
  const lines = [
    'frontend ping',
    '  bind 10.42.0.7:8080',
    'frontend web',
    '  bind 10.42.0.7:8000',
    '  bind [fd00::7]:8000 ssl',
  ]
  writeFileSync(join(folder, 'current', configName), lines.join('\n'))
  expect(await inherits(['10.42.0.7', 'fd00::7'])).toBe(true)
  expect(await inherits(['10.42.0.8', 'fd00::7'])).toBe(false)
  expect(await inherits(['10.42.0.7'])).toBe(false)
})
