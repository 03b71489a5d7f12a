/** ETCDSnapshotFile (k3s.cattle.io/v1) and the names K3s' users know from it (k3s-io/k3s pkg/etcd/snapshot, pkg/apis/k3s.cattle.io). */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { clusterWide } from '../../bootstrap/client/resources.ts'

export interface EtcdSnapshotS3 {
  readonly endpoint?: string
  readonly endpointCA?: string
  readonly skipSSLVerify?: boolean
  readonly bucket?: string
  readonly bucketLookup?: string
  readonly region?: string
  /** The folder. */
  readonly prefix?: string
  readonly insecure?: boolean
}

export interface EtcdSnapshotFile extends KubeObject {
  readonly spec?: {
    readonly snapshotName?: string
    readonly nodeName?: string
    readonly location?: string
    readonly metadata?: { readonly [name: string]: string }
    readonly s3?: EtcdSnapshotS3
  }
  readonly status?: {
    /** A quantity of bytes. */
    readonly size?: string | number
    readonly creationTime?: string
    readonly readyToUse?: boolean
    readonly error?: { readonly time?: string; readonly message?: string }
  }
}

export const etcdSnapshotFiles = clusterWide<EtcdSnapshotFile>(
  'k3s.cattle.io',
  'v1',
  'etcdsnapshotfiles',
  'ETCDSnapshotFile',
)

export const storageLabel = 'etcd.k3s.cattle.io/snapshot-storage-node'
export const tokenHashAnnotation = 'etcd.k3s.cattle.io/snapshot-token-hash'
/** Ours: when the snapshot was last found good by a dry run of a restore. */
export const verifiedAnnotation = 'etcd.k3s.cattle.io/snapshot-verified'
export const finalizer = 'wrangler.cattle.io/managed-etcd-snapshots-controller'

/** On the Node of a server: when its snapshots, and those of S3, were last compared with the objects. */
export const localReconciledAnnotation = 'etcd.k3s.cattle.io/local-snapshots-timestamp'
export const s3ReconciledAnnotation = 'etcd.k3s.cattle.io/s3-snapshots-timestamp'

/** In kube-system: what is copied into the metadata of each snapshot, and where K3s tells of snapshots that have some. */
export const extraMetadataName = 'k3s-etcd-snapshot-extra-metadata'
export const snapshotsConfigMapName = 'k3s-etcd-snapshots'

/** In place of a node's name, for what is in S3. */
export const inS3 = 's3'
