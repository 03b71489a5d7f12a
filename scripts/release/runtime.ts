/** The part of a release that changes seldom: Node and the native module, compressed once and kept in .tools/release. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { stripped } from './elf.ts'
import { type ArchivedFile, archive } from './tar.ts'

export type Arch = 'amd64' | 'arm64'

export const hostArch: Arch = process.arch === 'arm64' ? 'arm64' : 'amd64'

const nodeNames = { amd64: 'x64', arm64: 'arm64' } as const
/** Of the npm packages: they change with the version, not with the time of a build. */
const time = 0

export interface Part {
  readonly files: readonly ArchivedFile[]
  readonly compressed: Buffer
}

/** Node's program without debugging symbols and better-sqlite3 with its prebuilt module, for `arch`. */
export function runtime(root: string, arch: Arch): Part {
  const files = [...nodeFiles(root, arch), ...sqliteFiles(root, arch)]
  const content = archive(files, time)
  const key = createHash('sha256').update(content).update(process.versions.zlib).digest('hex')
  const kept = join(root, '.tools/release', `runtime-${arch}-${key.slice(0, 16)}.gz`)
  if (existsSync(kept)) return { files, compressed: readFileSync(kept) }
  const compressed = gzipSync(content, { level: 9 })
  keep(kept, compressed)
  forgetOlder(kept, `runtime-${arch}-`)
  return { files, compressed }
}

function forgetOlder(kept: string, prefix: string): void {
  const names = readdirSync(dirname(kept)).filter(name => name.startsWith(prefix) && name.endsWith('.gz'))
  for (const name of names) if (name !== basename(kept)) rmSync(join(dirname(kept), name), { force: true })
}

function keep(path: string, content: Buffer): void {
  writeFileSync(`${path}.${process.pid}`, content)
  renameSync(`${path}.${process.pid}`, path)
}

/** Node's program and its licence, which has to come with it. */
export function nodeFiles(root: string, arch: Arch): ArchivedFile[] {
  const folder = nodeFolder(root, arch)
  return [
    { path: 'bin/node', content: stripped(readFileSync(join(folder, 'bin/node'))), executable: true },
    { path: 'licenses/node', content: readFileSync(join(folder, 'LICENSE')) },
  ]
}

/** Where the npm package of this very version of Node is: what the set-up fetched, else fetched now. */
function nodeFolder(root: string, arch: Arch): string {
  mkdirSync(join(root, '.tools/release'), { recursive: true })
  const own = join(root, '.tools/node')
  // A link leads to a Node of the distribution, which may need libraries that other machines have not.
  const isFetched = lstatSync(join(own, 'bin/node'), { throwIfNoEntry: false })?.isFile()
  if (arch === hostArch && isFetched && existsSync(join(own, 'LICENSE'))) return own
  const name = `node-linux-${nodeNames[arch]}`
  const kept = join(root, '.tools/release', `${name}-${process.versions.node}`)
  if (existsSync(kept)) return kept
  const work = mkdtempSync(join(root, '.tools/release/fetch-'))
  try {
    const npm = [
      'install',
      '--silent',
      '--no-save',
      '--no-package-lock',
      '--ignore-scripts',
      '--force',
      '--prefix',
      work,
    ]
    const { status, stderr } = spawnSync('npm', [...npm, `${name}@${process.versions.node}`], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`npm cannot fetch ${name}@${process.versions.node}: ${stderr.trim()}`)
    const fetched = join(work, 'node_modules', name)
    rmSync(join(fetched, 'include'), { recursive: true, force: true })
    renameSync(fetched, kept)
  } finally {
    rmSync(work, { recursive: true })
  }
  return kept
}

function sqliteFiles(root: string, arch: Arch): ArchivedFile[] {
  const folder = join(root, 'node_modules/better-sqlite3')
  const paths = [
    'LICENSE',
    'package.json',
    `prebuilds/linux-${nodeNames[arch]}.node`,
    ...readdirSync(join(folder, 'lib'), { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.js'))
      .map(path => `lib/${path}`),
  ]
  return paths.map(path => ({ path: `node_modules/better-sqlite3/${path}`, content: readFileSync(join(folder, path)) }))
}
