import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Payload, writeAtomically } from './atomic-writer.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'skiff-atomic-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const payload = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { content: Buffer.from(text), mode }]))
const visible = () => readdirSync(directory).filter(name => !name.startsWith('..'))
const hidden = () => readdirSync(directory).filter(name => name.startsWith('..') && name !== '..data')
const read = (path: string) => readFileSync(join(directory, path), 'utf8')

test('files appear through ..data with their modes', async () => {
  expect(await writeAtomically(directory, payload({ a: '1', 'dir/b': '2' }, 0o400))).toBe(true)
  expect(visible().sort()).toEqual(['a', 'dir'])
  expect([read('a'), read('dir/b')]).toEqual(['1', '2'])
  expect(readlinkSync(join(directory, 'a'))).toBe('..data/a')
  expect(statSync(join(directory, 'a')).mode & 0o777).toBe(0o400)
})

test('a change swaps the directory, drops old names and leaves one generation', async () => {
  await writeAtomically(directory, payload({ a: '1', gone: 'x' }))
  const before = readlinkSync(join(directory, '..data'))
  expect(await writeAtomically(directory, payload({ a: '2', added: 'y' }))).toBe(true)
  expect(readlinkSync(join(directory, '..data'))).not.toBe(before)
  expect(visible().sort()).toEqual(['a', 'added'])
  expect(read('a')).toBe('2')
  expect(hidden()).toHaveLength(1)
})

test.each([
  ['equal content', { a: '1' }, 0o644, false],
  ['other content', { a: '2' }, 0o644, true],
  ['a wider mode', { a: '1' }, 0o666, true],
  ['a removed file', {}, 0o644, true],
])('%s', async (_, files, mode, changed) => {
  await writeAtomically(directory, payload({ a: '1' }))
  expect(await writeAtomically(directory, payload(files as Record<string, string>, mode))).toBe(changed)
})
