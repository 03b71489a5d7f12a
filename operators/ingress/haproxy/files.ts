/** The files HAProxy starts from: `current` is what serves, `next` is tried first and takes its place when it is good. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { paced } from '../slices.ts'
import type { Plane, Slots } from './plane.ts'
import { type Rendered, render, renderCertificates, renderMap } from './render.ts'

export const configName = 'haproxy.cfg'

/** Writes a whole configuration into a folder that is made anew. */
export async function writePlane(folder: string, plane: Plane, slots: Slots, now: () => number): Promise<Rendered> {
  const rendered = await paced(render(plane, slots), now)
  await rm(folder, { recursive: true, force: true })
  await mkdir(join(folder, 'certs'), { recursive: true, mode: 0o700 })
  await mkdir(join(folder, 'maps'), { mode: 0o700 })
  await writeFiles(folder, contents(plane, rendered))
  return rendered
}

/** Brings the files of a folder in use up to date, so that a process starting from them serves the same. */
export async function updatePlane(
  folder: string,
  before: Plane,
  plane: Plane,
  slots: Slots,
  now: () => number,
): Promise<void> {
  const old = new Map(before.certificates.map(entry => [entry.file, entry]))
  const all = contents(plane, await paced(render(plane, slots), now))
  for (const [name, table] of plane.maps) if (before.maps.get(name) === table) all.delete(`maps/${name}`)
  for (const entry of plane.certificates) if (old.get(entry.file)?.pem === entry.pem) all.delete(`certs/${entry.file}`)
  await writeFiles(folder, all)
}

function contents(plane: Plane, rendered: Rendered): Map<string, string> {
  const files = new Map<string, string>()
  for (const [name, table] of plane.maps) files.set(`maps/${name}`, renderMap(table))
  for (const { file, pem } of plane.certificates) files.set(`certs/${file}`, pem)
  for (const [name, text] of plane.files) files.set(name, text)
  files.set('certs/list', renderCertificates(plane.certificates))
  files.set(configName, rendered.text)
  return files
}

async function writeFiles(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, text] of files) {
    const path = join(folder, name)
    const temporary = join(dirname(path), '.writing')
    await writeFile(temporary, text, { mode: 0o600 })
    await rename(temporary, path)
  }
}

/** Puts `next` in the place of `current`. */
export async function promote(next: string, current: string): Promise<void> {
  const old = `${current}.old`
  await rm(old, { recursive: true, force: true })
  await rename(current, old).catch(() => {})
  await rename(next, current)
  await rm(old, { recursive: true, force: true })
}
