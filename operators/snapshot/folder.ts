/** Snapshots on this machine's disk: files of one folder, and what was noted with them in `.metadata` beside it. */
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createdOf } from './snapshot.ts'

export interface SnapshotFile {
  readonly name: string
  readonly path: string
  /** In milliseconds since the epoch, whole seconds. */
  readonly created: number
  readonly size: number
}

/** The folder cannot be used: in one line, why. */
export class FolderError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'FolderError'
  }
}

type Metadata = { readonly [name: string]: string }

/**
 * `default` is made on use, `configured` has to be there: whatever lies in these is a snapshot. In any other, which is only named
 * by a request, files count by their names alone: whoever may ask a server for snapshots must not thereby see or
 * delete all that root can.
 */
export type FolderKind = 'default' | 'configured' | 'other'

const nameOfOurs = /-\d{1,12}(?:\.zip)?(?:\.enc)?$/

export class Folder {
  readonly path: string
  readonly kind: FolderKind
  readonly #metadata: string

  constructor(path: string, kind: FolderKind) {
    this.path = path
    this.kind = kind
    this.#metadata = join(dirname(path), '.metadata')
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** Throws FolderError when there is no such folder. */
  async ensure(): Promise<void> {
    try {
      if (this.kind === 'default') await mkdir(this.path, { recursive: true, mode: 0o700 })
      if (!(await stat(this.path)).isDirectory()) throw new Error(`${this.path} is not a directory`)
    } catch (error) {
      const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT'
      const why = isAbsent ? `there is no folder ${this.path}: make it first` : (error as Error).message
      throw new FolderError(`failed to get etcd-snapshot-dir: ${why}`, { cause: error })
    }
  }

  /** What is hidden, as files still being written are, is none. */
  async list(): Promise<SnapshotFile[]> {
    await this.ensure()
    const names = (await readdir(this.path)).filter(name => !name.startsWith('.'))
    const found = await Promise.all(names.map(name => this.find(name)))
    return found.filter(file => file !== undefined)
  }

  async find(name: string): Promise<SnapshotFile | undefined> {
    if (basename(name) !== name || name === '') return undefined
    if (this.kind === 'other' && !nameOfOurs.test(name)) return undefined
    const path = this.file(name)
    const info = await stat(path).catch(ignoreMissing)
    if (!info?.isFile()) return undefined
    return { name, path, created: createdOf(name, info.mtimeMs), size: info.size }
  }

  /** Whether it was there. */
  async remove(name: string): Promise<boolean> {
    const found = await this.find(name)
    if (!found) return false
    await rm(found.path, { force: true })
    await rm(this.metadataFile(name), { force: true })
    return true
  }

  metadataFile(name: string): string {
    return join(this.#metadata, name)
  }

  async readMetadata(name: string): Promise<Metadata | undefined> {
    const text = await readFile(this.metadataFile(name), 'utf8').catch(ignoreMissing)
    return text === undefined ? undefined : metadataIn(text)
  }

  async writeMetadata(name: string, metadata: Metadata): Promise<void> {
    await mkdir(this.#metadata, { recursive: true, mode: 0o700 })
    await writeFile(this.metadataFile(name), JSON.stringify(metadata), { mode: 0o600 })
  }
}

/** Undefined for what is no object of texts. */
export function metadataIn(text: string): Metadata | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return Object.values(value).every(each => typeof each === 'string') ? (value as Metadata) : undefined
  } catch {
    return undefined
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
}
