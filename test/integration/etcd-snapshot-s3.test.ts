/** Snapshots of a real server in a real S3: by command, on schedule, and over an outage in which the server is killed. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type Relay, startRelay } from '../../bootstrap/datastore/testing/relay.ts'
import { noS3, type S3Server, startS3 } from '../testbed/s3.ts'
import { etcdSnapshot, eventually } from './etcd-snapshot.ts'
import { kubectls, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(400_000)

const suite = noS3 === undefined ? describe : describe.skip
suite('snapshots in S3', () => {
  let s3: S3Server
  let link: Relay
  let server: RunningServer
  let user: Session
  const bucketFlags = (prefix = '--etcd-s3') => [
    prefix,
    `${prefix}-endpoint=127.0.0.1:${link.port}`,
    `${prefix}-insecure`,
    `${prefix}-bucket=backups`,
    `${prefix}-folder=prod`,
    `${prefix}-access-key=${s3.accessKey}`,
    `${prefix}-secret-key=${s3.secretKey}`,
  ]
  const begin = async (flags: readonly string[], dataDir?: string) => {
    server = await startServer(['--node-name', 'n1', ...flags], dataDir)
    await user?.close()
    user = await Session.open(kubectls.at(-1)!, server.kubeconfig)
  }
  beforeAll(async () => {
    s3 = await startS3()
    link = await startRelay(s3.port)
    await makeBucket()
    await begin([])
  })
  afterAll(async () => {
    await user?.close()
    await server?.remove()
    await link?.destroy()
    await s3?.destroy()
  })

  const client = async () => {
    const sdk = await import('@aws-sdk/client-s3')
    const made = new sdk.S3Client({
      endpoint: `http://127.0.0.1:${s3.port}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
    })
    return { sdk, made }
  }
  async function makeBucket(): Promise<void> {
    const { sdk, made } = await client()
    await made.send(new sdk.CreateBucketCommand({ Bucket: 'backups' }))
    made.destroy()
  }
  async function keys(): Promise<string[]> {
    const { sdk, made } = await client()
    const { Contents = [] } = await made.send(new sdk.ListObjectsV2Command({ Bucket: 'backups' }))
    made.destroy()
    return Contents.map(({ Key }) => Key!).sort()
  }
  const saved = (text: string) => [...text.matchAll(/"Snapshot (\S+) saved\."/g)].map(match => match[1]!)
  interface Told {
    readonly metadata: { readonly name: string }
    readonly spec: {
      readonly snapshotName: string
      readonly nodeName: string
      readonly location: string
      readonly s3?: object
    }
    readonly status: { readonly readyToUse: boolean; readonly error?: { readonly message: string } }
  }
  const told = async () =>
    (JSON.parse(await user.ok('get', 'etcdsnapshotfiles', '-o', 'json')) as { items: Told[] }).items

  test('save --s3 saves on disk and in the bucket; list, verify and delete see both', async () => {
    const { code, err } = await etcdSnapshot(server, 'save', '--snapshot-compress', ...bucketFlags('--s3'))
    expect(code).toBe(0)
    const [name = '', again] = saved(err)
    expect(again).toBe(name)
    expect(await keys()).toEqual([`prod/${name}`])
    const remote = (await told()).find(({ spec }) => spec.s3)!
    expect(remote).toMatchObject({
      spec: {
        nodeName: 'n1',
        location: `s3://backups/prod/${name}`,
        s3: { bucket: 'backups', prefix: 'prod', insecure: true, region: 'us-east-1' },
      },
      status: { readyToUse: true },
    })
    expect(JSON.stringify(remote)).not.toContain(s3.secretKey)
    const { out } = await etcdSnapshot(server, 'list', ...bucketFlags('--s3'))
    expect(out).toMatch(new RegExp(`^${name} +file://`, 'm'))
    expect(out).toMatch(new RegExp(`^${name} +s3://backups/prod/${name} `, 'm'))
    const verified = await etcdSnapshot(server, 'verify', name, ...bucketFlags('--s3'))
    expect(verified.err.match(/can be restored/g)).toHaveLength(2)
    await etcdSnapshot(server, 'delete', name, ...bucketFlags('--s3'))
    expect(await keys()).toEqual([])
    expect(await told()).toEqual([])
  })

  test.each([
    [['--s3-access-key=wrong'], /^see server log for details: .* 400 failed to initialize S3 client: .*\n$/],
    [
      ['--s3-bucket=missing'],
      /^see server log for details: .* 400 failed to initialize S3 client: bucket missing does not exist\n$/,
    ],
  ])('%j is refused before anything is saved', async (flags, message) => {
    const { code, err } = await etcdSnapshot(server, 'save', ...bucketFlags('--s3'), ...flags)
    expect(code).toBe(1)
    expect(err.replace(/^level=.*\n/gm, '')).toMatch(message)
    expect(await told()).toEqual([])
  })

  test('what S3 did not take on schedule goes there later, over a kill of the server', async () => {
    await server.stop()
    link.path('cut')
    const flags = [...bucketFlags(), '--etcd-s3-timeout=3s', '--etcd-snapshot-retention=3']
    await begin([...flags, '--etcd-snapshot-schedule-cron=@every 2s'], server.dataDir)
    const failed = await eventually(told, items => items.some(({ spec, status }) => spec.s3 && status.error))
    const lost = failed.find(({ spec, status }) => spec.s3 && status.error)!.spec.snapshotName
    const lines = await eventually(
      () => user.ok('get', 'events', '-A'),
      text => text.includes('ETCDSnapshotFailed'),
    )
    expect(lines).toMatch(new RegExp(`Warning +ETCDSnapshotFailed +\\S+ +Failed to save snapshot ${lost} on S3: `))
    await server.kill9()
    expect(await keys()).toEqual([])

    link.path('open')
    await begin(flags, server.dataDir)
    const local = (await readdir(join(server.dataDir, 'server/db/snapshots'))).filter(name => !name.startsWith('.'))
    expect(local.length).toBeGreaterThan(0)
    const arrived = await eventually(keys, names => local.some(name => names.includes(`prod/${name}`)))
    expect(arrived.length).toBeGreaterThan(0)
    await eventually(told, items => items.some(({ spec, status }) => spec.s3 && status.readyToUse))
  })

  test('kubectl delete deletes what is in S3', async () => {
    const remote = await eventually(
      async () => (await told()).filter(({ spec, status }) => spec.s3 && status.readyToUse),
      items => items.length > 0,
    )
    await user.ok('delete', 'etcdsnapshotfile', remote[0]!.metadata.name)
    expect(await keys()).not.toContain(`prod/${remote[0]!.spec.snapshotName}`)
  })

  test('a Secret says where the bucket is, without a restart', async () => {
    await server.stop()
    const flags = ['--etcd-s3', '--etcd-s3-config-secret=backup', '--etcd-snapshot-schedule-cron=@every 2s']
    await begin([...flags, '--etcd-snapshot-name=by-secret'], server.dataDir)
    await eventually(told, items => items.some(({ status }) => status.error?.message.includes('"backup"')))
    const data = {
      'etcd-s3-endpoint': `127.0.0.1:${link.port}`,
      'etcd-s3-insecure': 'true',
      'etcd-s3-bucket': 'backups',
      'etcd-s3-folder': 'secret',
      'etcd-s3-access-key': s3.accessKey,
      'etcd-s3-secret-key': s3.secretKey,
    }
    const literals = Object.entries(data).map(([key, value]) => `--from-literal=${key}=${value}`)
    await user.ok('-n', 'kube-system', 'create', 'secret', 'generic', 'backup', ...literals)
    await eventually(keys, names => names.some(name => name.startsWith('secret/by-secret-n1-')))
  })
})
