import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { fitting } from './config-map.ts'
import { dueAt } from './pending.ts'
import { tooMany } from './retention.ts'
import { configMapEntryOf, createdOf, keyOf, objectNameOf, objectOf, type Snapshot, snapshotOf } from './snapshot.ts'

const local: Snapshot = {
  name: 'on-demand-N1-1730308816',
  node: 'n1',
  location: 'file:///var/lib/rancher/k3s/server/db/snapshots/on-demand-N1-1730308816',
  created: 1_730_308_816_000,
  size: 2_891_808,
  ready: true,
  tokenHash: 'b4b83cda3099',
}
const remote: Snapshot = {
  ...local,
  location: 's3://etcd/k3s-test/on-demand-N1-1730308816',
  s3: { bucket: 'etcd', endpoint: 's3.example.com', prefix: 'k3s-test', region: 'us-east-1' },
}
const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 6)

describe('an ETCDSnapshotFile', () => {
  test('is named by its file, its node and its place', () => {
    expect(objectNameOf(local)).toBe(`local-on-demand-n1-1730308816-${digest(`n1${local.location}`)}`)
    expect(objectNameOf(remote)).toBe(`s3-on-demand-n1-1730308816-${digest(`n1${remote.location}`)}`)
    expect(objectNameOf({ ...remote, node: '' })).toBe(`s3-on-demand-n1-1730308816-${digest(`s3${remote.location}`)}`)
  })

  test('has a name made of node and time where the file has one that is unfit', () => {
    const odd = { ...local, name: 'before upgrade!.zip', node: 'n1.lan' }
    expect(objectNameOf(odd)).toBe(`local-etcd-snapshot-n1-1730308816.zip-${digest(`n1.lan${local.location}`)}`)
    const long = { ...local, name: 'x'.repeat(241) }
    expect(objectNameOf(long)).toMatch(/^local-etcd-snapshot-n1-1730308816-/)
    expect(objectNameOf({ ...local, name: 'x'.repeat(240) })).toHaveLength(253)
  })

  test('tells all of a snapshot, and back', () => {
    expect(objectOf(remote)).toEqual({
      apiVersion: 'k3s.cattle.io/v1',
      kind: 'ETCDSnapshotFile',
      metadata: {
        name: objectNameOf(remote),
        labels: { 'etcd.k3s.cattle.io/snapshot-storage-node': 's3' },
        annotations: { 'etcd.k3s.cattle.io/snapshot-token-hash': 'b4b83cda3099' },
        finalizers: ['wrangler.cattle.io/managed-etcd-snapshots-controller'],
      },
      spec: {
        snapshotName: 'on-demand-N1-1730308816',
        nodeName: 'n1',
        location: 's3://etcd/k3s-test/on-demand-N1-1730308816',
        s3: remote.s3,
      },
      status: { size: '2891808', creationTime: '2024-10-30T17:20:16Z', readyToUse: true },
    })
    const failed: Snapshot = { ...local, ready: false, error: { at: 1_730_308_900_000, message: 'disk full' } }
    for (const each of [local, remote, failed, { ...local, metadata: { a: 'b' } }])
      expect(snapshotOf(objectOf(each))).toEqual(expect.objectContaining(each))
    expect(snapshotOf(objectOf({ ...local, size: 4_096_000 })).size).toBe(4_096_000)
  })
})

test("the ConfigMap's entry of a snapshot is K3s'", () => {
  expect(keyOf({ name: 'a b:c', s3: undefined })).toBe('local-a_b_c')
  const entry = JSON.parse(configMapEntryOf({ ...remote, metadata: { owner: 'ops' } }))
  expect(entry).toEqual({
    name: remote.name,
    location: remote.location,
    metadata: Buffer.from('{"owner":"ops"}').toString('base64'),
    nodeName: 's3',
    createdAt: '2024-10-30T17:20:16Z',
    size: 2_891_808,
    status: 'successful',
    s3Config: { bucket: 'etcd', endpoint: 's3.example.com', folder: 'k3s-test', region: 'us-east-1' },
    compressed: false,
  })
})

test('the ConfigMap keeps the newest that fit, and drops the oldest by four', () => {
  const all = Array.from({ length: 10 }, (_, at) => ({ ...local, name: `x-${at}`, created: at * 1000 }))
  const each = Buffer.byteLength(configMapEntryOf(all[0]!)) + Buffer.byteLength(keyOf(all[0]!))
  let left: number | undefined
  const data = fitting(all, count => (left = count), each * 9)
  expect(Object.keys(data)).toEqual(['local-x-9', 'local-x-8', 'local-x-7', 'local-x-6', 'local-x-5', 'local-x-4'])
  expect(left).toBe(6)
})

test.each([
  ['etcd-snapshot-n1-1730308816', 1_730_308_816_000],
  ['etcd-snapshot-n1-1730308816.zip', 1_730_308_816_000],
  ['etcd-snapshot-n1-1730308816.zip.enc', 1_730_308_816_000],
  ['dropped-by-hand', 99_000],
  ['x-20261120212300123', 99_000],
])('%s was taken at %d', (name, at) => expect(createdOf(name, 99_500)).toBe(at))

describe('retention', () => {
  const at = (...names: string[]) => names.map((name, index) => ({ name, at: index }))
  test('keeps the newest of one name and node, and never touches others', () => {
    const all = at(
      'etcd-snapshot-n1-1',
      'etcd-snapshot-n1-2.zip',
      'etcd-snapshot-n1-3.zip.enc',
      'etcd-snapshot-n2-1',
      'etcd-snapshot-before-n1-1',
      'on-demand-n1-1',
      'etcd-snapshot-notes',
    )
    const names = (keep: number, node?: string) => tooMany(all, 'etcd-snapshot', keep, node).map(({ name }) => name)
    expect(names(1, 'n1')).toEqual(['etcd-snapshot-n1-2.zip', 'etcd-snapshot-n1-1'])
    expect(names(0, 'n1')).toEqual([])
    expect(names(3, 'n1')).toEqual([])
    expect(tooMany(at('a.b-n-1', 'axb-n-1', 'a.b-n-2'), 'a.b', 1, 'n').map(({ name }) => name)).toEqual(['a.b-n-1'])
  })
})

describe('the next attempt of an upload', () => {
  const failedAt = (at: number) => ({ ...remote, ready: false, created: 0, error: { at, message: 'down' } })
  test.each([
    [1_000, 16_000],
    [60_000, 120_000],
    [7_200_000, 7_800_000],
  ])('after a failure at %d is due at %d', (at, due) => expect(dueAt(failedAt(at), 0)).toBe(due))
  test('is due at once when none has failed, or S3 has come back since', () => {
    expect(dueAt({ ...remote, ready: false }, 0)).toBe(0)
    expect(dueAt(failedAt(60_000), 60_001)).toBe(0)
  })
})
