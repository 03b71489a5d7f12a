import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { fullNodeName } from './node-name.ts'
import { readNodePassword } from './node-password.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-node-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const modeOf = (path: string) => (statSync(join(folder, path)).mode & 0o777).toString(8)

test('an id is made once, when it is wanted', async () => {
  const path = join(folder, 'rancher/node/id')
  expect(await fullNodeName({ nodeName: 'a', withNodeId: false }, path)).toBe('a')
  const name = await fullNodeName({ nodeName: 'a', withNodeId: true }, path)
  expect(name).toMatch(/^a-[0-9a-f]{8}$/)
  expect(await fullNodeName({ nodeName: 'a', withNodeId: true }, path)).toBe(name)
})

test('the password is kept for root, in folders that are not', async () => {
  const path = join(folder, 'rancher/node/password')
  const password = await readNodePassword(path)
  expect(password).toMatch(/^[0-9a-f]{32}$/)
  expect(await readNodePassword(path)).toBe(password)
  expect([modeOf('rancher/node/password'), modeOf('rancher/node'), modeOf('rancher')]).toEqual(['600', '755', '755'])
})
