/** Puts the packaged manifests into server/manifests, with this cluster's settings filled in. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checksum, isDisabled } from './files.ts'

/** Values of the `%{NAME}%` variables in packaged manifests. */
export type Variables = { readonly [name: string]: string }

export interface StageOptions {
  readonly packaged: string
  readonly target: string
  readonly variables: Variables
  readonly disabled: ReadonlySet<string>
}

export interface Staged {
  /** Checksums of the packaged files as they were written, by path. */
  readonly files: ReadonlyMap<string, string>
  /** Where edits of packaged files were put aside, by the path of the file. */
  readonly putAside: ReadonlyMap<string, string>
}

/** Remembers what was written, so that the next start tells an edit from an older version. A dot-file: no manifest. */
const recordName = '.packaged.json'

/**
 * Writes every packaged file that is neither disabled nor skipped; unchanged ones are left untouched. A file that somebody
 * edited since it was written is kept beside it as NAME.edited.
 */
export async function stageManifests(options: StageOptions): Promise<Staged> {
  const { packaged, target, variables, disabled } = options
  await mkdir(target, { recursive: true, mode: 0o700 })
  const before = await readRecord(target)
  const present = new Set((await readdir(target, { recursive: true })).map(name => name.split('/').at(-1)))
  const files = new Map<string, string>()
  const putAside = new Map<string, string>()
  for (const name of (await readdir(packaged, { recursive: true })).filter(file => file.endsWith('.yaml'))) {
    const path = join(target, name)
    if (isDisabled(target, path, disabled) || present.has(`${name.split('/').at(-1)}.skip`)) continue
    const text = fillIn(await readFile(join(packaged, name), 'utf8'), variables)
    const sum = checksum(Buffer.from(text))
    files.set(path, sum)
    const found = await readFile(path).catch(() => undefined)
    const foundSum = found && checksum(found)
    if (foundSum === sum) continue
    if (foundSum !== undefined && before[name] !== undefined && foundSum !== before[name]) {
      await rename(path, `${path}.edited`)
      putAside.set(path, `${path}.edited`)
    }
    await writeWhole(path, text)
  }
  await writeRecord(target, files)
  return { files, putAside }
}

async function readRecord(target: string): Promise<{ readonly [name: string]: string }> {
  try {
    return JSON.parse(await readFile(join(target, recordName), 'utf8'))
  } catch {
    return {}
  }
}

async function writeRecord(target: string, files: ReadonlyMap<string, string>): Promise<void> {
  const names = [...files].map(([path, sum]) => [path.slice(target.length + 1), sum])
  const text = JSON.stringify(Object.fromEntries(names))
  const path = join(target, recordName)
  if ((await readFile(path, 'utf8').catch(() => undefined)) !== text) await writeWhole(path, text)
}

/** A reader sees the old file or the new one, never a part. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = join(dirname(path), `.${process.pid}.tmp`)
  await writeFile(temporary, text, { mode: 0o600 })
  await rename(temporary, path).catch(error => rm(temporary, { force: true }).then(() => Promise.reject(error)))
}

/** Replaces `%{NAME}%`; names without a value stay as they are. */
export function fillIn(text: string, variables: Variables): string {
  return text.replace(/%\{(\w+)\}%/g, (whole, name: string) => variables[name] ?? whole)
}
