/** The bundle in the datastore, under a key that its token gives (k3s-io/k3s pkg/cluster/storage.go). */
import type { Clock } from '../client/clock.ts'
import { ConflictError, type Datastore, type Entry } from '../datastore/datastore.ts'
import { type Bundle, formatBundle, parseBundle } from './bundle.ts'
import { seal, sealedKey, sealedPrefix, unseal } from './seal.ts'

export interface StoredParts {
  readonly datastore: Datastore
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  readonly signal: AbortSignal
}

/** The servers' token is not the one the cluster was made with. */
export class OtherTokenError extends Error {
  constructor() {
    super('bootstrap data already found and encrypted with different token')
    this.name = 'OtherTokenError'
  }
}

export type Stored =
  /** Nobody has stored anything, and if `locked` nobody else will before we do. */
  | { readonly found: false; readonly locked: Entry | undefined }
  | { readonly found: true; readonly entry: Entry; readonly bundle: Bundle }

const lockPollMs = 5000
const lockAttempts = 5

/** Whether any server has stored something, whatever its token. */
export async function isAnythingStored(datastore: Datastore): Promise<boolean> {
  const { entries } = await datastore.read(sealedPrefix, { limit: 1 })
  return entries.length > 0
}

/**
 * Reads the bundle. An empty value is the lock of a server that is about to store the first one: it is waited for, and broken
 * when it lasts. With `lock` the answer "nothing found" comes with such a lock. Rejects with OtherTokenError.
 */
export async function loadBundle(parts: StoredParts, password: string, lock: boolean): Promise<Stored> {
  for (let attempt = 1; ; attempt++) {
    const entry = await entryOf(parts, password)
    if (!entry) {
      if (!lock) return { found: false, locked: undefined }
      const locked = await takeLock(parts, password)
      if (locked) return { found: false, locked }
      attempt = 0
      continue
    }
    if (entry.value.length > 0) {
      const text = await unseal(password, entry.value)
      return { found: true, entry, bundle: parseBundle(text.toString()) }
    }
    if (!lock) return { found: false, locked: entry }
    if (attempt >= lockAttempts) {
      parts.log.warn({}, 'Bootstrap key lock timed out - deleting lock and retrying')
      await ignoringConflict(parts.datastore.commit({ op: 'delete', key: entry.key, revision: entry.revision }))
      attempt = 0
      continue
    }
    parts.log.info({}, 'Bootstrap key is locked - waiting for data to be populated by another server')
    await changedOrLate(parts, entry)
  }
}

/** Resolves as soon as somebody has written the key, after five seconds at the latest. */
async function changedOrLate({ datastore, clock, signal }: StoredParts, { key, revision }: Entry): Promise<void> {
  const over = new AbortController()
  const both = AbortSignal.any([signal, over.signal])
  const changed = async () => {
    for await (const { changes } of datastore.watch(key, revision, both)) if (changes.length > 0) return
  }
  const late = clock.sleep(lockPollMs, both)
  late.catch(() => {})
  try {
    await Promise.race([changed().catch(() => late), late])
  } finally {
    over.abort()
  }
}

/** Stores the bundle in place of `before`. Resolves with false when another server was faster. */
export async function saveBundle(
  { datastore }: Pick<StoredParts, 'datastore'>,
  password: string,
  bundle: Bundle,
  before: Entry | undefined,
): Promise<boolean> {
  const key = sealedKey(password)
  const value = await seal(password, Buffer.from(formatBundle(bundle)))
  const write = before
    ? ({ op: 'update', key, value, revision: before.revision } as const)
    : ({ op: 'create', key, value } as const)
  return (await ignoringConflict(datastore.commit(write))) !== undefined
}

/** Seals what is stored with another password, too. */
export async function moveBundle(
  { datastore }: Pick<StoredParts, 'datastore'>,
  from: string,
  to: string,
): Promise<void> {
  const entry = await keyOf(datastore, from)
  if (!entry) return
  const value = await seal(to, await unseal(from, entry.value))
  await ignoringConflict(datastore.commit({ op: 'create', key: sealedKey(to), value }))
}

/** Ends moveBundle: what `from` sealed goes, and what `to` seals becomes `bundle`. */
export async function removeBundle(
  { datastore }: Pick<StoredParts, 'datastore'>,
  from: string,
  to: string,
  bundle: Bundle | undefined,
): Promise<void> {
  if (bundle) await saveBundle({ datastore }, to, bundle, await keyOf(datastore, to))
  const entry = await keyOf(datastore, from)
  if (entry) await ignoringConflict(datastore.commit({ op: 'delete', key: entry.key, revision: entry.revision }))
}

async function keyOf(datastore: Datastore, password: string): Promise<Entry | undefined> {
  const { entries } = await datastore.read(sealedPrefix)
  return entries.find(({ key }) => key === sealedKey(password))
}

async function entryOf(parts: StoredParts, password: string): Promise<Entry | undefined> {
  const { entries } = await parts.datastore.read(sealedPrefix)
  const wanted = sealedKey(password)
  const found = entries.find(({ key }) => key === wanted)
  if (entries.length > 1) parts.log.warn({}, 'found multiple bootstrap keys in storage: rotate the token again')
  if (found || entries.length === 0) return found
  // Very old versions of K3s sealed with nothing.
  if (password === '' || !entries.some(({ key }) => key === sealedKey(''))) throw new OtherTokenError()
  parts.log.warn({}, 'Bootstrap data encrypted with empty string, deleting and resaving with token')
  await moveBundle(parts, '', password)
  await removeBundle(parts, '', password, undefined)
  return entryOf(parts, password)
}

async function takeLock({ datastore, log }: StoredParts, password: string): Promise<Entry | undefined> {
  const key = sealedKey(password)
  const value = Buffer.alloc(0)
  const revision = await ignoringConflict(datastore.commit({ op: 'create', key, value }))
  if (revision === undefined) return undefined
  log.info({}, 'Bootstrap key locked for initial create')
  return { key, value, revision, createRevision: revision }
}

async function ignoringConflict<T>(commit: Promise<T>): Promise<T | undefined> {
  try {
    return await commit
  } catch (error) {
    if (error instanceof ConflictError) return undefined
    throw error
  }
}
