/** A server's snapshots under test: real files, the API in memory, a bucket that is a folder and fails when told. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { namespaces } from '../../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../../bootstrap/client/testing/memory-client.ts'
import type { Kernel, KernelSnapshots } from '../../../bootstrap/userland.ts'
import type { Cluster, Operator } from '../../runtime/operator.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { type Context, newState } from '../context.ts'
import { type EtcdSnapshotFile, etcdSnapshotFiles } from '../etcd-snapshot-file.ts'
import { Folder } from '../folder.ts'
import { snapshotOperator } from '../operator.ts'
import type { Bucket } from '../s3/bucket.ts'
import { S3Error } from '../s3/error.ts'
import type { S3Config, S3Settings } from '../s3/settings.ts'

export const s3Config: S3Config = {
  accessKey: 'key',
  bucket: 'backups',
  bucketLookup: '',
  configSecret: '',
  endpoint: 's3.test',
  endpointCA: '',
  folder: 'prod',
  insecure: false,
  proxy: '',
  region: 'us-east-1',
  retention: 5,
  secretKey: 'secret',
  sessionToken: '',
  skipSSLVerify: false,
  timeoutMs: 300_000,
}

/** S3 as a folder: its objects' times are those of the clock. */
export class FolderStore {
  /** What calls fail with; nothing when it is undefined. */
  trouble: string | undefined
  /** Calls so far, as "upload key". */
  readonly calls: string[] = []
  readonly #root: string
  readonly #now: () => number
  readonly #heads = new Map<string, { metadata: { readonly [name: string]: string }; lastModified: number }>()

  constructor(root: string, now: () => number) {
    this.#root = root
    this.#now = now
  }

  async keys(): Promise<string[]> {
    return [...this.#heads.keys()].sort()
  }

  async put(key: string, text: string, metadata: { readonly [name: string]: string } = {}): Promise<void> {
    await mkdir(dirname(join(this.#root, key)), { recursive: true })
    await writeFile(join(this.#root, key), text)
    this.#heads.set(key, { metadata, lastModified: this.#now() })
  }

  open(settings: S3Settings): Bucket {
    const path = (key: string) => join(settings.folder, key)
    const file = (key: string) => join(this.#root, path(key))
    const check = (call: string) => {
      this.calls.push(call)
      if (this.trouble !== undefined) throw new S3Error(this.trouble, { retriable: true })
    }
    const head = async (key: string) => {
      const found = this.#heads.get(path(key))
      return found && { key, size: (await stat(file(key))).size, ...found }
    }
    check('open')
    const self = this
    return {
      async *list(prefix) {
        check(`list ${prefix}`)
        for (const full of await self.keys())
          if (full.startsWith(path(prefix))) yield (await head(full.slice(path('').length).replace(/^\//, '')))!
      },
      head: async key => {
        check(`head ${key}`)
        return head(key)
      },
      read: async key => (await head(key)) && (await readFile(file(key), 'utf8')),
      upload: async (from, key, metadata) => {
        check(`upload ${key}`)
        await self.put(path(key), await readFile(from, 'utf8'), metadata)
        return { bytes: (await stat(file(key))).size }
      },
      download: async (key, to) => {
        await copyFile(file(key), to)
        return { bytes: (await stat(to)).size }
      },
      remove: async key => {
        check(`remove ${key}`)
        if (!self.#heads.delete(path(key))) return false
        await rm(file(key))
        return true
      },
      location: key => `s3://${settings.bucket}/${settings.folder}/${key}`,
      close: () => {},
    }
  }
}

type Handle = Parameters<NonNullable<Kernel['answer']>>[1]

export interface BenchOptions {
  readonly node?: string
  readonly s3?: S3Config
  readonly agentless?: boolean
  readonly disabled?: boolean
  readonly retention?: number
  readonly isMine?: () => Promise<boolean>
  /** What an earlier bench left. */
  readonly of?: Bench
}

export class Bench {
  readonly harness: Harness
  readonly store: FolderStore
  readonly root: string
  readonly folder: string
  /** Taking fails with it. */
  takeFails: string | undefined
  /** Whatever is asked of the API fails with it. */
  apiFails: Error | undefined
  /** Every snapshot is found damaged. */
  verifyFails: string | undefined
  /** The schedule's moment has come. */
  due: () => void = () => {}
  schedule = ''
  context!: Context
  #answer: Handle | undefined
  readonly #options: BenchOptions

  private constructor(root: string, options: BenchOptions) {
    this.root = root
    this.#options = options
    this.folder = join(root, 'db/snapshots')
    this.harness = new Harness(
      options.of ? options.of.harness.client : new MemoryClient({ now: () => this.now(), whole: [etcdSnapshotFiles] }),
    )
    this.store = options.of?.store ?? new FolderStore(join(root, 's3'), () => this.now())
  }

  static async start(options: BenchOptions = {}): Promise<Bench> {
    const bench = new Bench(options.of?.root ?? (await mkdtemp(join(tmpdir(), 'skiff-snapshots-'))), options)
    if (!options.of)
      bench.harness.client.seed(namespaces, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: 'kube-system', uid: 'cluster-1' },
        spec: {},
      })
    await bench.harness.start(...bench.operators())
    await bench.settle()
    return bench
  }

  now(): number {
    return this.harness.clock.now()
  }

  operators(): readonly Operator[] {
    const kernel = {
      snapshots: this.engine(),
      answer: (_path: string, handle: Handle) => {
        this.#answer = handle
      },
    } as unknown as Kernel
    return snapshotOperator(kernel, {
      context: cluster => (this.context = this.#context(cluster)),
      schedule: async (expression, due) => {
        this.schedule = expression
        this.due = due
      },
    })
  }

  engine(): KernelSnapshots {
    const verify = async (file: string) => {
      if (this.verifyFails !== undefined)
        throw Object.assign(new Error(`${file}: ${this.verifyFails}`), { name: 'SnapshotError' })
      return { form: 'sqlite', revision: 7, keys: (await readFile(file, 'utf8')).length } as const
    }
    return {
      engine: 'sqlite',
      tokenHash: 'b4b83cda3099',
      suffix: compress => (compress ? '.zip' : ''),
      notReady: async () => undefined,
      inspect: async () => ({ form: 'sqlite', compressed: false, encrypted: false }),
      verify,
      take: async file => {
        if (this.takeFails !== undefined) throw Object.assign(new Error(this.takeFails), { name: 'SnapshotError' })
        await writeFile(file, 'all of it')
        return { bytes: 9, revision: 7 }
      },
    }
  }

  #context({ client, clock, log, signal, random, events }: Cluster): Context {
    const { node = 'n1', s3, agentless = true, disabled = false, retention = 5, isMine } = this.#options
    return {
      client: this.#failing(client),
      clock,
      log,
      signal,
      random,
      events,
      node,
      agentless,
      engine: this.engine(),
      role: 'control-plane',
      settings: {
        disabled,
        name: 'etcd-snapshot',
        schedule: '0 */12 * * *',
        reconcileIntervalMs: 600_000,
        retention,
        dir: this.folder,
        dirIsDefault: true,
        compress: false,
      },
      s3,
      folder: new Folder(this.folder, 'default'),
      connect: async settings => this.store.open(settings),
      metrics: { measure: (_what, work) => work() },
      isMine: isMine ?? (async () => true),
      state: newState(),
    }
  }

  #failing(client: Cluster['client']): Cluster['client'] {
    const get = (target: object, name: string | symbol) => {
      if (this.apiFails) return () => Promise.reject(this.apiFails)
      const found: unknown = Reflect.get(target, name)
      return typeof found === 'function' ? found.bind(target) : found
    }
    return new Proxy<Cluster['client']>(client, { get })
  }

  /** What POST /db/snapshot answers. */
  async ask(request: object | string): Promise<{ status: number; body: unknown }> {
    const text = typeof request === 'string' ? request : JSON.stringify(request)
    const answer = await this.#answer!(Buffer.from(text))
    await this.settle()
    return answer
  }

  /** A scheduled snapshot, and all that follows. Time moves on by a minute. */
  async tick(): Promise<void> {
    this.due()
    await this.advance(0)
    await this.advance(60_000)
  }

  /** Moves time on, and waits for what comes of it. */
  async advance(ms: number): Promise<void> {
    await this.harness.clock.advance(ms)
    await this.settle()
  }

  /** Files take real time: until nothing has happened for a while. */
  async settle(): Promise<void> {
    const { client } = this.harness
    let quiet = 0
    let seen = -1
    while (quiet < 5) {
      await new Promise(resolve => setTimeout(resolve, 5))
      await this.harness.idle()
      const busy = this.context?.state.saving || (this.context?.state.uploading.size ?? 0) > 0
      quiet = seen === client.store.revision && !busy ? quiet + 1 : 0
      seen = client.store.revision
    }
  }

  async files(): Promise<string[]> {
    return (await readdir(this.folder)).filter(name => !name.startsWith('.')).sort()
  }

  objects(): EtcdSnapshotFile[] {
    const all = [...this.harness.client.store.table('k3s.cattle.io/etcdsnapshotfiles').values()]
    return all as unknown as EtcdSnapshotFile[]
  }

  /** "local etcd-snapshot-n1-1 ready" each. */
  summary(): string[] {
    return this.objects()
      .map(({ spec, status }) => {
        const fate = status?.readyToUse ? 'ready' : status?.error ? `failed: ${status.error.message}` : 'pending'
        return `${spec?.s3 ? 's3' : 'local'} ${spec?.snapshotName} ${fate}`
      })
      .sort()
  }

  /** As if the process had ended; what is on disk and in the API stays. */
  async stop(): Promise<void> {
    await this.harness.stop()
  }

  async end(): Promise<void> {
    await this.stop()
    await rm(this.root, { recursive: true, force: true })
  }
}
