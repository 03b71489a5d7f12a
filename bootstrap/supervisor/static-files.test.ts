import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { ApiRequest, ApiResponse } from '../apiserver/http/message.ts'
import { staticFiles } from './static-files.ts'

const base = mkdtempSync(join(tmpdir(), 'skiff-static-'))
const folder = join(base, 'static')
beforeAll(() => {
  mkdirSync(join(folder, 'charts'), { recursive: true })
  writeFileSync(join(folder, 'charts/web 1.tgz'), 'chart')
  writeFileSync(join(base, 'secret'), 'secret')
  symlinkSync(join(base, 'secret'), join(folder, 'link'))
  symlinkSync(join(folder, 'charts/web 1.tgz'), join(folder, 'inside'))
})
afterAll(() => rmSync(base, { recursive: true }))

async function ask(path: string, more: Partial<ApiRequest> = {}): Promise<ApiResponse | undefined> {
  return staticFiles(folder)({ method: 'GET', path, headers: {}, ...more } as ApiRequest, undefined)
}

test('files, their type and age', async () => {
  const found = await ask('/static/charts/web%201.tgz')
  expect(found).toMatchObject({
    status: 200,
    headers: { 'content-type': 'application/gzip' },
    body: Buffer.from('chart'),
  })
  const age = { 'if-modified-since': String(found?.headers['last-modified']) }
  expect(await ask('/static/charts/web%201.tgz', { headers: age })).toMatchObject({ status: 304 })
  expect(await ask('/static/inside')).toMatchObject({ status: 200 })
})

test('folders are listed', async () => {
  expect(String((await ask('/static/charts'))?.body)).toContain('<a href="web%201.tgz">web 1.tgz</a>')
  expect(String((await ask('/static/'))?.body)).toContain('<a href="charts/">charts/</a>')
})

test.each([
  '/static/none',
  '/static/../secret',
  '/static/%2e%2e/secret',
  '/static/charts/..%2f..%2fsecret',
  '/static/link',
  '/static/%',
  '/static/a%00b',
])('nothing at %s', async path => {
  expect(await ask(path)).toMatchObject({ status: 404 })
})

test('other paths and methods are somebody else’s', async () => {
  expect(await ask('/api/v1')).toBeUndefined()
  expect(await ask('/static/charts', { method: 'POST' })).toBeUndefined()
})
