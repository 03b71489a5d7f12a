/**
 * The last step of a release file's first start (scripts/release/head.sh): what it has unpacked is checked, put on the disk
 * for good and takes its name; K3s' links `current` and `previous` follow; what is left of older releases goes.
 */
import { createHash } from 'node:crypto'
import { promises as files } from 'node:fs'
import { basename, join } from 'node:path'

export interface Unpacked {
  /** The folder it was unpacked into, in `data`. */
  readonly temporary: string
  /** The folder data/ of the data-dir. */
  readonly data: string
  /** Its name from now on. */
  readonly hash: string
}

const isRelease = /^[0-9a-f]{64}$/
const isTemporary = /^\.[0-9a-f]{64}\.\d+$/
/** Longer than unpacking takes. */
const abandonedAfterMs = 3_600_000
const workers = 8
const chunkSize = 1 << 20

/**
 * Makes `data/hash` of `temporary`, whole or not at all; when another process was first, its result stays. Throws when a file
 * is not what was packed ("damaged"), or for the disk's own errors.
 */
export async function settle(unpacked: Unpacked, now: number): Promise<void> {
  const { temporary, data, hash } = unpacked
  await checkAndSync(temporary)
  if (!(await rename(temporary, join(data, hash)))) return
  await link(data, hash)
  await prune(data, hash, now)
}

/** The file `checksums` has a line "HASH  PATH" per file. */
async function checkAndSync(folder: string): Promise<void> {
  const lines = (await files.readFile(join(folder, 'checksums'), 'utf8')).trimEnd().split('\n').values()
  const work = async () => {
    for (const line of lines) {
      const [wanted, path] = line.split('  ') as [string, string]
      if ((await syncedSum(join(folder, path))) !== wanted) throw new Error(`${path} is damaged`)
    }
  }
  // Side by side, as disks like to be told to sync.
  await Promise.all(Array.from({ length: workers }, work))
}

/** The SHA-256 of a file that is on the disk for good. */
async function syncedSum(path: string): Promise<string> {
  const file = await files.open(path)
  try {
    const hash = createHash('sha256')
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: chunkSize })) hash.update(chunk)
    await file.sync()
    return hash.digest('hex')
  } finally {
    await file.close()
  }
}

/** Whether it was ours that took the name. */
async function rename(from: string, to: string): Promise<boolean> {
  try {
    await files.rename(from, to)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return false
  }
  return true
}

async function link(data: string, hash: string): Promise<void> {
  const before = await targetOf(join(data, 'current'))
  if (before !== undefined && before !== join(data, hash)) await pointTo(before, join(data, 'previous'))
  await pointTo(join(data, hash), join(data, 'current'))
  const folder = await files.open(data)
  await folder.sync().finally(() => folder.close())
}

async function pointTo(target: string, path: string): Promise<void> {
  await files.rm(`${path}.new`, { force: true })
  await files.symlink(target, `${path}.new`)
  await files.rename(`${path}.new`, path)
}

async function targetOf(path: string): Promise<string | undefined> {
  return await files.readlink(path).catch(() => undefined)
}

/** Removes releases that are neither of the links' nor run, and what broken-off starts left. */
async function prune(data: string, hash: string, now: number): Promise<void> {
  const previous = basename((await targetOf(join(data, 'previous'))) ?? '')
  const kept = new Set([hash, previous, ...(await runningFrom(await files.realpath(data)))])
  for (const name of await files.readdir(data)) {
    const path = join(data, name)
    const old = isRelease.test(name) && !kept.has(name)
    const abandoned = isTemporary.test(name) && now - (await files.stat(path)).mtimeMs > abandonedAfterMs
    if (old || abandoned) await files.rm(path, { recursive: true, force: true })
  }
}

/** Releases that processes of this machine run from: they load parts on use. */
async function runningFrom(data: string): Promise<string[]> {
  const programs = (await files.readdir('/proc').catch(() => []))
    .filter(name => /^\d+$/.test(name))
    .map(pid => targetOf(`/proc/${pid}/exe`))
  const inData = (await Promise.all(programs)).filter(path => path?.startsWith(`${data}/`))
  return inData.map(path => path!.slice(data.length + 1).split('/')[0]!)
}
