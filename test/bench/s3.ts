/** Snapshots to S3 and back: 1 GB each way to a real server on loopback and over a thin link, next to what curl does there. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { defaultS3Config } from '../../bootstrap/config/s3-config.ts'
import type { S3Settings } from '../../operators/snapshot/s3/settings.ts'
import { faultyLink } from '../integration/s3-links.ts'
import { noS3, type S3Server, startS3 } from '../testbed/s3.ts'
import { timed } from './measure.ts'
import { report } from './row.ts'
import type { Measured } from './s3-process.ts'

const megabytes = 1000
/** Of the thin link, in MB/s: 1 Gbit/s is 125. */
const thin = 60
const thinMegabytes = 150
/** In turn with the floor, the best of each: the machine is not the same all the time. */
const thinRounds = 3

const { configSecret: _, ...defaults } = defaultS3Config

/** In a process of its own, so that its memory is its own; under Node's flags as bin/skiff has them. */
async function ours(settings: S3Settings, file: string): Promise<Measured> {
  const program = join(import.meta.dirname, 's3-process.ts')
  const child = spawn(process.execPath, ['--expose-gc', '--max-semi-space-size=16', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', data => (output += data))
  child.stdin.end(JSON.stringify({ settings, file }))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the upload ended with ${code}`)
  return JSON.parse(output) as Measured
}

/** Neither reads the body for a checksum. */
async function curl(server: S3Server, port: number, args: readonly string[], key: string): Promise<number> {
  const signed = ['--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', `${server.accessKey}:${server.secretKey}`]
  const unsigned = ['-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD']
  const command = ['-sf', ...signed, ...unsigned, ...args, `http://127.0.0.1:${port}/backups/${key}`]
  const child = spawn('curl', command, { stdio: ['ignore', 'ignore', 'inherit'] })
  return timed(async () => {
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`curl ended with ${code}`)
  })
}

async function withServer(use: (server: S3Server, settings: S3Settings) => Promise<void>): Promise<void> {
  const server = await startS3()
  try {
    const { accessKey, secretKey } = server
    const endpoint = `127.0.0.1:${server.port}`
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
    const admin = new S3Client({
      endpoint: `http://${endpoint}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials,
    })
    await admin.send(new CreateBucketCommand({ Bucket: 'backups' }))
    // The first object makes the server's pools, the first upload in parts another: that takes it more than a second each.
    const parts = { Bucket: 'backups', Key: 'first' }
    const { UploadId } = await admin.send(new CreateMultipartUploadCommand(parts))
    await admin.send(new AbortMultipartUploadCommand({ ...parts, UploadId }))
    admin.destroy()
    await curl(server, server.port, ['-T', '/etc/hostname'], 'first')
    await use(server, { ...defaults, endpoint, insecure: true, bucket: 'backups', accessKey, secretKey })
  } finally {
    await server.destroy()
  }
}

async function loopback(file: string, dir: string): Promise<void> {
  let floor = { up: 0, down: 0 }
  await withServer(async server => {
    const up = await curl(server, server.port, ['-T', file], 'floor')
    floor = { up, down: await curl(server, server.port, ['-o', join(dir, 'floor')], 'floor') }
  })
  rmSync(join(dir, 'floor'))
  await withServer(async (_server, settings) => {
    const { upMs, downMs, upPeakMegabytes, downPeakMegabytes, idleMegabytes } = await ours(settings, file)
    const rate = (ms: number) => (megabytes / ms) * 1000
    report({
      figure: `S3: upload of ${megabytes / 1000} GB on loopback`,
      unit: 'MB/s',
      skiff: rate(upMs),
      floor: { value: rate(floor.up), what: 'one PUT by curl, its content not signed' },
    })
    const idle = { value: idleMegabytes, what: 'the same process once it is connected' }
    report({ figure: '  peak memory of the process', unit: 'MB', skiff: upPeakMegabytes, floor: idle })
    report({
      figure: 'S3: download of the same',
      unit: 'MB/s',
      skiff: rate(downMs),
      floor: { value: rate(floor.down), what: 'one GET by curl' },
    })
    report({ figure: '  peak memory of the process', unit: 'MB', skiff: downPeakMegabytes, floor: idle })
  })
}

async function thinLink(file: string): Promise<void> {
  await withServer(async (server, settings) => {
    const link = await faultyLink(server.port)
    link.limit(thin * 1e6)
    const [floors, times]: [number[], number[]] = [[], []]
    for (let round = 0; round < thinRounds; round++) {
      floors.push(await curl(server, link.port, ['-T', file], 'floor'))
      times.push((await ours({ ...settings, endpoint: `127.0.0.1:${link.port}` }, file)).upMs)
    }
    const rate = (ms: readonly number[]) => (thinMegabytes / Math.min(...ms)) * 1000
    report({
      figure: `S3: upload of ${thinMegabytes} MB over a link of ${thin} MB/s`,
      unit: 'MB/s',
      skiff: rate(times),
      floor: { value: rate(floors), what: 'one PUT by curl, its content not signed' },
    })
    await link.destroy()
  })
}

function fileOf(path: string, megabytes: number): string {
  execFileSync('dd', ['if=/dev/urandom', `of=${path}`, 'bs=1M', `count=${Math.ceil((megabytes * 1e6) / 2 ** 20)}`], {
    stdio: 'ignore',
  })
  execFileSync('truncate', ['-s', String(megabytes * 1e6), path])
  return path
}

if (noS3 === undefined) {
  const dir = mkdtempSync(join(tmpdir(), 'skiff-bench-s3-'))
  try {
    await thinLink(fileOf(join(dir, 'thin'), thinMegabytes))
    await loopback(fileOf(join(dir, 'large'), megabytes), dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
