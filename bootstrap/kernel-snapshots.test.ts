import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { kernelSnapshots } from './kernel-snapshots.ts'
import { fill, type Source, storeOf } from './snapshots/testing/fixture.ts'

let dataDir: string
let source: Source
const { signal } = new AbortController()
let token = 'secret'

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'skiff-kernel-snapshots-'))
  await mkdir(join(dataDir, 'server/db'), { recursive: true })
  source = await storeOf('sqlite')
  await fill(source.store, 5)
})

afterEach(async () => {
  await source.close()
  await rm(dataDir, { recursive: true, force: true })
})

const kernel = (passphraseFile?: string, isLearner?: boolean | Error) =>
  kernelSnapshots({
    config: { dataDir, etcd: { snapshotPassphraseFile: passphraseFile } } as never,
    datastore: source.store,
    etcd:
      isLearner === undefined
        ? undefined
        : {
            name: 'me',
            members: async () => {
              if (typeof isLearner !== 'boolean') throw isLearner
              return [
                { ID: '1', name: 'other' },
                { ID: '2', name: 'me', isLearner },
              ]
            },
          },
    tokens: { current: () => ({ token: `K10${'a'.repeat(64)}::server:${token}`, passwd: '' }) as never },
  })

test('what is taken is verified beside the datastore, where nothing stays', async () => {
  await mkdir(join(dataDir, 'server/db/verify-of-a-killed-process/etcd'), { recursive: true })
  const snapshots = kernel()
  const file = join(dataDir, 'snapshot.zip')
  expect(snapshots.engine).toBe('sqlite')
  expect((await snapshots.take(file, { compress: true, signal })).revision).toBe(5)
  expect(await snapshots.inspect(file)).toMatchObject({ compressed: true, encrypted: false })
  expect(await snapshots.verify(file, signal)).toEqual({ form: 'sqlite', revision: 5, keys: 5 })
  expect(await readdir(join(dataDir, 'server/db'))).toEqual([])
})

test('with a passphrase everything is encrypted; the file is read anew each time', async () => {
  const secret = join(dataDir, 'passphrase')
  const snapshots = kernel(secret)
  const file = join(dataDir, 'snapshot.enc')
  expect([snapshots.suffix(false), snapshots.suffix(true)]).toEqual(['.enc', '.zip.enc'])
  await expect(snapshots.take(file, { compress: false, signal })).rejects.toThrow(
    `cannot read --etcd-snapshot-passphrase-file ${secret}: ENOENT`,
  )
  await writeFile(secret, ' \n')
  await expect(snapshots.take(file, { compress: false, signal })).rejects.toThrow(`${secret} is empty`)
  await writeFile(secret, ' horse \n')
  await snapshots.take(file, { compress: false, signal })
  expect(await snapshots.inspect(file)).toEqual({ form: 'sqlite', compressed: false, encrypted: true })
  expect((await snapshots.verify(file, signal)).keys).toBe(5)
  await writeFile(secret, 'other')
  await expect(snapshots.verify(file, signal)).rejects.toThrow(`${file} is encrypted with another passphrase`)
})

test("the token's hash is K3s' and follows the token", () => {
  const snapshots = kernel()
  // printf secret | sha256sum | cut -c 1-12
  expect(snapshots.tokenHash).toBe('2bb80d537b1d')
  token = 'changed'
  expect(snapshots.tokenHash).not.toBe('2bb80d537b1d')
})

test('a learner is not ready', async () => {
  expect(await kernel().notReady()).toBeUndefined()
  expect(await kernel(undefined, false).notReady()).toBeUndefined()
  expect(await kernel(undefined, true).notReady()).toBe('this server is still a learner of the etcd cluster')
  // Without a majority what it has may be all there is to save.
  expect(await kernel(undefined, new Error('no majority')).notReady()).toBeUndefined()
})
