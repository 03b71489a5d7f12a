/** Opens what all servers of a cluster share: the datastore, and in it the CAs, keys and passwords that files here must agree with. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../client/clock.ts'
import type { Datastore } from '../datastore/datastore.ts'
import { readIfPresent, writeAtomically } from '../pki/files.ts'
import type { Pki } from '../pki/pki.ts'
import { ensureToken, parsePasswd, serverPassword, type TokenFiles } from '../pki/token.ts'
import { type Bundle, formatBundle, isComplete, readBundle, sameContents } from './bundle.ts'
import { reconcileFiles } from './reconcile.ts'
import { isAnythingStored, loadBundle, OtherTokenError, type Stored, saveBundle } from './stored.ts'
import { type TokenKeeper, tokenKeeper } from './tokens.ts'

export interface ClusterParts {
  readonly dataDir: string
  /** As given by the user. */
  readonly token: string | undefined
  readonly agentToken: string | undefined
  /** Other servers may be starting on the same datastore. */
  readonly shared: boolean
  /** Nobody has used the datastore yet: what is made now cannot contradict anything in it. */
  readonly isNew: () => Promise<boolean>
  /** Makes what is missing on disk, and reads it. */
  readonly openPki: () => Promise<Pki>
  /** An engine that needs certificates of its own asks for the PKI first. */
  readonly openData: (pki: () => Promise<Pki>) => Promise<Datastore>
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  readonly signal: AbortSignal
}

export interface OpenedCluster {
  readonly datastore: Datastore
  readonly pki: Pki
  readonly tokens: TokenKeeper
  /** The cluster's secrets as JSON, for a server that joins; this server's files where the datastore does not answer. */
  bundle(): Promise<string>
}

/**
 * Files that are missing or older than the datastore's are written from it; a cluster that is new, or has lost what was
 * stored, stores this server's. Nothing is written when both agree. Rejects with OtherTokenError, NewerOnDiskError and
 * TokenError, which are the user's to solve.
 */
export async function openCluster(parts: ClusterParts): Promise<OpenedCluster> {
  const { dataDir } = parts
  let pki: Promise<Pki> | undefined
  const ensured = () => (pki ??= parts.openPki())
  const isNew = await parts.isNew()
  // The datastore, the files and the password need nothing of each other.
  const opening = parts.openData(ensured)
  const loading = opening.then(async datastore => load(parts, datastore, await knownPassword(parts)))
  loading.catch(() => {})
  const disk = await readBundle(dataDir)
  const early = isComplete(disk) || isNew
  // What is wrong with the files may be put right below.
  const [stored] = await Promise.all([loading, early ? ensured().catch(() => {}) : undefined])
  const written = stored.found ? await reconcileFiles(dataDir, disk, stored.bundle) : []
  if (written.length > 0) {
    parts.log.warn({ files: written }, 'Updating bootstrap data on disk from datastore')
    pki = undefined
  }
  const [datastore, made] = await Promise.all([opening, ensured()])
  const files = await ensureFiles(parts, made, await knownPassword(parts))
  await store(parts, datastore, serverPassword(files.token), stored)
  const tokens = tokenKeeper({ ...parts, datastore, ca: made.serverCa }, files)
  return { datastore, pki: made, tokens, bundle: () => currentBundle(parts, datastore, tokens) }
}

async function load(parts: ClusterParts, datastore: Datastore, password: string | undefined): Promise<Stored> {
  if (password !== undefined) return loadBundle({ ...parts, datastore }, password, parts.shared)
  if (await isAnythingStored(datastore)) throw new OtherTokenError()
  return { found: false, locked: undefined }
}

/** The servers' password: the user's, or what an earlier start left. */
export async function knownPassword({
  dataDir,
  token,
}: Pick<ClusterParts, 'dataDir' | 'token'>): Promise<string | undefined> {
  if (token !== undefined) return serverPassword(token)
  const passwd = parsePasswd((await readIfPresent(join(dataDir, 'server/cred/passwd'))) ?? '')
  const known = passwd.find(({ name }) => name === 'server')?.password
  if (known !== undefined) return known
  const file = await readIfPresent(join(dataDir, 'server/token'))
  return file === undefined ? undefined : serverPassword(file)
}

async function ensureFiles(parts: ClusterParts, pki: Pki, password: string | undefined): Promise<TokenFiles> {
  const psk = join(parts.dataDir, 'server/cred/ipsec.psk')
  if ((await readIfPresent(psk)) === undefined) await writeAtomically(psk, `${randomBytes(48).toString('hex')}\n`)
  return ensureToken({
    dataDir: parts.dataDir,
    serverCaPem: pki.serverCa.cert,
    keepAgentToken: parts.shared,
    ...(password === undefined ? {} : { token: password }),
    ...(parts.agentToken === undefined ? {} : { agentToken: parts.agentToken }),
  })
}

async function store(parts: ClusterParts, datastore: Datastore, password: string, stored: Stored): Promise<void> {
  const known: Bundle = stored.found ? stored.bundle : {}
  const bundle = { ...known, ...(await readBundle(parts.dataDir)) }
  if (stored.found && sameContents(bundle, known)) return
  const before = stored.found ? stored.entry : stored.locked
  if (!(await saveBundle({ datastore }, password, bundle, before)))
    parts.log.warn({}, 'Bootstrap key already exists: another server has stored its data meanwhile')
}

async function currentBundle(parts: ClusterParts, datastore: Datastore, tokens: TokenKeeper): Promise<string> {
  try {
    const stored = await loadBundle({ ...parts, datastore }, serverPassword(tokens.current().token), false)
    if (stored.found) return formatBundle(stored.bundle)
  } catch (err) {
    parts.log.warn({ err }, 'Failed to retrieve HTTP bootstrap data from datastore; falling back to disk')
  }
  return formatBundle(await readBundle(parts.dataDir))
}
