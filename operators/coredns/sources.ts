/** The files that make up the configuration: the Corefile, what it imports, and the node's resolver settings. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ReadImport, SourceFile } from './corefile.ts'

export interface SourcesContext {
  /** Of the Corefile, inside the container. */
  readonly path: string
  readonly hostPath: (path: string) => string
  readonly warn: (line: string) => void
}

import { watchFolders } from '../runtime/watch-folders.ts'

const settleMs = 100

export class Sources {
  readonly #context: SourcesContext
  /** Imported files that are left out because they cannot be used. */
  readonly excluded = new Set<string>()

  constructor(context: SourcesContext) {
    this.#context = context
  }

  /** Throws when there is none. */
  corefile(): SourceFile {
    return { name: 'Corefile', text: readFileSync(this.#context.hostPath(this.#context.path), 'utf8') }
  }

  readonly read: ReadImport = pattern => {
    const path = pattern.startsWith('/') ? pattern : join(dirname(this.#context.path), pattern)
    const files = filesFor(this.#context.hostPath(dirname(path)), path.split('/').at(-1)!)
    if (files.length === 0) {
      if (!/[*?[]/.test(path)) return undefined
      this.#context.warn(`No files matching import glob pattern: ${pattern}`)
    }
    const folder = dirname(path).split('/').at(-1)!
    return files
      .map(file => ({ name: `${folder}/${file.name}`, text: file.text }))
      .filter(({ name }) => !this.excluded.has(name))
  }

  /** Changes when anything does that the configuration is made of. */
  fingerprint(): string {
    const hash = createHash('sha512')
    const folders = [...new Set(this.#folders())]
    for (const folder of folders)
      for (const { name, text } of filesFor(folder, '*')) hash.update(`${folder}/${name}\0${text}\0`)
    hash.update(textOf(this.#context.hostPath('/etc/resolv.conf')))
    return hash.digest('hex')
  }

  /** Calls back a moment after anything changed, until the signal aborts. */
  watch(changed: () => void, signal: AbortSignal): void {
    watchFolders(this.#folders(), settleMs, changed, signal)
  }

  #folders(): string[] {
    const folder = dirname(this.#context.path)
    return [this.#context.hostPath(folder), this.#context.hostPath(join(folder, 'custom'))]
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** The files of a folder whose names match a glob, in order; what is no readable file is passed over. */
function filesFor(folder: string, glob: string): SourceFile[] {
  const pattern = new RegExp(
    `^${glob
      .replace(/[.+^${}()|\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  )
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  return names
    .filter(name => !name.startsWith('.') && pattern.test(name))
    .sort()
    .flatMap(name => {
      try {
        return [{ name, text: readFileSync(join(folder, name), 'utf8') }]
      } catch {
        return []
      }
    })
}
