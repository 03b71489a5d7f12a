/** One snapshot in one place, and its forms: as an object of the API, and as K3s' ConfigMap tells of it (k3s-io/k3s pkg/etcd/snapshot/types.go). */
import { createHash } from 'node:crypto'
import { Quantity, tryParseQuantity } from '../../bootstrap/api/quantity.ts'
import { parseTime, rfc3339 } from '../../bootstrap/api/time.ts'
import {
  type EtcdSnapshotFile,
  type EtcdSnapshotS3,
  finalizer,
  inS3,
  storageLabel,
  tokenHashAnnotation,
  verifiedAnnotation,
} from './etcd-snapshot-file.ts'

export interface Snapshot {
  /** The file's. */
  readonly name: string
  /** Of the server that took it; empty where S3 does not tell. */
  readonly node: string
  /** A file:// or s3:// URI; empty for one that failed before it had any. */
  readonly location: string
  /** In milliseconds since the epoch, whole seconds. */
  readonly created: number
  /** In bytes. */
  readonly size: number
  /** Not yet written or uploaded, when false. */
  readonly ready: boolean
  readonly metadata?: { readonly [name: string]: string } | undefined
  readonly tokenHash?: string | undefined
  /** When it was last found good, in milliseconds since the epoch. */
  readonly verifiedAt?: number | undefined
  /** For what is in S3. */
  readonly s3?: EtcdSnapshotS3 | undefined
  readonly error?: { readonly at: number; readonly message: string } | undefined
}

const nameLimit = 253
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** The name of its object: from the file's name where that is fit, with a digest that tells nodes and places apart. */
export function objectNameOf(snapshot: Snapshot): string {
  const node = snapshot.node === '' && snapshot.s3 ? inS3 : snapshot.node
  const digest = createHash('sha256').update(`${node}${snapshot.location}`).digest('hex').slice(0, 6)
  const lower = snapshot.name.toLowerCase()
  const fits = subdomain.test(lower) && lower.length + 13 <= nameLimit
  const made = () =>
    `etcd-snapshot-${node.split('.')[0]}-${snapshot.created / 1000}${isCompressed(lower) ? '.zip' : ''}`.toLowerCase()
  return `${snapshot.s3 ? inS3 : 'local'}-${fits ? lower : made()}-${digest}`
}

/** The key by which K3s' ConfigMap and the output of `etcd-snapshot list` know it. */
export function keyOf({ name, s3 }: Pick<Snapshot, 'name' | 's3'>): string {
  return `${s3 ? inS3 : 'local'}-${name.replace(/[^-._a-zA-Z0-9]/g, '_')}`
}

const isCompressed = (name: string) => /\.zip(\.enc)?$/.test(name)

/** Its object, under the name it has in the API unless told another. */
export function objectOf(snapshot: Snapshot, name = objectNameOf(snapshot)): EtcdSnapshotFile {
  const { s3, error, metadata, created, size, ready } = snapshot
  const node = snapshot.node === '' && s3 ? inS3 : snapshot.node
  return {
    apiVersion: 'k3s.cattle.io/v1',
    kind: 'ETCDSnapshotFile',
    metadata: {
      name,
      labels: { [storageLabel]: s3 ? inS3 : node },
      ...annotationsOf(snapshot),
      finalizers: [finalizer],
    },
    spec: {
      snapshotName: snapshot.name,
      nodeName: node,
      location: snapshot.location,
      ...(metadata && Object.keys(metadata).length > 0 ? { metadata } : {}),
      ...(s3 ? { s3 } : {}),
    },
    status: {
      size: Quantity.of(size).toString(),
      creationTime: rfc3339(created),
      readyToUse: ready,
      ...(error ? { error: { time: rfc3339(error.at), message: error.message } } : {}),
    },
  }
}

function annotationsOf({ tokenHash, verifiedAt }: Snapshot): { annotations?: { [name: string]: string } } {
  const annotations = {
    ...(tokenHash ? { [tokenHashAnnotation]: tokenHash } : {}),
    ...(verifiedAt === undefined ? {} : { [verifiedAnnotation]: rfc3339(verifiedAt) }),
  }
  return Object.keys(annotations).length > 0 ? { annotations } : {}
}

export function snapshotOf(object: EtcdSnapshotFile): Snapshot {
  const { spec = {}, status = {}, metadata } = object
  const created = parseTime(status.creationTime) ?? parseTime(metadata.creationTimestamp) ?? 0
  const { error } = status
  return {
    name: spec.snapshotName ?? '',
    node: spec.nodeName ?? '',
    location: spec.location ?? '',
    created,
    size: tryParseQuantity(status.size ?? 0)?.value() ?? 0,
    ready: status.readyToUse ?? false,
    metadata: spec.metadata,
    tokenHash: metadata.annotations?.[tokenHashAnnotation],
    verifiedAt: parseTime(metadata.annotations?.[verifiedAnnotation]),
    s3: spec.s3,
    error: error && { at: parseTime(error.time) ?? created, message: error.message ?? 'etcd snapshot failed' },
  }
}

/** What K3s' ConfigMap says of it, in JSON. */
export function configMapEntryOf({
  name,
  location,
  metadata,
  error,
  node,
  created,
  size,
  ready,
  s3,
}: Snapshot): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const { prefix, ...bucket } = s3 ?? {}
  return JSON.stringify({
    name,
    ...(location === '' ? {} : { location }),
    ...(metadata ? { metadata: base64(JSON.stringify(metadata)) } : {}),
    ...(error ? { message: base64(error.message) } : {}),
    nodeName: s3 ? inS3 : node,
    createdAt: rfc3339(error ? error.at : created),
    ...(size > 0 ? { size } : {}),
    status: ready ? 'successful' : 'failed',
    ...(s3 ? { s3Config: { ...bucket, ...(prefix ? { folder: prefix } : {}) } } : {}),
    compressed: isCompressed(name),
  })
}

/** When a snapshot was taken, by its name: seconds since the epoch at the end, before what tells its form; else as given. */
export function createdOf(fileName: string, otherwiseMs: number): number {
  const seconds = /-(\d{1,12})(?:\.zip)?(?:\.enc)?$/.exec(fileName)?.[1]
  return seconds === undefined ? Math.floor(otherwiseMs / 1000) * 1000 : Number(seconds) * 1000
}

/** `<name>-<node>-<unix>` and the ending that tells its form. */
export function fileNameOf(name: string, node: string, createdMs: number, suffix: string): string {
  return `${name}-${node}-${createdMs / 1000}${suffix}`
}
