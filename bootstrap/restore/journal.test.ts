/** Whatever step a process is killed at, the next one arrives at the same files. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { decide, finish, forgetPrepared, type Journal, restorePaths, restoreState } from './journal.ts'

let dir: string
const exchanged: string[] = []
const exchange = async (database: string, suffix: string) => void exchanged.push(`${database} ${suffix}`)

const write = async (path: string, text: string) => {
  await mkdir(dirname(join(dir, path)), { recursive: true })
  await writeFile(join(dir, path), text)
}

const journal: Journal = {
  source: 'snapshot',
  engine: 'sqlite',
  steps: [
    { do: 'aside', from: 'server/tls', to: 'server/tls-7' },
    { do: 'place', from: 'server/restoring/server/tls', to: 'server/tls' },
    { do: 'place', from: 'server/restoring/server/cred/passwd', to: 'server/cred/passwd' },
    { do: 'aside', from: 'server/db/state.db', to: 'server/db/sqlite-old-7/state.db' },
    { do: 'aside', from: 'server/db/state.db-wal', to: 'server/db/sqlite-old-7/state.db-wal' },
    { do: 'place', from: 'server/db/restoring/state.db', to: 'server/db/state.db' },
    { do: 'exchange', database: 'db', suffix: '7' },
    { do: 'remove', path: 'agent/etc/balancer.json' },
    { do: 'mark', path: 'server/db/reset-flag' },
  ],
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-journal-'))
  exchanged.length = 0
  await write('server/tls/ca.crt', 'old ca')
  await write('server/cred/passwd', 'old passwd')
  await write('server/cred/other', 'stays')
  await write('server/db/state.db', 'old data')
  await write('server/db/state.db-wal', 'old log')
  await write('agent/etc/balancer.json', '{}')
  await write('server/restoring/server/tls/ca.crt', 'new ca')
  await write('server/restoring/server/cred/passwd', 'new passwd')
  await write('server/db/restoring/state.db', 'new data')
})
afterEach(() => rm(dir, { recursive: true }))

async function files(): Promise<{ [path: string]: string }> {
  const names = await readdir(dir, { recursive: true, withFileTypes: true })
  const paths = names.filter(name => name.isFile()).map(name => join(name.parentPath, name.name))
  const texts = await Promise.all(paths.map(async path => [path.slice(dir.length + 1), await readFile(path, 'utf8')]))
  return Object.fromEntries(texts)
}

const after = {
  'server/tls/ca.crt': 'new ca',
  'server/tls-7/ca.crt': 'old ca',
  'server/cred/passwd': 'new passwd',
  'server/cred/other': 'stays',
  'server/db/state.db': 'new data',
  'server/db/sqlite-old-7/state.db': 'old data',
  'server/db/sqlite-old-7/state.db-wal': 'old log',
  'server/db/reset-flag': '',
}

test('until it is decided nothing is touched, and what was prepared can be thrown away', async () => {
  expect(await restoreState(dir)).toEqual({ state: 'none', leftovers: true })
  await forgetPrepared(dir)
  expect(await restoreState(dir)).toEqual({ state: 'none', leftovers: false })
  expect(Object.keys(await files()).sort()).toEqual(
    [
      'agent/etc/balancer.json',
      'server/cred/other',
      'server/cred/passwd',
      'server/db/state.db',
      'server/db/state.db-wal',
      'server/tls/ca.crt',
    ].sort(),
  )
})

test.each(journal.steps.map((_, i) => i + 1))('ended after step %i, it is completed by the next start', async ended => {
  await decide(dir, journal)
  let taken = 0
  const step = () => {
    if (++taken === ended) throw new Error('killed')
  }
  await expect(finish(dir, journal, { exchange, step })).rejects.toThrow('killed')
  const state = await restoreState(dir)
  expect(state).toEqual({ state: 'decided', journal })
  await finish(dir, journal, { exchange })
  expect(await files()).toEqual(after)
  expect(exchanged).toContain('db 7')
  expect(existsSync(restorePaths(dir).journal)).toBe(false)
  expect(await restoreState(dir)).toEqual({ state: 'none', leftovers: false })
})
