/** Restores on SQLite and databases, as a user's command does them; etcd's are in etcd/restore.test.ts and in test/e2e. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { ConfigError } from '../config/parse.ts'
import { CompactedError } from '../datastore/datastore.ts'
import { restoreCluster } from './restore.ts'
import { settleRestore } from './settle.ts'
import { asServer, configOf, create, objects, quietLog, snapshotOf } from './testing/restore-fixture.ts'

jest.setTimeout(180_000)

let dir: string
let data: string
let awake: NodeJS.Timeout
beforeEach(async () => {
  awake = setInterval(() => undefined, 1000)
  dir = await mkdtemp(join(tmpdir(), 'skiff-restore-'))
  data = join(dir, 'data')
})
afterEach(async () => {
  clearInterval(awake)
  await rm(dir, { recursive: true, force: true })
})

const userland = () => Promise.reject(new Error('no userland'))
const signal = new AbortController().signal
const restore = (file: string, ...args: string[]) =>
  restoreCluster(configOf(data, '--cluster-reset', '--cluster-reset-restore-path', file, ...args), {
    log: quietLog,
    userland,
    signal,
  })
const refusal = async (file: string, ...args: string[]): Promise<string> => {
  const error = await restore(file, ...args).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  expect((error as Error).message).not.toContain('\n')
  return (error as Error).message
}

/** Two objects, a snapshot, and what happened since. Resolves with what the restored cluster has to be. */
async function cluster(token?: string, compress = false, passphrase?: string) {
  const file = join(dir, `snapshot${compress ? '.zip' : ''}${passphrase === undefined ? '' : '.enc'}`)
  return asServer(data, token, async server => {
    await create(server.datastore, 'a', '{"a":1}')
    const b = await create(server.datastore, 'b')
    await snapshotOf(server.datastore, file, compress, passphrase)
    const then = await objects(server.datastore)
    await server.datastore.commit({ op: 'delete', key: '/registry/b', revision: b })
    const newest = await create(server.datastore, 'c')
    return { file, then, newest, since: await objects(server.datastore), ca: server.serverCa, token: server.token }
  })
}

/** Everything below the data directory. */
async function contents(): Promise<{ [path: string]: string }> {
  const found = await readdir(data, { recursive: true, withFileTypes: true })
  const files = found.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const hashed = files.map(async path => [
    path,
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  ])
  return Object.fromEntries(await Promise.all(hashed))
}

const asideOf = async (prefix: string) =>
  (await readdir(join(data, 'server/db'))).filter(name => name.startsWith(prefix))

describe('a snapshot of SQLite', () => {
  test('is restored where it was taken: what came since is gone, and its watchers list anew', async () => {
    const was = await cluster()
    expect(await restore(was.file)).toContain('restart without --cluster-reset flag now')
    await asServer(data, undefined, async ({ datastore, serverCa, token }) => {
      expect(await objects(datastore)).toEqual(was.then)
      expect([serverCa, token]).toEqual([was.ca, was.token])
      expect(await datastore.revision()).toBeGreaterThan(was.newest)
      for (const known of [1, was.newest, was.newest + 1000])
        await expect(datastore.watch('/registry/', known, signal)[Symbol.asyncIterator]().next()).rejects.toThrow(
          CompactedError,
        )
      // Those who compare versions of one object see a later one.
      for (const entry of (await datastore.read('/registry/')).entries)
        expect(entry.revision).toBeGreaterThan(was.newest)
      const revision = await datastore.revision()
      expect(await create(datastore, 'd')).toBe(revision + 1)
    })
    const [aside] = await asideOf('sqlite-old-')
    const kept = join(dir, 'kept')
    await mkdir(join(kept, 'server/db'), { recursive: true })
    await cp(join(data, 'server/db', aside!), join(kept, 'server/db'), { recursive: true })
    await cp(join(data, 'server/cred'), join(kept, 'server/cred'), { recursive: true })
    await asServer(kept, undefined, async ({ datastore }) => expect(await objects(datastore)).toEqual(was.since))
  })

  test('once; a second time only after an ordinary start', async () => {
    const { file, then } = await cluster()
    await restore(file)
    expect(await refusal(file)).toMatch(/^Managed etcd cluster membership was previously reset/)
    await rm(join(data, 'server/db/reset-flag'))
    await restore(file)
    await asServer(data, undefined, async ({ datastore }) => expect(await objects(datastore)).toEqual(then))
    expect(await asideOf('sqlite-old-')).toHaveLength(2)
  })

  test.each([
    ['compressed', true, undefined],
    ['encrypted', false, 'open sesame'],
    ['compressed and encrypted', true, 'open sesame'],
  ])('%s, on a new machine, with the token', async (_, compress, passphrase) => {
    const was = await cluster('secret', compress, passphrase)
    await rm(data, { recursive: true })
    const flags: string[] = []
    if (passphrase !== undefined) {
      await writeFile(join(dir, 'passphrase'), `${passphrase}\n`)
      flags.push('--etcd-snapshot-passphrase-file', join(dir, 'passphrase'))
    }
    expect(await refusal(was.file, ...flags)).toMatch(/^a token is required to restore/)
    await restore(was.file, '--token', was.token, ...flags)
    await asServer(data, undefined, async ({ datastore, serverCa, token }) => {
      expect(await objects(datastore)).toEqual(was.then)
      expect([serverCa, token]).toEqual([was.ca, was.token])
    })
  })

  test('is refused before anything is touched, where it is not what it should be', async () => {
    const { file } = await cluster('secret', false)
    const before = await contents()
    const damaged = join(dir, 'damaged')
    await cp(file, damaged)
    const handle = await open(damaged, 'r+')
    await handle.write(Buffer.from('damage'), 0, 6, Math.floor((await handle.stat()).size / 2))
    await handle.close()
    const cut = join(dir, 'cut')
    await cp(file, cut)
    await truncate(cut, 20_000)
    const foreign = join(dir, 'foreign')
    await writeFile(foreign, 'apiVersion: v1\nkind: List\n'.repeat(1000))
    const empty = join(dir, 'empty')
    await writeFile(empty, '')

    for (const bad of [damaged, cut, foreign, empty]) expect(await refusal(bad, '--token', 'secret')).toContain(bad)
    expect(await refusal(join(dir, 'none'))).toBe(`etcd: snapshot path does not exist: ${join(dir, 'none')}`)
    expect(await refusal(dir)).toBe(`etcd: snapshot path must be a file, not a directory: ${dir}`)
    expect(await refusal(file, '--token', 'another')).toMatch(
      /^bootstrap data already found and encrypted with different token/,
    )
    expect(await refusal(file, '--token', 'K10ab::server:secret')).toMatch(/^invalid token CA hash length/)
    expect(await contents()).toEqual(before)
  })
})

test('an encrypted snapshot with another passphrase, or none, is refused', async () => {
  const { file } = await cluster(undefined, false, 'right')
  const before = await contents()
  await writeFile(join(dir, 'wrong'), 'wrong')
  expect(await refusal(file)).toMatch(/passphrase/)
  expect(await refusal(file, '--etcd-snapshot-passphrase-file', join(dir, 'wrong'))).toMatch(/passphrase/)
  expect(await contents()).toEqual(before)
})

const program = fileURLToPath(new URL('./testing/restoring.ts', import.meta.url))

/** Kills the process at its n-th step; resolves with the name of that step, or undefined when it got to its end. */
async function killedAt(n: number, args: readonly string[]): Promise<string | undefined> {
  const child = spawn(process.execPath, [program, JSON.stringify([data, ...args])], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  let steps = 0
  let at: string | undefined
  createInterface({ input: child.stdout }).on('line', name => {
    if (++steps < n) return void child.stdin.write('go')
    at = name
    child.kill('SIGKILL')
  })
  const [code] = await exit
  if (at === undefined) expect(code).toBe(0)
  return at
}

test('killed at any step, it leaves the old cluster or the new one, whole', async () => {
  const was = await cluster('secret')
  const original = join(dir, 'original')
  await cp(data, original, { recursive: true })
  const args = ['--cluster-reset', '--cluster-reset-restore-path', was.file, '--token', 'secret']
  const seen: string[] = []
  // All of the first, then some: journal.test.ts has each step of what is left once it is decided.
  for (let n = 1; ; n += n < 4 ? 1 : 3) {
    await rm(data, { recursive: true })
    await cp(original, data, { recursive: true, preserveTimestamps: true })
    const at = await killedAt(n, args)
    if (at === undefined) break
    seen.push(at)
    await settleRestore(configOf(data), { log: quietLog })
    const decided = seen.includes('decided')
    await asServer(data, undefined, async ({ datastore, serverCa, token }) => {
      expect(await objects(datastore)).toEqual(decided ? was.then : was.since)
      expect([serverCa, token]).toEqual([was.ca, was.token])
    })
    expect(existsSync(join(data, 'server/restoring'))).toBe(false)
    expect(existsSync(join(data, 'server/db/restoring'))).toBe(false)
  }
  expect(seen.slice(0, 3)).toEqual(['checked', 'prepared', 'decided'])
  expect(seen.length).toBeGreaterThan(5)
})

test('the same command again completes a restore that was killed after it was decided', async () => {
  const was = await cluster('secret')
  const args = ['--cluster-reset', '--cluster-reset-restore-path', was.file, '--token', 'secret']
  expect(await killedAt(5, args)).toBeDefined()
  expect(await restore(was.file, '--token', 'secret')).toContain('restart without --cluster-reset flag now')
  await asServer(data, undefined, async ({ datastore }) => expect(await objects(datastore)).toEqual(was.then))
})
