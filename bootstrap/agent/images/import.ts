/** Getting images onto the node without a registry: the pause image and the archives in agent/images/. */

import { watch } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../client/clock.ts'
import { run } from '../process.ts'
import type { Runtime } from '../runtime.ts'
import { ociArchive } from './oci-archive.ts'

export interface ImportDeps {
  readonly runtime: Runtime
  readonly socket: string
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const pinned = ['io.cattle.k3s.pinned=pinned', 'io.cri-containerd.pinned=pinned']
const archivePattern = /\.(tar|tar\.gz|tgz|tar\.bz2|tbz|tar\.lz4|tar\.zst|tzst)$/

/** Imports an OCI or Docker archive and pins its images; resolves with their names. */
export async function importArchive(socket: string, file: string): Promise<string[]> {
  const ctr = ['--address', socket, '--namespace', 'k8s.io', 'images']
  const output = await run('ctr', [...ctr, 'import', '--all-platforms', file], { timeoutMs: 600_000 })
  const names = [...output.matchAll(/^unpacking (\S+) /gm)].map(match => match[1]!)
  for (const name of names) await run('ctr', [...ctr, 'label', name, ...pinned])
  return names
}

/** Makes the sandbox image from Debian's catatonit unless the runtime has it or catatonit is missing. */
export async function ensurePauseImage(image: string, deps: ImportDeps): Promise<void> {
  if (await deps.runtime.imageStatus(image)) return
  const content = await readFile('/usr/bin/catatonit').catch(() => undefined)
  if (!content) {
    deps.log.warn({ image }, 'no /usr/bin/catatonit to build the pause image from: it will be pulled')
    return
  }
  const files = [{ path: 'pause', content, mode: 0o755 }]
  const archive = await ociArchive({ name: image, files, entrypoint: ['/pause', '-P'], user: '65535:65535' })
  const directory = await mkdtemp(join(tmpdir(), 'skiff-pause-'))
  try {
    const file = join(directory, 'pause.tar')
    await writeFile(file, archive)
    await importArchive(deps.socket, file)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Imports what agent/images/ holds: archives, and lists of images to pull (one per line of a .txt file). */
export async function importDirectory(directory: string, deps: ImportDeps): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  for (const name of names.sort()) await importFile(join(directory, name), deps)
}

async function importFile(file: string, deps: ImportDeps): Promise<void> {
  try {
    if (archivePattern.test(file)) {
      const images = await importArchive(deps.socket, file)
      deps.log.info({ file, images }, 'images imported')
    } else if (file.endsWith('.txt')) {
      const images = (await readFile(file, 'utf8')).split('\n').map(line => line.trim())
      for (const image of images) if (image !== '' && !image.startsWith('#')) await deps.runtime.pullImage(image)
    }
  } catch (error) {
    deps.log.warn({ file, error: (error as Error).message }, 'images could not be imported')
  }
}

/** Imports files as they appear, once a file has been left alone for 2 s. */
export function watchDirectory(directory: string, deps: ImportDeps, signal: AbortSignal): void {
  const settling = new Map<string, AbortController>()
  const watcher = watch(directory, { persistent: false, signal }, (_, name) => {
    if (typeof name !== 'string') return
    settling.get(name)?.abort()
    const mine = new AbortController()
    settling.set(name, mine)
    deps.clock.sleep(2000, AbortSignal.any([mine.signal, signal])).then(
      () => {
        settling.delete(name)
        return importFile(join(directory, name), deps)
      },
      () => undefined,
    )
  })
  watcher.on('error', error =>
    deps.log.warn({ directory, error: error.message }, 'image directory is no longer watched'),
  )
}
