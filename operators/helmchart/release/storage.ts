/**
 * Where releases are kept: one Secret or ConfigMap per revision, in the release's namespace, named and labelled as Helm's
 * storage drivers do (pkg/storage, pkg/storage/driver).
 */
import { ignoreNotFound, isAlreadyExists, isNotFound } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../../bootstrap/client/client.ts'
import { configMaps, secrets } from '../../../bootstrap/client/resources.ts'
import type { Clock, Logger } from '../../runtime/operator.ts'
import { decodeRelease, encodeRelease } from './encode.ts'
import type { Release } from './release.ts'

export type Driver = 'secret' | 'configmap'

/** Labels that are Helm's; users may not set them. */
export const systemLabels: readonly string[] = ['name', 'owner', 'status', 'version', 'createdAt', 'modifiedAt']

export interface Storage {
  /** Revisions of a release, oldest first. Records that cannot be read are left out. */
  history(name: string, namespace: string): Promise<Release[]>
  /** Every revision of every release of a namespace, or of all when it is empty. */
  all(namespace: string): Promise<Release[]>
  /** Stores a new revision, first making room for it. Rejects with "release: already exists" when there is one. */
  create(release: Release, maxHistory?: number): Promise<void>
  update(release: Release): Promise<void>
  /** Content with a record that is gone already. */
  remove(release: Release): Promise<void>
}

export interface StorageOptions {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
  readonly driver: Driver
}

export function createStorage({ client, clock, log, driver }: StorageOptions): Storage {
  const resource = (driver === 'secret' ? secrets : configMaps) as unknown as Resource
  const created = new Map<string, string>()

  async function find(namespace: string, labelSelector: string): Promise<Release[]> {
    const options = { labelSelector, ...(namespace === '' ? {} : { namespace }) }
    const { items } = await client.list(resource, options)
    const found = await Promise.all(items.map(item => read(item)))
    return found.filter(release => release !== undefined).sort((a, b) => a.version - b.version)
  }

  async function read(record: KubeObject): Promise<Release | undefined> {
    const text = (record.data as { release?: string } | undefined)?.release ?? ''
    const { labels = {}, name = '', namespace = '' } = record.metadata
    if (labels.createdAt !== undefined) created.set(`${namespace}/${name}`, labels.createdAt)
    try {
      const release = await decodeRelease(driver === 'secret' ? Buffer.from(text, 'base64').toString('latin1') : text)
      const own = Object.entries(labels).filter(([label]) => !systemLabels.includes(label))
      return { ...release, namespace: release.namespace || namespace, labels: Object.fromEntries(own) }
    } catch (error) {
      log.debug({ record: `${namespace}/${name}`, error }, 'failed to decode release')
      return undefined
    }
  }

  async function recordOf(release: Release, times: { [label: string]: string }): Promise<KubeObject> {
    const text = await encodeRelease(release)
    const { name, namespace, version, info } = release
    const labels = {
      ...release.labels,
      ...times,
      name,
      owner: 'helm',
      status: info.status,
      version: String(version),
    }
    const metadata = { name: recordName(name, version), namespace, labels }
    return driver === 'secret'
      ? {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata,
          type: 'helm.sh/release.v1',
          data: { release: Buffer.from(text, 'latin1').toString('base64') },
        }
      : { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { release: text } }
  }

  const now = () => String(Math.floor(clock.now() / 1000))

  const storage: Storage = {
    history: (name, namespace) => find(namespace, `name=${name},owner=helm`),
    all: namespace => find(namespace, 'owner=helm'),

    async create(release, maxHistory = 0) {
      if (maxHistory > 0) await prune(storage, release, maxHistory - 1)
      const createdAt = now()
      const record = await recordOf(release, { createdAt })
      try {
        await client.create(resource, record, { fieldManager: 'helm' })
      } catch (error) {
        if (isAlreadyExists(error)) throw new Error('release: already exists')
        throw new Error(`create: failed to create: ${(error as Error).message}`, { cause: error })
      }
      created.set(`${release.namespace}/${record.metadata.name}`, createdAt)
    },

    async update(release) {
      const createdAt = created.get(`${release.namespace}/${recordName(release.name, release.version)}`)
      const record = await recordOf(release, {
        ...(createdAt === undefined ? {} : { createdAt }),
        modifiedAt: now(),
      })
      try {
        await client.update(resource, record, { fieldManager: 'helm' })
      } catch (error) {
        throw new Error(`update: failed to update: ${(error as Error).message}`, { cause: error })
      }
    },

    async remove({ name, namespace, version }) {
      await client.delete(resource, { name: recordName(name, version), namespace }).catch(ignoreNotFound)
    },
  }
  return storage
}

/** "sh.helm.release.v1.NAME.v3". */
export function recordName(name: string, revision: number): string {
  return `sh.helm.release.v1.${name}.v${revision}`
}

/** Whether a failed write to the storage failed because the record is gone, e.g. with its namespace. */
export const isRecordGone = (error: unknown) => error instanceof Error && isNotFound(error.cause)

/** Forgets the oldest revisions until at most `keep` are left; the deployed one stays whatever its age. */
async function prune(storage: Storage, release: Release, keep: number): Promise<void> {
  const revisions = await storage.history(release.name, release.namespace)
  const deployed = revisions.findLast(({ info }) => info.status === 'deployed')
  let excess = revisions.length - keep
  for (const revision of revisions) {
    if (excess <= 0) return
    if (revision.version === deployed?.version) continue
    await storage.remove(revision)
    excess--
  }
}
