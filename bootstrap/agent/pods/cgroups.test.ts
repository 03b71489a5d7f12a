import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { openCgroups } from './cgroups.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skiff-cgroups-'))
})
afterEach(() => rm(root, { recursive: true }))

test('folders of controllers that are not mounted are left alone', async () => {
  for (const name of ['cpu', 'memory', 'pids', 'hugetlb', 'systemd', 'unified']) await mkdir(join(root, name))
  const points = ['', '/cpu', '/memory', '/pids', '/systemd', '/unified', '/memory/kubepods'].map(name => root + name)
  const cgroups = await openCgroups(root, async () => points)
  expect([...cgroups.controllers]).toEqual(['cpu', 'memory', 'pids'])
  await cgroups.apply('/kubepods/podu', { cpuShares: 2, memoryLimit: 1000 })
  expect(await readdir(join(root, 'hugetlb'))).toEqual([])
  expect(await readdir(join(root, 'memory/kubepods/podu'))).toEqual(['memory.limit_in_bytes'])
})

test('names of hierarchies that share a mount count one by one', async () => {
  const cgroups = await openCgroups(root, async () => [root, `${root}/cpu,cpuacct`, `${root}/memory`])
  expect([...cgroups.controllers]).toEqual(['cpu', 'cpuacct', 'memory'])
})
