/** Puts the packaged manifests into server/manifests, with this cluster's settings filled in. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDisabled } from './files.ts'

/** Values of the `%{NAME}%` variables in packaged manifests. */
export type Variables = { readonly [name: string]: string }

export interface StageOptions {
  readonly packaged: string
  readonly target: string
  readonly variables: Variables
  readonly disabled: ReadonlySet<string>
}

/** Writes every packaged file that is neither disabled nor skipped; unchanged ones are left untouched. */
export async function stageManifests({ packaged, target, variables, disabled }: StageOptions): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 })
  const present = new Set((await readdir(target, { recursive: true })).map(name => name.split('/').at(-1)))
  const files = (await readdir(packaged, { recursive: true })).filter(name => name.endsWith('.yaml'))
  for (const name of files) {
    const path = join(target, name)
    const skipped = present.has(`${name.split('/').at(-1)}.skip`)
    if (isDisabled(target, path, disabled) || skipped) continue
    const text = fillIn(await readFile(join(packaged, name), 'utf8'), variables)
    if ((await readFile(path, 'utf8').catch(() => undefined)) === text) continue
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const temporary = join(dirname(path), `.${process.pid}.tmp`)
    await writeFile(temporary, text, { mode: 0o600 })
    await rename(temporary, path).catch(error => rm(temporary, { force: true }).then(() => Promise.reject(error)))
  }
}

/** Replaces `%{NAME}%`; names without a value stay as they are. */
export function fillIn(text: string, variables: Variables): string {
  return text.replace(/%\{(\w+)\}%/g, (whole, name: string) => variables[name] ?? whole)
}
