/** Snapshots' S3 client against a real S3 server, on good links and bad ones. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { defaultS3Config } from '../../bootstrap/config/s3-config.ts'
import type { ServerConfig } from '../../bootstrap/config/server-config.ts'
import { type Certificates, makeCertificates } from '../../bootstrap/datastore/testing/certificates.ts'
import { type Bucket, type BucketEffects, openBucket } from '../../operators/snapshot/s3/bucket.ts'
import { S3Error } from '../../operators/snapshot/s3/error.ts'
import { fetchSnapshot } from '../../operators/snapshot/s3/fetch.ts'
import type { S3Settings } from '../../operators/snapshot/s3/settings.ts'
import { noS3, type S3Server, startS3 } from '../testbed/s3.ts'
import { type FaultyLink, faultyLink, type HttpProxy, httpProxy, tlsFront } from './s3-links.ts'

jest.setTimeout(120_000)
const mebibyte = 1024 * 1024
const never = new AbortController().signal
const { configSecret: _, ...defaults } = defaultS3Config
const [faketime] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')

const suite = noS3 === undefined ? describe : describe.skip
suite('a bucket', () => {
  let server: S3Server
  let admin: S3Client
  let dir: string
  let link: FaultyLink
  let proxy: HttpProxy
  let certificates: Certificates
  let front: Awaited<ReturnType<typeof tlsFront>>
  const warnings: string[] = []
  const effects: BucketEffects = { log: { warn: (_fields, message) => void warnings.push(message) }, env: {} }

  const settings = (given: Partial<S3Settings> = {}): S3Settings => ({
    ...defaults,
    endpoint: `127.0.0.1:${server.port}`,
    insecure: true,
    bucket: 'backups',
    folder: 'clusters/one',
    accessKey: server.accessKey,
    secretKey: server.secretKey,
    ...given,
  })
  const overLink = (given: Partial<S3Settings> = {}) => settings({ endpoint: `127.0.0.1:${link.port}`, ...given })

  /** Runs `use` with a bucket that is closed afterwards. */
  async function withBucket<T>(given: S3Settings, use: (bucket: Bucket) => Promise<T>): Promise<T> {
    const bucket = await openBucket(given, effects, never)
    try {
      return await use(bucket)
    } finally {
      bucket.close()
    }
  }
  const failure = async (given: S3Settings): Promise<S3Error> => {
    const error = await openBucket(given, effects, never).then(
      bucket => bucket.close(),
      reason => reason,
    )
    expect(error).toBeInstanceOf(S3Error)
    expect((error as S3Error).message).not.toContain('\n')
    return error as S3Error
  }
  async function fileOf(name: string, bytes: number): Promise<{ readonly path: string; readonly content: Buffer }> {
    const [path, content] = [join(dir, name), randomBytes(bytes)]
    await writeFile(path, content)
    return { path, content }
  }
  const unfinished = async (): Promise<readonly string[]> => {
    const { Uploads = [] } = await admin.send(new ListMultipartUploadsCommand({ Bucket: 'backups' }))
    return Uploads.map(({ Key }) => Key ?? '').sort()
  }
  /** Resolves when the link has carried that many bytes from clients; throws when `work` ended before. */
  async function carried(bytes: number, work: Promise<unknown>): Promise<void> {
    let ended = false
    work.finally(() => {
      ended = true
    })
    while (link.sent < bytes) {
      if (ended) throw new Error(`it ended after ${link.sent} bytes: ${String(await work)}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  async function keys(bucket: Bucket, prefix: string): Promise<string[]> {
    const found: string[] = []
    for await (const { key } of bucket.list(prefix, never)) found.push(key)
    return found
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skiff-s3-test-'))
    ;[server, proxy, certificates] = await Promise.all([startS3(), httpProxy(), makeCertificates('nobody')])
    admin = new S3Client({
      endpoint: `http://127.0.0.1:${server.port}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    })
    for (const Bucket of ['backups', 'many']) await admin.send(new CreateBucketCommand({ Bucket }))
    link = await faultyLink(server.port)
    const { cert, key } = certificates.server
    front = await tlsFront(server.port, { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') })
  }, 300_000)

  afterAll(async () => {
    admin?.destroy()
    await Promise.all([link?.destroy(), front?.destroy(), proxy?.destroy()])
    for (const left of [dir, certificates?.dir]) if (left) await rm(left, { recursive: true, force: true })
    await server?.destroy()
  }, 120_000)

  beforeEach(() => {
    link.disconnect()
    link.reset()
    proxy.asked.length = 0
    warnings.length = 0
  })

  test('keeps what it is given, with metadata, below its folder', async () => {
    await withBucket(settings(), async bucket => {
      const small = await fileOf('small', 1000)
      const empty = await fileOf('empty', 0)
      const large = await fileOf('large', 20 * mebibyte + 17)
      const metadata = { 'K3s-Node-Name': 'node-1', 'K3s-Token-Hash': 'abc' }
      expect(await bucket.upload(large.path, 'large.zip', metadata, never)).toEqual({ bytes: large.content.length })
      await bucket.upload(small.path, '.metadata/large.zip', metadata, never)
      await bucket.upload(empty.path, 'empty', {}, never)

      expect(bucket.location('large.zip')).toBe('s3://backups/clusters/one/large.zip')
      const head = await bucket.head('large.zip', never)
      expect(head).toMatchObject({
        key: 'large.zip',
        size: large.content.length,
        metadata: { 'k3s-node-name': 'node-1', 'k3s-token-hash': 'abc' },
      })
      expect(Math.abs(head!.lastModified - Date.now())).toBeLessThan(60_000)
      const type = async (Key: string) =>
        (await admin.send(new HeadObjectCommand({ Bucket: 'backups', Key: `clusters/one/${Key}` }))).ContentType
      expect(await type('large.zip')).toBe('application/zip')
      expect(await type('.metadata/large.zip')).toBe('application/json')
      expect(await type('empty')).toBe('application/octet-stream')

      const to = join(dir, 'back')
      await writeFile(to, 'old', { mode: 0o644 })
      expect(await bucket.download('large.zip', to, never)).toEqual({ bytes: large.content.length })
      expect((await readFile(to)).equals(large.content)).toBe(true)
      expect((await stat(to)).mode & 0o777).toBe(0o600)
      await bucket.download('empty', to, never)
      expect((await stat(to)).size).toBe(0)

      expect(await keys(bucket, '')).toEqual(['.metadata/large.zip', 'empty', 'large.zip'])
      expect(await keys(bucket, 'la')).toEqual(['large.zip'])
      expect(await bucket.remove('large.zip', never)).toBe(true)
      expect(await bucket.remove('large.zip', never)).toBe(false)
      expect(await bucket.head('large.zip', never)).toBeUndefined()
      expect(await keys(bucket, '')).toEqual(['.metadata/large.zip', 'empty'])
    })
    expect(await unfinished()).toEqual([])
  })

  test('reads small objects as text, none as undefined, large ones not at all', async () => {
    await withBucket(settings({ folder: 'texts' }), async bucket => {
      await writeFile(join(dir, 'text'), '{"a":"é"}')
      await bucket.upload(join(dir, 'text'), 'small', {}, never)
      await bucket.upload((await fileOf('big', 2 * mebibyte)).path, 'big', {}, never)
      expect(await bucket.read('small', never)).toBe('{"a":"é"}')
      expect(await bucket.read('none', never)).toBeUndefined()
      await expect(bucket.read('big', never)).rejects.toThrow('read of s3://backups/texts/big: it has 2097152 bytes')
    })
  })

  test('takes a folder as K3s does: slashes in front stay, double ones do not', async () => {
    const { path } = await fileOf('odd', 10)
    await withBucket(settings({ folder: '/odd//folder/' }), async bucket => {
      await bucket.upload(path, 'odd', {}, never)
      expect(bucket.location('odd')).toBe('s3://backups//odd/folder/odd')
      expect(await keys(bucket, '')).toEqual(['odd'])
      expect(await bucket.remove('odd', never)).toBe(true)
    })
  })

  test('downloads of what is not there leave nothing', async () => {
    await withBucket(settings(), async bucket => {
      const place = await mkdtemp(join(dir, 'place-'))
      const error = await bucket.download('none', join(place, 'none'), never).catch(reason => reason)
      expect(error).toMatchObject({
        message: 'download of s3://backups/clusters/one/none: there is no such object',
        notFound: true,
        retriable: false,
      })
      expect(await readdir(place)).toEqual([])
    })
  })

  test('lists more than one page of 1,000', async () => {
    const names = Array.from({ length: 1105 }, (_, index) => `snapshot-${String(index).padStart(5, '0')}`)
    const waiting = names[Symbol.iterator]()
    const put = async () => {
      for (const name of waiting)
        await admin.send(new PutObjectCommand({ Bucket: 'many', Key: `f/${name}`, Body: name }))
    }
    await Promise.all([...Array(8)].map(put))
    await admin.send(new PutObjectCommand({ Bucket: 'many', Key: 'folder-beside/x', Body: 'x' }))
    await withBucket(settings({ bucket: 'many', folder: '/f/'.slice(1) }), async bucket => {
      expect(await keys(bucket, 'snapshot-')).toEqual(names)
    })
    await withBucket(settings({ bucket: 'many', folder: '' }), async bucket => {
      expect(await keys(bucket, '')).toHaveLength(names.length + 1)
    })
  })

  describe('is refused in one line', () => {
    const line = 'failed to test for existence of bucket backups: '

    test.each([
      ['a wrong secret key', { secretKey: 'wrong' }, `${line}the secret key does not belong to access key AKTEST`],
      ['an unknown access key', { accessKey: 'AKNONE' }, `${line}access key AKNONE is not known to S3`],
      ['half of the credentials', { secretKey: '' }, 'etcd-s3-access-key is set without etcd-s3-secret-key'],
      ['a missing bucket', { bucket: 'missing' }, 'bucket missing does not exist'],
      ['no bucket', { bucket: '' }, 's3 bucket name was not set'],
      ['a port that speaks no TLS', { insecure: false }, 'wrong version number): for plain HTTP set etcd-s3-insecure'],
    ])('%s', async (_name, given, message) => {
      const error = await failure(settings(given))
      expect(error.message).toContain(message)
      expect(error.retriable).toBe(false)
    })

    test('no credentials at all', async () => {
      const none = { AWS_EC2_METADATA_DISABLED: 'true', AWS_SHARED_CREDENTIALS_FILE: '/none', AWS_CONFIG_FILE: '/none' }
      const before = { ...process.env }
      Object.assign(process.env, none)
      try {
        const error = await failure(settings({ accessKey: '', secretKey: '' }))
        expect(error.message).toBe(
          `${line}access denied, no credentials were given: set etcd-s3-access-key and etcd-s3-secret-key`,
        )
      } finally {
        for (const name of Object.keys(none)) delete process.env[name]
        Object.assign(process.env, before)
      }
    })

    test('an endpoint where nobody listens, which may change', async () => {
      const error = await failure(settings({ endpoint: '127.0.0.1:1' }))
      expect(error.message).toBe(`${line}127.0.0.1:1 refuses connections`)
      expect(error.retriable).toBe(true)
    })

    test('an endpoint that says nothing', async () => {
      link.freezeAt(1, Number.POSITIVE_INFINITY)
      const error = await failure(overLink({ timeoutMs: 500 }))
      expect(error.message).toContain(`${line}not done within 500ms (etcd-s3-timeout)`)
      expect(error.retriable).toBe(true)
    })
  })

  test('takes credentials from a file of Amazon tools when none are given', async () => {
    const file = join(dir, 'credentials')
    await writeFile(
      file,
      `[default]\naws_access_key_id = ${server.accessKey}\naws_secret_access_key = ${server.secretKey}\n`,
    )
    process.env.AWS_SHARED_CREDENTIALS_FILE = file
    try {
      await withBucket(settings({ accessKey: '', secretKey: '' }), async bucket => {
        expect(await bucket.head('none', never)).toBeUndefined()
      })
    } finally {
      delete process.env.AWS_SHARED_CREDENTIALS_FILE
    }
  })

  describe('is reached', () => {
    const name = 'probe'
    const works = (given: S3Settings, bytes = 1000) =>
      withBucket(given, async bucket => {
        const { path, content } = await fileOf(name, bytes)
        await bucket.upload(path, name, {}, never)
        await bucket.download(name, `${path}-back`, never)
        expect((await readFile(`${path}-back`)).equals(content)).toBe(true)
        expect(await keys(bucket, name)).toEqual([name])
      })

    test('by the name of its host, or by its path, through a proxy', async () => {
      const through = { endpoint: `localhost:${server.port}`, proxy: `http://127.0.0.1:${proxy.port}` }
      await works(settings({ ...through, bucketLookup: 'dns' }), 9 * mebibyte)
      const hosts = () => new Set(proxy.asked.map(({ url }) => new URL(url).host))
      expect(hosts()).toEqual(new Set([`backups.localhost:${server.port}`]))
      proxy.asked.length = 0
      await works(settings(through))
      expect(hosts()).toEqual(new Set([`localhost:${server.port}`]))
      expect(proxy.asked.every(({ url }) => new URL(url).pathname.startsWith('/backups'))).toBe(true)
    })

    test('by the proxy of the environment, unless told otherwise', async () => {
      const env = { HTTP_PROXY: `http://127.0.0.1:${proxy.port}` }
      // Loopback is never asked of the environment's proxy, so the endpoint needs a name that only the proxy knows.
      const given = settings({ endpoint: `s3.test:${server.port}` })
      // For a name that is not its own, this server knows no bucket; who was asked is what counts.
      await expect(openBucket(given, { ...effects, env }, never)).rejects.toThrow('bucket backups does not exist')
      expect(proxy.asked.map(({ url }) => new URL(url).host)).toContain(`s3.test:${server.port}`)
      proxy.asked.length = 0
      const direct = openBucket({ ...given, proxy: 'none' }, { ...effects, env }, never)
      await expect(direct).rejects.toThrow('cannot resolve the host of s3.test')
      expect(proxy.asked).toEqual([])
    })

    test('over TLS with a CA of its own, as file or inline', async () => {
      const tls = { endpoint: `127.0.0.1:${front.port}`, insecure: false }
      const { ca } = certificates.server
      await works(settings({ ...tls, endpointCA: ca }), 9 * mebibyte)
      await works(settings({ ...tls, endpointCA: readFileSync(ca).toString('base64') }))
      await works(settings({ ...tls, endpointCA: `${certificates.otherCa} ${ca}` }))
      await works(settings({ ...tls, skipSSLVerify: true }))
      await works(settings({ ...tls, endpointCA: ca, proxy: `http://127.0.0.1:${proxy.port}` }))
      expect(new Set(proxy.asked.map(({ method, url }) => `${method} ${url}`))).toEqual(
        new Set([`CONNECT 127.0.0.1:${front.port}`]),
      )
    })

    test('over TLS, not by a CA that signed nothing here', async () => {
      const tls = { endpoint: `127.0.0.1:${front.port}`, insecure: false }
      for (const endpointCA of ['', certificates.otherCa]) {
        const error = await failure(settings({ ...tls, endpointCA }))
        expect(error.message).toMatch(
          /the certificate of 127\.0\.0\.1:\d+ is not trusted \(.*\): name its CA with etcd-s3-endpoint-ca/,
        )
      }
    })

    test('with a session token, which the signature covers', async () => {
      await openBucket(
        settings({
          sessionToken: 'TOKEN',
          endpoint: `localhost:${server.port}`,
          proxy: `http://127.0.0.1:${proxy.port}`,
        }),
        effects,
        never,
      ).then(
        bucket => bucket.close(),
        () => undefined,
      )
      const { headers } = proxy.asked[0]!
      expect(headers['x-amz-security-token']).toBe('TOKEN')
      expect(headers.authorization).toMatch(/SignedHeaders=[^,]*x-amz-security-token/)
    })

    test('by a machine whose clock is an hour ahead or behind', async () => {
      if (!faketime) return void console.warn("not tested with wrong clocks: Debian's libfaketime is not installed")
      for (const skew of ['+3600', '-3600']) {
        const input = JSON.stringify({ settings: settings(), file: (await fileOf('skewed', 9 * mebibyte)).path })
        const env = { ...process.env, LD_PRELOAD: faketime, FAKETIME: skew, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
        const program = join(import.meta.dirname, 's3-upload.ts')
        const output = execFileSync(process.execPath, [program], { input, env, encoding: 'utf8', timeout: 100_000 })
        expect(output).toContain("this machine's clock differs from that of S3")
        expect(output).toContain('uploaded 9437184 bytes, then: there is no such object')
      }
    })
  })

  describe('on a bad link', () => {
    test('repeats only the parts that broke', async () => {
      const { path, content } = await fileOf('broken', 30 * mebibyte)
      await withBucket(overLink(), async bucket => {
        link.breakAt({ sent: [3 * mebibyte, 17 * mebibyte, 29 * mebibyte] })
        await bucket.upload(path, 'broken', {}, never)
        // Three parts of 8 MiB at most, out of four, were sent again.
        expect(link.sent).toBeLessThan(56 * mebibyte)
        expect(link.sent).toBeGreaterThan(30 * mebibyte)
      })
      await withBucket(settings(), async bucket => {
        await bucket.download('broken', `${path}-back`, never)
        expect((await readFile(`${path}-back`)).equals(content)).toBe(true)
      })
      expect(await unfinished()).toEqual([])
    })

    test('survives lost answers to every kind of request', async () => {
      const { path, content } = await fileOf('unheard', 9 * mebibyte)
      await withBucket(overLink(), async bucket => {
        for (let lost = 1; lost <= 5; lost++) {
          link.reset()
          // Each answer takes some hundred bytes: one after the other is lost.
          link.breakAt({ answered: [lost * 150] })
          await bucket.upload(path, 'unheard', {}, never)
          expect(await bucket.head('unheard', never)).toMatchObject({ size: content.length })
        }
      })
      expect(await unfinished()).toEqual([])
    })

    test('gives up a connection on which nothing moves', async () => {
      const { path, content } = await fileOf('frozen', 20 * mebibyte)
      await withBucket(overLink({ timeoutMs: 15_000 }), async bucket => {
        link.freezeAt(5 * mebibyte)
        await bucket.upload(path, 'frozen', {}, never)
        expect(await bucket.head('frozen', never)).toMatchObject({ size: content.length })
      })
      expect(await unfinished()).toEqual([])
    })

    test('is used by three parts at a time, over connections that are kept', async () => {
      const { path } = await fileOf('together', 50 * mebibyte)
      await withBucket(overLink(), async bucket => {
        link.limit(30 * mebibyte)
        await bucket.upload(path, 'together', {}, never)
        expect(link.connections).toBe(3)
      })
    })

    test('is patient with a slow one that moves', async () => {
      const { path, content } = await fileOf('slow', 9 * mebibyte)
      await withBucket(overLink({ timeoutMs: 30_000 }), async bucket => {
        link.limit(2 * mebibyte)
        await bucket.upload(path, 'slow', {}, never)
        link.limit(Number.POSITIVE_INFINITY)
        expect(await bucket.head('slow', never)).toMatchObject({ size: content.length })
      })
    })

    test('ends at the time limit, and nothing is left', async () => {
      const { path } = await fileOf('late', 30 * mebibyte)
      await withBucket(overLink({ timeoutMs: 4000 }), async bucket => {
        link.limit(3 * mebibyte)
        const error = await bucket.upload(path, 'late', {}, never).catch(reason => reason)
        expect(error).toMatchObject({ name: 'S3Error', retriable: true })
        expect(error.message).toContain(
          'upload to s3://backups/clusters/one/late: not done within 4s (etcd-s3-timeout)',
        )
      })
      expect(await unfinished()).toEqual([])
    })

    test('ends when told to, and nothing is left', async () => {
      const { path } = await fileOf('stopped', 30 * mebibyte)
      await withBucket(overLink(), async bucket => {
        link.limit(8 * mebibyte)
        const stop = new AbortController()
        const done = bucket.upload(path, 'stopped', {}, stop.signal).catch(reason => reason)
        await carried(10 * mebibyte, done)
        stop.abort(new Error('told to'))
        expect(await done).toMatchObject({ message: 'told to' })
      })
      expect(await unfinished()).toEqual([])
    })

    test('fails when it stays broken; the next try removes what was left', async () => {
      const { path, content } = await fileOf('cut', 30 * mebibyte)
      await withBucket(overLink(), async bucket => {
        link.endAt(12 * mebibyte)
        const error = await bucket.upload(path, 'cut', {}, never).catch(reason => reason)
        expect(error).toMatchObject({ name: 'S3Error', retriable: true })
        expect(error.message).toMatch(
          /^upload to s3:\/\/backups\/clusters\/one\/cut: .*(refuses connections|was broken)/,
        )
        expect(warnings).toEqual(['parts of a failed upload could not be removed from S3'])
        // The server lists what has been begun some time after it has said that it is.
        for (let waited = 0; waited < 100 && (await unfinished()).length === 0; waited++)
          await new Promise(resolve => setTimeout(resolve, 100))
        expect(await unfinished()).toEqual(['clusters/one/cut'])
        link.reset()
        await bucket.upload(path, 'cut', {}, never)
        expect(await bucket.head('cut', never)).toMatchObject({ size: content.length })
      })
      expect(await unfinished()).toEqual([])
    })

    test('removes what a killed process left of the same upload, and of no other', async () => {
      const other = { Bucket: 'backups', Key: 'clusters/one/killed-2' }
      const { UploadId } = await admin.send(new CreateMultipartUploadCommand(other))
      const { path } = await fileOf('killed', 20 * mebibyte)
      link.limit(8 * mebibyte)
      const program = join(import.meta.dirname, 's3-upload.ts')
      const child = spawn(process.execPath, [program], { stdio: ['pipe', 'ignore', 'inherit'] })
      const ended = once(child, 'exit')
      child.stdin.end(JSON.stringify({ settings: overLink(), file: path }))
      await carried(10 * mebibyte, ended)
      child.kill('SIGKILL')
      await ended
      expect(await unfinished()).toEqual(['clusters/one/killed', 'clusters/one/killed-2'])
      await withBucket(settings(), async bucket => {
        await bucket.upload(path, 'killed', {}, never)
      })
      expect(await unfinished()).toEqual(['clusters/one/killed-2'])
      await admin.send(new AbortMultipartUploadCommand({ ...other, UploadId }))
    })

    test('downloads go on where they broke', async () => {
      const { path, content } = await fileOf('resumed', 20 * mebibyte)
      await withBucket(settings(), async bucket => {
        await bucket.upload(path, 'resumed', {}, never)
      })
      await withBucket(overLink(), async bucket => {
        link.breakAt({ answered: [4 * mebibyte, 13 * mebibyte] })
        await bucket.download('resumed', `${path}-back`, never)
        expect((await readFile(`${path}-back`)).equals(content)).toBe(true)
        // What was on its way when it broke came twice; never all of it.
        expect(link.answered).toBeLessThan(40 * mebibyte)
      })
    })

    test('a download that fails leaves the old file as it was', async () => {
      const { path, content } = await fileOf('kept', 20 * mebibyte)
      await withBucket(settings(), async bucket => {
        await bucket.upload(path, 'kept', {}, never)
      })
      const place = await mkdtemp(join(dir, 'place-'))
      await writeFile(join(place, 'to'), 'old')
      await withBucket(overLink({ timeoutMs: 3000 }), async bucket => {
        link.limit(3 * mebibyte)
        await expect(bucket.download('kept', join(place, 'to'), never)).rejects.toThrow('not done within 3s')
      })
      expect(await readdir(place)).toEqual(['to'])
      expect(await readFile(join(place, 'to'), 'utf8')).toBe('old')
      expect(content.length).toBe(20 * mebibyte)
    })

    test('a full disk is said to be full', async () => {
      if (process.getuid?.() !== 0) return void console.warn('not tested with a full disk: only root can mount one')
      const { path } = await fileOf('filling', 6 * mebibyte)
      const place = join(dir, 'disk')
      await mkdir(place)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'skiff-s3-test', place])
      try {
        await withBucket(settings(), async bucket => {
          await bucket.upload(path, 'filling', {}, never)
          const error = await bucket.download('filling', join(place, 'to'), never).catch(reason => reason)
          expect(error).toMatchObject({ name: 'S3Error', retriable: true })
          expect(error.message).toContain(
            "download of s3://backups/clusters/one/filling: no space left on this machine's disk",
          )
          expect(await readdir(place)).toEqual([])
        })
      } finally {
        execFileSync('umount', [place])
      }
    })

    test('a file that shrinks while it is sent is no snapshot', async () => {
      const { path } = await fileOf('shrinking', 20 * mebibyte)
      await withBucket(overLink(), async bucket => {
        link.limit(8 * mebibyte)
        const done = bucket.upload(path, 'shrinking', {}, never).catch(reason => reason)
        await carried(mebibyte, done)
        await writeFile(path, 'short')
        const error = await done
        expect(error).toMatchObject({ name: 'S3Error' })
        expect(error.message).toContain('the file became shorter while it was sent')
      })
      expect(await unfinished()).toEqual([])
    })
  })

  describe('for a restore', () => {
    const config = (given: Partial<S3Settings> & { configSecret?: string }) =>
      ({ s3: { configSecret: '', ...settings(given) } }) as unknown as ServerConfig

    test('is asked by the flags alone', async () => {
      const { path, content } = await fileOf('restored', 1000)
      await withBucket(settings(), async bucket => {
        await bucket.upload(path, 'restored', {}, never)
      })
      await fetchSnapshot(config({}), 'restored', `${path}-back`, never)
      expect((await readFile(`${path}-back`)).equals(content)).toBe(true)
    })

    test('says what is missing', async () => {
      const to = join(dir, 'nothing')
      const fetch = (given: ServerConfig, name = 'missing') => fetchSnapshot(given, name, to, never)
      await expect(fetch(config({}))).rejects.toThrow('there is no snapshot s3://backups/clusters/one/missing')
      await expect(fetch({ s3: undefined } as ServerConfig)).rejects.toThrow('s3 configuration was not set')
      const secretOnly = { s3: { ...defaultS3Config, configSecret: 'bucket' } } as unknown as ServerConfig
      await expect(fetch(secretOnly)).rejects.toThrow('give the etcd-s3 flags instead')
    })
  })
})
