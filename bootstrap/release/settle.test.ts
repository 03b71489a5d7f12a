import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { settle } from './settle.ts'

const now = Date.UTC(2026, 0, 1)
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(letter => letter.repeat(64)) as [string, string, string, string]
let data: string

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'skiff-settle-'))
})
afterEach(() => rmSync(data, { recursive: true }))

/** As head.sh leaves it: unpacked beside what it is to become. */
function unpack(hash: string, text = hash): string {
  const temporary = join(data, `.${hash}.1`)
  mkdirSync(join(temporary, 'bin'), { recursive: true })
  writeFileSync(join(temporary, 'bin/node'), text)
  writeFileSync(join(temporary, 'checksums'), `${createHash('sha256').update(hash).digest('hex')}  bin/node\n`)
  return temporary
}

const install = (hash: string) => settle({ temporary: unpack(hash), data, hash }, now)
const releases = () => readdirSync(data).filter(name => /^[a-d]{64}$/.test(name))

test('takes its name; the links say which is current and which was', async () => {
  await install(a)
  expect(readdirSync(data).sort()).toEqual([a, 'current'])
  await install(b)
  expect(readlinkSync(join(data, 'current'))).toBe(join(data, b))
  expect(readlinkSync(join(data, 'previous'))).toBe(join(data, a))
})

test('keeps the current and the previous release, and those that programs run from', async () => {
  await install(a)
  copyFileSync('/bin/sleep', join(data, a, 'bin/node'))
  const running = spawn(join(data, a, 'bin/node'), ['1000'])
  try {
    await once(running, 'spawn')
    for (const hash of [b, c, d]) await install(hash)
    expect(releases()).toEqual([a, c, d])
  } finally {
    running.kill('SIGKILL')
  }
})

test('removes what broken-off starts left, when it is old', async () => {
  const [old, recent] = [join(data, `.${b}.7`), join(data, `.${b}.8`)]
  for (const path of [old, recent, join(data, 'cni')]) mkdirSync(path)
  utimesSync(old, now / 1000 - 7200, now / 1000 - 7200)
  utimesSync(recent, now / 1000 - 60, now / 1000 - 60)
  await install(a)
  expect([old, recent, join(data, 'cni')].map(existsSync)).toEqual([false, true, true])
})

test('leaves what another process has unpacked meanwhile', async () => {
  await install(a)
  const late = unpack(a)
  await settle({ temporary: late, data, hash: a }, now)
  expect(existsSync(late)).toBe(true) // head.sh removes it
  expect(existsSync(join(data, 'previous'))).toBe(false)
})

test('refuses damaged files before anything has changed', async () => {
  symlinkSync('elsewhere', join(data, 'current'))
  const temporary = unpack(a, 'something else')
  await expect(settle({ temporary, data, hash: a }, now)).rejects.toThrow('bin/node is damaged')
  expect(existsSync(join(data, a))).toBe(false)
  expect(readlinkSync(join(data, 'current'))).toBe('elsewhere')
})
