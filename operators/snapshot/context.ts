/** What all parts of the snapshots' operator share. */
import { randomUUID } from 'node:crypto'
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { leases, namespaces, nodes } from '../../bootstrap/client/resources.ts'
import type { Kernel, KernelSnapshots } from '../../bootstrap/userland.ts'
import type { Cluster } from '../runtime/operator.ts'
import { Folder } from './folder.ts'
import type { SnapshotMetrics } from './metrics.ts'
import type { RecordEffects } from './records.ts'
import { type Bucket, openBucket } from './s3/bucket.ts'
import { type S3Config, type S3Settings, settingsOf } from './s3/settings.ts'

/** An answer to a request that cannot be fulfilled, in one line. */
export class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Refusal'
    this.status = status
  }
}

export interface OpenBucket {
  readonly bucket: Bucket
  readonly settings: S3Settings
}

export interface Context extends RecordEffects, Pick<Cluster, 'clock' | 'log' | 'signal' | 'random'> {
  /** This server's node. */
  readonly node: string
  /** It runs no agent, so there is no Node to annotate. */
  readonly agentless: boolean
  readonly engine: KernelSnapshots
  /** The label of nodes that have a server with data of its own: `node-role.kubernetes.io/` and this. */
  readonly role: 'etcd' | 'control-plane'
  readonly settings: Kernel['config']['snapshots']
  /** Where scheduled snapshots go besides. */
  readonly s3: S3Config | undefined
  readonly folder: Folder
  readonly connect: (settings: S3Settings) => Promise<Bucket>
  readonly metrics: SnapshotMetrics
  /** Whether a snapshot that is due is this server's to take: its own data, or it leads those that share a database. */
  readonly isMine: () => Promise<boolean>
  readonly state: State
}

/** What is lost with the process, and may be. */
export interface State {
  saving: boolean
  /** Names of snapshots being sent to S3 now. */
  readonly uploading: Set<string>
  /** By snapshot: a bucket that only a request has named, for as long as its upload is retried. */
  readonly buckets: Map<string, S3Config>
  /** When S3 was last found to work, in milliseconds since the epoch. */
  uploadedAt: number
  /** Looks at all pending uploads again. */
  wake: () => void
  /** What compares objects with files runs one after another. */
  turn: Promise<unknown>
  /** So do uploads that are tried again. */
  readonly retries: { turn: Promise<unknown> }
}

/** Who runs K3s' own operators where servers share all. */
const electionLease = { name: 'k3s', namespace: 'kube-system' }

export function contextOf(
  kernel: Kernel,
  engine: KernelSnapshots,
  cluster: Cluster,
  metrics: SnapshotMetrics,
): Context {
  const { config, candidate, etcd } = kernel
  const { client, clock, log, signal, random } = cluster
  const { snapshots: settings } = config
  const alone = candidate === undefined || etcd !== undefined
  return {
    client,
    clock,
    log,
    signal,
    random,
    events: cluster.events.as?.('k3s-supervisor') ?? cluster.events,
    node: config.nodeName,
    agentless: config.disableAgent,
    engine,
    role: etcd === undefined ? 'control-plane' : 'etcd',
    settings,
    s3: settings.disabled ? undefined : config.s3,
    folder: new Folder(settings.dir, settings.dirIsDefault ? 'default' : 'configured'),
    connect: asked => openBucket(asked, { log, env: process.env }, signal),
    metrics,
    isMine: async () => alone || (await client.get(leases, electionLease)).spec?.holderIdentity === candidate,
    state: newState(),
  }
}

export function newState(): State {
  return {
    saving: false,
    uploading: new Set(),
    buckets: new Map(),
    uploadedAt: 0,
    wake: () => {},
    turn: Promise.resolve(),
    retries: { turn: Promise.resolve() },
  }
}

/** Opens the bucket that the configuration, or the Secret it names, tells of; S3Error otherwise. The caller closes it. */
export async function open(config: S3Config, { client, log, connect }: Context): Promise<OpenBucket> {
  const settings = await settingsOf(config, { client, log })
  return { bucket: await connect(settings), settings }
}

/** A file's path beside `folder`'s own, hidden from listings. */
export const temporary = (folder: Folder): string => folder.file(`.${randomUUID()}.tmp`)

/** What S3 objects are tagged with: the uid of kube-system, by which K3s tells clusters apart. */
export async function clusterIdOf({ client }: Context): Promise<string> {
  return (await client.get(namespaces, { name: 'kube-system' }).catch(ignoreNotFound))?.metadata.uid ?? ''
}

/** Nodes that have a server, this one's included. */
export async function serverNodes({ client, role, node }: Context): Promise<Set<string>> {
  const { items } = await client.list(nodes, { labelSelector: `node-role.kubernetes.io/${role}` })
  return new Set([node, ...items.map(({ metadata }) => metadata.name!)])
}

/** Tells of trouble on this server's Node. */
export function warnOnNode({ events, node }: Context, reason: string, message: string): void {
  events.event({ apiVersion: 'v1', kind: 'Node', metadata: { name: node, uid: node } }, 'Warning', reason, message)
}

/** One after another: what compares and writes objects. */
export async function inTurn<T>(state: Pick<State, 'turn'>, work: () => Promise<T>): Promise<T> {
  const mine = state.turn.then(work, work)
  state.turn = mine.catch(() => {})
  return await mine
}
