import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { failure } from '../../bootstrap/api/errors.ts'
import { configMaps, nodes } from '../../bootstrap/client/resources.ts'
import { node } from '../runtime/testing/builders.ts'
import { etcdSnapshotFiles } from './etcd-snapshot-file.ts'
import { Bench, type BenchOptions, s3Config } from './testing/bench.ts'

let bench: Bench
const start = async (options: BenchOptions = {}) => {
  bench = await Bench.start(options)
  return bench
}
afterEach(() => bench.end())

const epoch = Date.parse('2026-01-01T00:00:00Z') / 1000
const events = () => bench.harness.events()
const drop = (name: string, text = 'dropped') => writeFile(join(bench.folder, name), text)
const deleteObject = async (prefix: string) => {
  const object = bench.objects().find(({ metadata }) => metadata.name!.startsWith(prefix))
  await bench.harness.client.delete(etcdSnapshotFiles, { name: object!.metadata.name! })
  await bench.settle()
}

describe('on schedule', () => {
  test('a snapshot is taken, verified, and told of', async () => {
    await start()
    expect(bench.schedule).toBe('0 */12 * * *')
    await bench.tick()
    expect(await bench.files()).toEqual([`etcd-snapshot-n1-${epoch}`])
    expect(bench.objects()).toMatchObject([
      {
        metadata: {
          labels: { 'etcd.k3s.cattle.io/snapshot-storage-node': 'n1' },
          annotations: {
            'etcd.k3s.cattle.io/snapshot-token-hash': 'b4b83cda3099',
            'etcd.k3s.cattle.io/snapshot-verified': '2026-01-01T00:00:00Z',
          },
        },
        spec: { snapshotName: `etcd-snapshot-n1-${epoch}`, nodeName: 'n1' },
        status: { size: '9', readyToUse: true, creationTime: '2026-01-01T00:00:00Z' },
      },
    ])
    expect(events()).toEqual([`ETCDSnapshotCreated: Snapshot etcd-snapshot-n1-${epoch} saved on n1`])
  })

  test('as many are kept as was asked for; those of other names and nodes stay', async () => {
    await start({ retention: 2 })
    for (const name of ['on-demand-n1-1', 'etcd-snapshot-n2-1', 'etcd-snapshot-before-n1-1']) await drop(name)
    for (let round = 0; round < 4; round++) await bench.tick()
    expect(await bench.files()).toEqual([
      'etcd-snapshot-before-n1-1',
      `etcd-snapshot-n1-${epoch + 120}`,
      `etcd-snapshot-n1-${epoch + 180}`,
      'etcd-snapshot-n2-1',
      'on-demand-n1-1',
    ])
    expect(bench.summary()).toHaveLength(5)
    expect(events()).toContain(`ETCDSnapshotDeleted: Snapshot etcd-snapshot-n1-${epoch} deleted`)
  })

  test('one that cannot be restored does not count: it goes, older ones stay, and a failure is told of for a day', async () => {
    await start({ retention: 1 })
    await bench.tick()
    bench.verifyFails = 'checksum mismatch'
    await bench.tick()
    const bad = `etcd-snapshot-n1-${epoch + 60}`
    expect(await bench.files()).toEqual([`etcd-snapshot-n1-${epoch}`])
    expect(bench.summary()).toEqual([
      `local etcd-snapshot-n1-${epoch} ready`,
      expect.stringMatching(`local ${bad} failed: .*checksum mismatch`),
    ])
    expect(events()).toContainEqual(
      expect.stringMatching(`ETCDSnapshotFailed: Failed to save snapshot ${bad} on n1: .*`),
    )
    await bench.advance(25 * 3_600_000)
    expect(bench.summary()).toEqual([`local etcd-snapshot-n1-${epoch} ready`])
  })

  test('nothing is scheduled, and no timer runs, when snapshots are disabled', async () => {
    await start({ disabled: true, s3: s3Config })
    expect(bench.schedule).toBe('')
    expect(bench.harness.clock.pending).toBe(0)
    expect(await bench.ask({ operation: 'save', name: ['on-demand'] })).toMatchObject({ status: 200 })
    expect(bench.summary()).toEqual([`local on-demand-n1-${epoch} ready`])
  })

  test('of servers that share a database only the leader takes them', async () => {
    await start({ isMine: async () => false })
    await bench.tick()
    expect(await bench.files()).toEqual([])
  })
})

describe('objects and files', () => {
  test('a file that is dropped becomes an object, one that vanishes loses it', async () => {
    await start()
    await drop('copied-from-elsewhere.zip', 'x'.repeat(100))
    await bench.advance(600_000)
    expect(bench.summary()).toEqual(['local copied-from-elsewhere.zip ready'])
    expect(bench.objects()[0]!.status!.size).toBe('100')
    const { rm } = await import('node:fs/promises')
    await rm(join(bench.folder, 'copied-from-elsewhere.zip'))
    await bench.advance(600_000)
    expect(bench.summary()).toEqual([])
  })

  test('deleting the object deletes the file and its metadata', async () => {
    await start()
    bench.harness.client.seed(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'k3s-etcd-snapshot-extra-metadata', namespace: 'kube-system' },
      data: { owner: 'ops' },
    })
    await bench.tick()
    const metadata = join(bench.root, 'db/.metadata', `etcd-snapshot-n1-${epoch}`)
    expect(JSON.parse(await readFile(metadata, 'utf8'))).toEqual({ owner: 'ops' })
    expect(bench.objects()[0]!.spec!.metadata).toEqual({ owner: 'ops' })
    await deleteObject('local-')
    expect(await bench.files()).toEqual([])
    expect(existsSync(metadata)).toBe(false)
    expect(bench.objects()).toEqual([])
    expect(events()).toContain(`ETCDSnapshotDeleted: Snapshot etcd-snapshot-n1-${epoch} deleted`)
  })

  test('an object that names any other file deletes nothing', async () => {
    await start()
    const victim = join(bench.root, 'passwd')
    await writeFile(victim, 'root')
    bench.harness.client.seed(etcdSnapshotFiles, {
      apiVersion: 'k3s.cattle.io/v1',
      kind: 'ETCDSnapshotFile',
      metadata: {
        name: 'local-evil',
        labels: { 'etcd.k3s.cattle.io/snapshot-storage-node': 'n1' },
        finalizers: ['wrangler.cattle.io/managed-etcd-snapshots-controller'],
      },
      spec: { snapshotName: 'passwd', nodeName: 'n1', location: `file://${victim}` },
      status: { readyToUse: true, size: '4', creationTime: '2026-01-01T00:00:00Z' },
    })
    await deleteObject('local-evil')
    expect(bench.objects()).toEqual([])
    expect(existsSync(victim)).toBe(true)
  })

  test("another server's snapshots are left to it, until its node is gone", async () => {
    await start({ agentless: false })
    const servers = { 'node-role.kubernetes.io/control-plane': 'true' }
    for (const name of ['n1', 'n2'])
      bench.harness.client.seed(nodes, node(name, { metadata: { name, labels: servers } }))
    bench.harness.client.seed(etcdSnapshotFiles, {
      apiVersion: 'k3s.cattle.io/v1',
      kind: 'ETCDSnapshotFile',
      metadata: {
        name: 'local-x-n2-1-abcdef',
        labels: { 'etcd.k3s.cattle.io/snapshot-storage-node': 'n2' },
        finalizers: ['wrangler.cattle.io/managed-etcd-snapshots-controller'],
      },
      spec: { snapshotName: 'x-n2-1', nodeName: 'n2', location: 'file:///x-n2-1' },
      status: { readyToUse: true, size: '4', creationTime: '2026-01-01T00:00:00Z' },
    })
    await bench.advance(600_000)
    expect(bench.summary()).toEqual(['local x-n2-1 ready'])
    const n1 = await bench.harness.client.get(nodes, { name: 'n1' })
    expect(n1.metadata.annotations).toEqual({
      'etcd.k3s.cattle.io/local-snapshots-timestamp': '2026-01-01T00:10:00Z',
    })
    await bench.harness.client.delete(nodes, { name: 'n2' })
    await bench.advance(600_000)
    expect(bench.summary()).toEqual([])
  })
})

describe('S3', () => {
  const name = `etcd-snapshot-n1-${epoch}`

  test('each snapshot goes there, tagged as K3s tags it, and the bucket keeps so many', async () => {
    await start({ s3: { ...s3Config, retention: 2 } })
    await bench.store.put('prod/etcd-snapshot-n9-5', 'of another server')
    await bench.store.put('prod/on-demand-n9-5', 'of another name')
    await bench.harness.clock.advance(1000)
    for (let round = 0; round < 3; round++) await bench.tick()
    const kept = [`prod/etcd-snapshot-n1-${epoch + 61}`, `prod/etcd-snapshot-n1-${epoch + 121}`, 'prod/on-demand-n9-5']
    expect(await bench.store.keys()).toEqual(kept)
    const head = await bench.store.open(s3Config).head(`etcd-snapshot-n1-${epoch + 61}`, AbortSignal.abort())
    expect(head!.metadata).toEqual({
      'k3s-cluster-id': 'cluster-1',
      'k3s-node-name': 'n1',
      'k3s-token-hash': 'b4b83cda3099',
    })
    expect(bench.summary().filter(text => text.startsWith('s3'))).toEqual([
      `s3 etcd-snapshot-n1-${epoch + 61} ready`,
      `s3 etcd-snapshot-n1-${epoch + 121} ready`,
      's3 on-demand-n9-5 ready',
    ])
  })

  test('what S3 refuses stays on disk, is told of, and goes there once S3 is back', async () => {
    await start({ s3: s3Config })
    bench.store.trouble = 'connection refused'
    await bench.tick()
    expect(bench.summary()).toEqual([`local ${name} ready`, `s3 ${name} failed: connection refused`])
    expect(events()).toContain(`ETCDSnapshotFailed: Failed to save snapshot ${name} on S3: connection refused`)
    for (let round = 0; round < 3; round++) {
      await bench.advance(600_000)
    }
    expect(bench.summary()).toContain(`s3 ${name} failed: connection refused`)
    bench.store.trouble = undefined
    await bench.advance(600_000)
    expect(bench.summary()).toEqual([`local ${name} ready`, `s3 ${name} ready`])
    expect(await bench.store.keys()).toEqual([`prod/${name}`])
    expect(bench.objects().find(({ spec }) => spec?.s3)!.status!.error).toBeUndefined()
    expect(events()).toContain(`ETCDSnapshotCreated: Snapshot ${name} saved on S3`)
  })

  test('an upload that failed is made up for by the next process', async () => {
    const first = await start({ s3: s3Config })
    first.store.trouble = 'connection refused'
    await first.tick()
    await first.stop()
    first.store.trouble = undefined
    const second = await Bench.start({ s3: s3Config, of: first })
    await second.advance(3_600_000)
    expect(second.summary()).toEqual([`local ${name} ready`, `s3 ${name} ready`])
    await second.stop()
  })

  test('one that a kill interrupted, too', async () => {
    const first = await start({ s3: s3Config })
    await first.tick()
    const object = first.objects().find(({ spec }) => spec?.s3)!
    await first.harness.client.update(etcdSnapshotFiles, {
      ...object,
      status: { ...object.status, readyToUse: false, size: '0' },
    })
    await first.stop()
    await first.store.open(s3Config).remove(name, AbortSignal.abort())
    const second = await Bench.start({ s3: s3Config, of: first })
    await second.settle()
    expect(second.summary()).toContain(`s3 ${name} ready`)
    expect(await second.store.keys()).toEqual([`prod/${name}`])
    await second.stop()
  })

  test('deleting the object of a failed upload ends the attempts; that of a snapshot deletes it in S3', async () => {
    await start({ s3: s3Config })
    await bench.tick()
    await deleteObject('s3-')
    expect(await bench.store.keys()).toEqual([])
    expect(bench.summary()).toEqual([`local ${name} ready`])
    bench.store.trouble = 'away'
    await bench.tick()
    await deleteObject('s3-')
    bench.store.trouble = undefined
    await bench.advance(3_600_000)
    expect(await bench.store.keys()).toEqual([])
  })

  test('what this server is not configured for stays in S3, and the deletion says so', async () => {
    await start()
    await bench.ask({ operation: 'save', s3: s3Config })
    const saved = `on-demand-n1-${epoch}`
    await deleteObject('s3-')
    expect(await bench.store.keys()).toEqual([`prod/${saved}`])
    expect(events()).toContain(
      `ETCDSnapshotDeleted: s3://backups/prod/${saved} stays where it is: this server is not configured for that bucket`,
    )
  })

  test('an object in the bucket appears, with the node that S3 names, and goes with it', async () => {
    await start({ s3: s3Config })
    await bench.store.put('prod/old-n7-1700000000', 'abc', { 'k3s-node-name': 'n7', 'k3s-token-hash': '123' })
    await bench.store.put('prod/.metadata/old-n7-1700000000', '{"owner":"ops"}')
    await bench.advance(600_000)
    expect(bench.objects()).toMatchObject([
      {
        spec: { nodeName: 'n7', location: 's3://backups/prod/old-n7-1700000000', metadata: { owner: 'ops' } },
        status: { creationTime: '2023-11-14T22:13:20Z', size: '3' },
      },
    ])
    const heads = bench.store.calls.filter(call => call.startsWith('head')).length
    await bench.advance(600_000)
    expect(bench.store.calls.filter(call => call.startsWith('head'))).toHaveLength(heads)
    await bench.store.open(s3Config).remove('old-n7-1700000000', AbortSignal.abort())
    await bench.advance(600_000)
    expect(bench.summary()).toEqual([])
  })
})

describe('on request', () => {
  test('save takes one under the name asked for and removes none', async () => {
    await start({ retention: 1 })
    const first = await bench.ask({ operation: 'save', name: ['manual'], retention: 0, compress: true })
    expect(first).toEqual({ status: 200, body: { created: [`manual-n1-${epoch}.zip`], deleted: [] } })
    await bench.ask({ operation: 'save', name: ['manual'], retention: 0, compress: true })
    expect(await bench.files()).toEqual([`manual-n1-${epoch}.zip`, `manual-n1-${epoch + 1}.zip`])
  })

  test('two at once are refused', async () => {
    await start()
    const both = await Promise.all([bench.ask({ operation: 'save' }), bench.ask({ operation: 'save' })])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 500])
    expect(both.find(({ status }) => status === 500)!.body).toBe('snapshot save already in progress')
  })

  test('what the engine says is wrong is answered, and told of', async () => {
    await start()
    bench.takeFails = 'disk full'
    expect(await bench.ask({ operation: 'save' })).toEqual({
      status: 500,
      body: `failed to take snapshot on-demand-n1-${epoch}: disk full`,
    })
    expect(bench.summary()).toEqual([`local on-demand-n1-${epoch} failed: disk full`])
  })

  test('a datastore that is away is said to be, though no object can tell of the failure', async () => {
    await start()
    bench.apiFails = failure(500, 'InternalError', 'datastore unavailable: etcd')
    expect(await bench.ask({ operation: 'list' })).toEqual({
      status: 500,
      body: 'the API does not answer: datastore unavailable: etcd',
    })
    bench.takeFails = 'no majority'
    expect(await bench.ask({ operation: 'save' })).toEqual({
      status: 500,
      body: expect.stringMatching(/^failed to take snapshot on-demand-n1-\d+: no majority$/),
    })
  })

  test('list, prune and delete', async () => {
    await start({ s3: s3Config })
    for (const at of [1, 2, 3]) await drop(`on-demand-n1-${at}`)
    await bench.store.put('prod/on-demand-n1-9', 'abc', { 'k3s-node-name': 'n1' })
    const names = async (s3?: object) => {
      const { body } = await bench.ask({ operation: 'list', ...(s3 ? { s3 } : {}) })
      return (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name).sort()
    }
    const bucket = { bucket: 'backups', folder: 'prod', endpoint: 's3.test', accessKey: 'k', secretKey: 's' }
    expect(await names()).toEqual(['local-on-demand-n1-1', 'local-on-demand-n1-2', 'local-on-demand-n1-3'])
    expect(await names(bucket)).toContain('s3-on-demand-n1-9')
    const pruned = await bench.ask({ operation: 'prune', name: ['on-demand'], retention: 2 })
    expect(pruned.body).toEqual({ created: [], deleted: ['on-demand-n1-1'] })
    const deleted = await bench.ask({
      operation: 'delete',
      name: ['on-demand-n1-2', 'nothing', 'on-demand-n1-9'],
      s3: bucket,
    })
    expect(deleted.body).toEqual({ created: [], deleted: ['on-demand-n1-2', 'on-demand-n1-9'] })
    expect(await bench.files()).toEqual(['on-demand-n1-3'])
    expect(bench.summary()).toEqual(['local on-demand-n1-3 ready'])
  })

  test('a name that no file can have is refused in one line', async () => {
    await start()
    const tail = `-n1-${epoch}`.length
    expect((await bench.ask({ operation: 'save', name: ['ü'.repeat((255 - tail) / 2)] })).status).toBe(200)
    const name = 'x'.repeat(255 - tail + 2)
    const body = `invalid snapshot name "${name}": 2 bytes too long for the name of a file`
    expect(await bench.ask({ operation: 'save', name: [name] })).toEqual({ status: 400, body })
  })

  test('verify says of each whether it can be restored', async () => {
    await start()
    await bench.ask({ operation: 'save' })
    const good = await bench.ask({ operation: 'verify', name: [`on-demand-n1-${epoch}`, 'nothing'] })
    expect(good.body).toMatchObject({
      verified: [{ name: `on-demand-n1-${epoch}`, form: 'sqlite', revision: 7, keys: 9 }],
      failed: [{ name: 'nothing', message: 'there is no snapshot nothing' }],
    })
    expect(bench.objects()[0]!.metadata.annotations).toHaveProperty(['etcd.k3s.cattle.io/snapshot-verified'])
    bench.verifyFails = 'cut off'
    const bad = await bench.ask({ operation: 'verify', name: [] })
    expect(bad.body).toMatchObject({ verified: [], failed: [{ message: expect.stringContaining('cut off') }] })
  })

  test('verify tries the copy in S3, too, whatever is the matter with that on disk', async () => {
    await start({ s3: s3Config })
    await bench.ask({ operation: 'save', s3: s3Config })
    bench.verifyFails = 'cut off'
    const { body } = await bench.ask({ operation: 'verify', s3: s3Config })
    const { failed } = body as { failed: { location: string }[] }
    expect(failed.map(({ location }) => location.slice(0, 4))).toEqual(['file', 's3:/'])
  })

  test('a bucket that cannot be had is refused before anything is done', async () => {
    await start()
    bench.store.trouble = 'bucket backups does not exist'
    const s3 = { bucket: 'backups', endpoint: 's3.test' }
    for (const operation of ['save', 'list', 'prune', 'delete', 'verify'])
      expect(await bench.ask({ operation, s3 })).toEqual({
        status: 400,
        body: 'failed to initialize S3 client: bucket backups does not exist',
      })
    expect(await bench.files()).toEqual([])
  })

  test('a folder of its own, whose snapshots stay known', async () => {
    await start()
    const dir = join(bench.root, 'elsewhere')
    expect(await bench.ask({ operation: 'save', dir })).toEqual({
      status: 500,
      body: expect.stringContaining('failed to get etcd-snapshot-dir: '),
    })
    await mkdir(dir)
    await bench.ask({ operation: 'save', dir })
    await bench.advance(600_000)
    expect(bench.objects().map(({ spec }) => spec?.location)).toEqual([`file://${dir}/on-demand-n1-${epoch}`])
    await deleteObject('local-')
    expect(existsSync(join(dir, `on-demand-n1-${epoch}`))).toBe(false)
  })

  test('a folder that a request names gives away, and loses, nothing but snapshots', async () => {
    await start()
    const dir = join(bench.root, 'etc')
    await mkdir(dir)
    for (const name of ['passwd', 'on-demand-n1-5']) await writeFile(join(dir, name), 'root')
    const listed = await bench.ask({ operation: 'list', dir })
    expect((listed.body as { items: unknown[] }).items).toHaveLength(1)
    const deleted = await bench.ask({ operation: 'delete', dir, name: ['passwd', 'on-demand-n1-5'] })
    expect(deleted.body).toEqual({ created: [], deleted: ['on-demand-n1-5'] })
    expect(existsSync(join(dir, 'passwd'))).toBe(true)
  })

  test.each([
    ['no JSON', 'invalid snapshot request: want a JSON object with "operation"'],
    [{ operation: 'format' }, 'invalid snapshot operation'],
    [{ operation: 'delete', name: ['../x'] }, 'invalid snapshot name "../x": path traversal not allowed'],
    [{ operation: 'save', name: ['.hidden'] }, 'invalid snapshot name ".hidden": path traversal not allowed'],
    [{ operation: 'save', dir: 'here' }, 'invalid snapshot dir "here": want an absolute path'],
    [{ operation: 'save', compress: 'yes' }, 'invalid snapshot request: compress is of the wrong type'],
  ])('%p is refused', async (request, message) => {
    await start()
    expect(await bench.ask(request)).toEqual({ status: 400, body: message })
  })
})
