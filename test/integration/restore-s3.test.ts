/** From one machine to another by way of S3: a snapshot saved there, restored by its name. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { noS3, type S3Server, startS3 } from '../testbed/s3.ts'
import { HttpClient } from './http-client.ts'
import { type RunningServer, skiff, startServer } from './server.ts'

jest.setTimeout(600_000)

const suite = noS3 === undefined ? describe : describe.skip
suite('a snapshot in S3', () => {
  let s3: S3Server
  let flags: string[]
  const running: RunningServer[] = []
  const folders: string[] = []
  const start = async (...args: Parameters<typeof startServer>) => {
    const server = await startServer(...args)
    running.push(server)
    return server
  }

  beforeAll(async () => {
    s3 = await startS3()
    const { accessKey: accessKeyId, secretKey: secretAccessKey } = s3
    const endpoint = `127.0.0.1:${s3.port}`
    const admin = new S3Client({
      endpoint: `http://${endpoint}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    })
    await admin.send(new CreateBucketCommand({ Bucket: 'restores' }))
    admin.destroy()
    flags = [
      ...['--etcd-s3', '--etcd-s3-insecure', '--etcd-s3-endpoint', endpoint, '--etcd-s3-bucket', 'restores'],
      ...['--etcd-s3-folder', 'one', '--etcd-s3-access-key', accessKeyId, '--etcd-s3-secret-key', secretAccessKey],
    ]
  }, 300_000)
  afterAll(async () => {
    for (const server of running) await server.remove()
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
    await s3?.destroy()
  }, 120_000)

  test('is restored on a machine that has nothing but the flags, the passphrase and the token', async () => {
    const secrets = await mkdtemp(join(tmpdir(), 'skiff-restore-s3-'))
    folders.push(secrets)
    await writeFile(join(secrets, 'right'), 'correct horse\n')
    await writeFile(join(secrets, 'wrong'), 'battery staple\n')
    const passphrase = (name: string) => ['--etcd-snapshot-passphrase-file', join(secrets, name)]
    const first = await start(['--token', 'secret', ...flags, ...passphrase('right')])
    const api = new HttpClient(first)
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept' } }
    expect((await api.post('/api/v1/namespaces/default/configmaps', body)).status).toBe(201)
    api.close()
    const saved = await skiff(
      'etcd-snapshot',
      'save',
      '--data-dir',
      first.dataDir,
      '--etcd-server',
      first.url,
      ...flags,
    )
    expect([saved.code, saved.output]).toEqual([0, expect.stringContaining('saved')])
    const name = /Snapshot (\S+) saved/.exec(saved.output)![1]!
    expect(name).toMatch(/\.enc$/)
    const ca = await readFile(join(first.dataDir, 'server/tls/server-ca.crt'), 'utf8')
    await first.stop()

    const other = await mkdtemp(join(tmpdir(), 'skiff-restore-s3-'))
    folders.push(other)
    const port = String(await freePort())
    const restore = (path: string, ...more: string[]) =>
      skiff(
        ...['server', '--disable-agent', '--data-dir', other, '--https-listen-port', port, '--cluster-reset'],
        ...[`--cluster-reset-restore-path=${path}`, ...flags, ...more],
      )
    const missing = await restore('no-such-snapshot', '--token', 'secret')
    expect([missing.code, missing.output]).toEqual([1, expect.stringContaining('there is no snapshot')])
    const path = await restore(join(first.dataDir, 'server/db/snapshots', name), '--token', 'secret')
    expect([path.code, path.output]).toEqual([1, expect.stringContaining('file of this machine give --etcd-s3=false')])
    const wrong = await restore(name, '--token', 'another', ...passphrase('right'))
    expect([wrong.code, wrong.output]).toEqual([1, expect.stringContaining('encrypted with different token')])
    const locked = await restore(name, '--token', 'secret')
    expect([locked.code, locked.output]).toEqual([1, expect.stringContaining('give the passphrase with')])
    const another = await restore(name, '--token', 'secret', ...passphrase('wrong'))
    expect([another.code, another.output]).toEqual([1, expect.stringContaining('encrypted with another passphrase')])
    const done = await restore(name, '--token', 'secret', ...passphrase('right'))
    expect([done.code, done.output]).toEqual([0, expect.stringContaining('restart without --cluster-reset flag now')])

    const second = await start([], other)
    expect(await readFile(join(other, 'server/tls/server-ca.crt'), 'utf8')).toBe(ca)
    const again = new HttpClient(second)
    expect((await again.get('/api/v1/namespaces/default/configmaps/kept')).status).toBe(200)
    again.close()
  })
})
