/** Which snapshots are let in, and with which token. */
import { expect, test } from '@jest/globals'
import { formatBundle } from '../cluster/bundle.ts'
import { seal, sealedKey } from '../cluster/seal.ts'
import type { Entry } from '../datastore/datastore.ts'
import { revisionAfterRestore } from './load.ts'
import { ownEntries, sealedEntries, unsealBundle } from './secrets.ts'

const bundle = { ServerCA: { Timestamp: '', Content: 'Y2E=' } }
const entry = (key: string, value: Buffer | string): Entry => ({
  key,
  value: Buffer.from(value),
  revision: 1,
  createRevision: 1,
})
async function* all(...entries: Entry[]) {
  yield* entries
}
const sealed = async (password: string) =>
  entry(sealedKey(password), await seal(password, Buffer.from(formatBundle(bundle))))

test('the token of the time opens it, also where another was sealed with at the same time', async () => {
  const entries = [await sealed('new'), await sealed('old')]
  expect(await unsealBundle('file', entries, 'old')).toEqual(bundle)
})

test('another token, none, and what is no cluster are refused in a line', async () => {
  const [theirs] = [await sealed('theirs')]
  await expect(unsealBundle('file', [theirs], 'ours')).rejects.toThrow(
    'bootstrap data already found and encrypted with different token: give with --token the one that the cluster had when the snapshot was taken',
  )
  await expect(unsealBundle('file', [theirs], undefined)).rejects.toThrow('a token is required to restore file')
  await expect(unsealBundle('file', [], 'ours')).rejects.toThrow('file is no snapshot of a cluster')
  await expect(unsealBundle('file', [entry(sealedKey('ours'), '')], 'ours')).rejects.toThrow('no snapshot of a cluster')
  await expect(unsealBundle('file', [entry(sealedKey('ours'), 'x:y')], 'ours')).rejects.toThrow(
    'file: its bootstrap data cannot be read',
  )
})

test('only the first keys are read for it', async () => {
  const read: string[] = []
  async function* entries() {
    for (const key of ['/bootstrap/a', '/registry/a', '/registry/b']) {
      read.push(key)
      yield entry(key, 'x')
    }
  }
  expect((await sealedEntries(entries())).map(({ key }) => key)).toEqual(['/bootstrap/a'])
  expect(read).not.toContain('/registry/b')
})

test('what Kubernetes or K3s wrote in their own forms is refused', async () => {
  const read = async (value: Buffer | string) => {
    const passed = []
    for await (const { key } of ownEntries('file', all(entry('/registry/a', '{}'), entry('/registry/b', value))))
      passed.push(key)
    return passed
  }
  expect(await read('{}')).toEqual(['/registry/a', '/registry/b'])
  await expect(read('k8s\0\n')).rejects.toThrow(/protobuf.*\/registry\/b/)
  await expect(read('k8s:enc:aescbc:v1:x')).rejects.toThrow(/secrets-encryption/)
})

test('revisions go on above everything that was written since, whatever was restored before', () => {
  const snapshot = 5000
  const first = revisionAfterRestore(1_800_000_000_000, snapshot)
  const busy = first + 10_000 * 60 // ten thousand writes a second, for a minute
  const second = revisionAfterRestore(1_800_000_060_000, snapshot)
  expect(first).toBeGreaterThan(snapshot)
  expect(second).toBeGreaterThan(busy)
  expect(Number.isSafeInteger(revisionAfterRestore(Date.UTC(2200, 0), second))).toBe(true)
  expect(revisionAfterRestore(0, second)).toBeGreaterThan(second)
})
