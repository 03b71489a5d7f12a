/** What `etcd-snapshot` asks of a server: POST /db/snapshot (k3s-io/k3s pkg/etcd/snapshot_handler.go). */

import { rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { isStatusError } from '../../bootstrap/api/errors.ts'
import { parseDuration } from '../../bootstrap/api/time.ts'
import type { Kernel } from '../../bootstrap/userland.ts'
import { pruneIn, removeFrom, snapshotsIn } from './cloud.ts'
import { type Context, type OpenBucket, open, Refusal, temporary } from './context.ts'
import { type EtcdSnapshotFile, etcdSnapshotFiles } from './etcd-snapshot-file.ts'
import { Folder } from './folder.ts'
import { reconcileSnapshots } from './reconcile.ts'
import { putRecord } from './records.ts'
import type { S3Config } from './s3/settings.ts'
import { type Changed, pruneFolder, save } from './save.ts'
import { keyOf, objectNameOf, objectOf, type Snapshot, snapshotOf } from './snapshot.ts'

type RouteAnswer = Awaited<ReturnType<Parameters<NonNullable<Kernel['answer']>>[1]>>
type Operation = 'save' | 'list' | 'prune' | 'delete' | 'verify'

interface SnapshotRequest {
  readonly operation: Operation
  readonly names: readonly string[]
  readonly folder: Folder
  readonly compress: boolean
  readonly retention: number
  readonly s3: S3Config | undefined
}

const operations: readonly string[] = ['save', 'list', 'prune', 'delete', 'verify'] satisfies Operation[]

/** Answers a request's body. What is the user's to mend is refused in one line; the rest is thrown. */
export async function answer(body: Buffer, context: Context): Promise<RouteAnswer> {
  try {
    const request = requestIn(body, context)
    return { status: 200, body: await fulfil(request, context) }
  } catch (error) {
    if (error instanceof Refusal) return { status: error.status, body: error.message }
    if (isOneLine(error)) return { status: 500, body: (error as Error).message }
    if (isStatusError(error)) return { status: 500, body: `the API does not answer: ${error.message}` }
    throw error
  }
}

/** Made for users. */
const isOneLine = (error: unknown) => ['SnapshotError', 'S3Error', 'FolderError'].includes((error as Error)?.name)

async function fulfil(request: SnapshotRequest, context: Context): Promise<object> {
  switch (request.operation) {
    case 'save':
      return await saveNow(request, context)
    case 'list':
      return await withBucket(request.s3, context, bucket => list(request, bucket, context))
    case 'prune':
      return await withBucket(request.s3, context, bucket => prune(request, bucket, context))
    case 'delete':
      return await withBucket(request.s3, context, bucket => remove(request, bucket, context))
    case 'verify':
      return await withBucket(request.s3, context, bucket => verify(request, bucket, context))
  }
}

/** A bucket that cannot be had is refused before anything is done. */
async function withBucket<T>(
  s3: S3Config | undefined,
  context: Context,
  work: (bucket: OpenBucket | undefined) => Promise<T>,
): Promise<T> {
  if (!s3) return await work(undefined)
  const opened = await open(s3, context).catch((error: Error) => {
    throw new Refusal(400, `failed to initialize S3 client: ${error.message}`, { cause: error })
  })
  try {
    return await work(opened)
  } finally {
    opened.bucket.close()
  }
}

async function saveNow(request: SnapshotRequest, context: Context): Promise<Changed> {
  const { names, folder, compress, retention, s3 } = request
  await withBucket(s3, context, async () => {})
  const name = names[0] ?? 'on-demand'
  const result = await save({ name, folder, compress, retention, s3, verify: false }, context)
  await reconcileQuietly(s3, result.deleted, context)
  return result
}

async function list(
  { s3, folder }: SnapshotRequest,
  opened: OpenBucket | undefined,
  context: Context,
): Promise<object> {
  const { node, signal } = context
  const known = await knownByLocation(context)
  const remote = opened ? await snapshotsIn(opened.bucket, opened.settings, known, signal) : []
  const local: Snapshot[] = []
  for (const { name, path, created, size } of await folder.list()) {
    const location = `file://${path}`
    const metadata = await folder.readMetadata(name)
    local.push({ ...known.get(location), name, node, location, created, size, ready: true, metadata })
  }
  await reconcileQuietly(s3, [], context)
  const items = [...remote, ...local].map(snapshot => withoutFinalizers(objectOf(snapshot, keyOf(snapshot))))
  return { kind: 'List', apiVersion: 'v1', metadata: {}, items }
}

function withoutFinalizers({ metadata: { finalizers: _, ...metadata }, ...rest }: EtcdSnapshotFile): EtcdSnapshotFile {
  return { ...rest, metadata }
}

async function prune(
  { names, folder, retention, s3 }: SnapshotRequest,
  opened: OpenBucket | undefined,
  context: Context,
): Promise<Changed> {
  const name = names[0] ?? 'on-demand'
  await folder.ensure()
  const local = await pruneFolder(folder, name, retention, context)
  const remote = opened ? await pruneIn(opened.bucket, name, opened.settings.retention, context.signal) : []
  const deleted = [...local, ...remote]
  await reconcileQuietly(s3, deleted, context)
  return { created: [], deleted }
}

async function remove(
  { names, folder, s3 }: SnapshotRequest,
  opened: OpenBucket | undefined,
  context: Context,
): Promise<Changed> {
  const { client, log, node, signal } = context
  await folder.ensure()
  const deleted: string[] = []
  for (const name of names) {
    // Only what is a snapshot, whatever its name, where the request has named the folder.
    const path = (await folder.find(name))?.path
    if (path !== undefined && folder.kind === 'other') await context.engine.inspect(path)
    if (await folder.remove(name)) {
      deleted.push(name)
      log.info({ snapshot: name }, `Snapshot ${name} deleted locally`)
    }
    if (opened && (await removeFrom(opened.bucket, name, signal))) {
      deleted.push(name)
      log.info({ snapshot: name }, `Snapshot ${name} deleted from S3`)
    }
  }
  // Those that failed, or wait for S3, have an object and nothing else.
  const waiting = (await client.list(etcdSnapshotFiles)).items
    .map(snapshotOf)
    .filter(each => !each.ready && each.node === node && names.includes(each.name) && !deleted.includes(each.name))
  deleted.push(...waiting.map(({ name }) => name))
  await reconcileQuietly(s3, deleted, context)
  return { created: [], deleted }
}

interface VerifyResult {
  readonly verified: readonly { name: string; location: string; form: string; revision: number; keys: number }[]
  readonly failed: readonly { name: string; location?: string; message: string }[]
}

/** All there are, where none is named. */
async function verify(
  { names, folder }: SnapshotRequest,
  opened: OpenBucket | undefined,
  context: Context,
): Promise<VerifyResult> {
  const verified: VerifyResult['verified'][number][] = []
  const failed: VerifyResult['failed'][number][] = []
  const known = await knownByLocation(context)
  const asked = names.length > 0 ? names : await allNames(folder, opened, context)
  for (const name of asked) {
    const fail = (error: Error, location?: string) => {
      if (!isOneLine(error)) throw error
      failed.push({ name, ...(location === undefined ? {} : { location }), message: error.message })
    }
    let found = false
    try {
      for await (const { path, location } of copiesOf(name, folder, opened, context)) {
        found = true
        const good = await context.engine.verify(path, context.signal).catch(error => fail(error, location))
        if (!good) continue
        verified.push({ name, location, ...good })
        const record = known.get(location)
        if (record) await putRecord({ ...record, verifiedAt: context.clock.now() }, context)
      }
      if (!found) failed.push({ name, message: `there is no snapshot ${name}` })
    } catch (error) {
      fail(error as Error)
    }
  }
  return { verified, failed }
}

async function allNames(folder: Folder, opened: OpenBucket | undefined, { signal }: Context): Promise<string[]> {
  const names = new Set((await folder.list()).map(({ name }) => name))
  if (opened) for await (const { key } of opened.bucket.list('', signal)) if (!key.includes('/')) names.add(key)
  return [...names].sort()
}

/** The snapshot's files: that on disk, and a copy of that in S3 for as long as it is looked at. */
async function* copiesOf(
  name: string,
  folder: Folder,
  opened: OpenBucket | undefined,
  { signal }: Context,
): AsyncGenerator<{ path: string; location: string }> {
  const local = await folder.find(name)
  if (local) yield { path: local.path, location: `file://${local.path}` }
  if (!opened || !(await opened.bucket.head(name, signal))) return
  const path = temporary(folder)
  try {
    await opened.bucket.download(name, path, signal)
    yield { path, location: opened.bucket.location(name) }
  } finally {
    await rm(path, { force: true })
  }
}

async function knownByLocation({ client }: Context): Promise<Map<string, Snapshot>> {
  const { items } = await client.list(etcdSnapshotFiles)
  // Only what its name confirms: others may have written anything.
  const own = items.filter(object => objectNameOf(snapshotOf(object)) === object.metadata.name)
  return new Map(own.map(object => [object.spec?.location ?? '', snapshotOf(object)]))
}

/** What was asked for is done; the objects are compared again before long. */
async function reconcileQuietly(s3: S3Config | undefined, deleted: readonly string[], context: Context): Promise<void> {
  await reconcileSnapshots(context, s3, deleted).catch(error => {
    context.log.warn({ err: error }, 'cannot reconcile ETCDSnapshotFile resources')
  })
}

function requestIn(body: Buffer, { settings, folder }: Context): SnapshotRequest {
  const given = jsonIn(body)
  const operation = given.operation
  if (typeof operation !== 'string' || !operations.includes(operation))
    throw new Refusal(400, 'invalid snapshot operation')
  const names = optional(given, 'name', isTexts) ?? []
  for (const name of names)
    if (basename(name) !== name || name.startsWith('.') || name === '')
      throw new Refusal(400, `invalid snapshot name ${JSON.stringify(name)}: path traversal not allowed`)
  const dir = optional(given, 'dir', isText)
  const s3 = optional(given, 's3', isObject)
  return {
    operation: operation as Operation,
    names,
    folder: dir === undefined || dir === folder.path ? folder : new Folder(absolute(dir), 'other'),
    compress: optional(given, 'compress', isBool) ?? settings.compress,
    retention: optional(given, 'retention', isNumber) ?? settings.retention,
    s3: s3 && s3In(s3, settings.retention),
  }
}

function absolute(dir: string): string {
  if (!dir.startsWith('/')) throw new Refusal(400, `invalid snapshot dir ${JSON.stringify(dir)}: want an absolute path`)
  return dir.length > 1 && dir.endsWith('/') ? `${dirname(`${dir}x`)}` : dir
}

type Given = { readonly [name: string]: unknown }
const isText = (value: unknown): value is string => typeof value === 'string'
const isBool = (value: unknown): value is boolean => typeof value === 'boolean'
const isNumber = (value: unknown): value is number => Number.isInteger(value)
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText)
const isObject = (value: unknown): value is Given => typeof value === 'object' && !Array.isArray(value)

function optional<T>(given: Given, name: string, is: (value: unknown) => value is T): T | undefined {
  const value = given[name]
  if (value === undefined || value === null) return undefined
  if (!is(value)) throw new Refusal(400, `invalid snapshot request: ${name} is of the wrong type`)
  return value
}

function jsonIn(body: Buffer): Given {
  try {
    const value: unknown = JSON.parse(body.toString())
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Given
  } catch {
    // Refused below.
  }
  throw new Refusal(400, 'invalid snapshot request: want a JSON object with "operation"')
}

/** The fields of K3s' config.EtcdS3. */
function s3In(given: Given, retention: number): S3Config {
  const text = (name: string, otherwise = '') => optional(given, name, isText) || otherwise
  const bool = (name: string) => optional(given, name, isBool) ?? false
  const timeout = given.timeout
  const timeoutMs = typeof timeout === 'number' ? timeout / 1e6 : (parseDuration(text('timeout')) ?? 0)
  return {
    accessKey: text('accessKey'),
    bucket: text('bucket'),
    bucketLookup: text('bucketLookup'),
    configSecret: text('configSecret'),
    endpoint: text('endpoint', 's3.amazonaws.com'),
    endpointCA: text('endpointCA'),
    folder: text('folder'),
    insecure: bool('insecure'),
    proxy: text('proxy'),
    region: text('region', 'us-east-1'),
    retention: optional(given, 'retention', isNumber) ?? retention,
    secretKey: text('secretKey'),
    sessionToken: text('sessionToken'),
    skipSSLVerify: bool('skipSSLVerify'),
    timeoutMs: timeoutMs > 0 ? timeoutMs : 300_000,
  }
}
