/** The release file: a shell script (head.sh) and an archive that it unpacks. docs/install.md says how it behaves. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type BuildFacts, dateOf } from './facts.ts'
import { type Arch, type Part, runtime } from './runtime.ts'
import { type ArchivedFile, archive, endOfArchive } from './tar.ts'

const root = join(import.meta.dirname, '../..')

export interface Release {
  readonly arch: Arch
  readonly facts: BuildFacts
  /** The file to write. */
  readonly to: string
}

/** Builds the sources anew and writes the file whole or not at all. */
export function buildRelease({ arch, facts, to }: Release): void {
  const stable = runtime(root, arch)
  const ours = program(facts, stable.files)
  const payload = Buffer.concat([stable.compressed, ours.compressed])
  const unpackedSize = [...stable.files, ...ours.files].reduce((sum, { content }) => sum + content.length, 0)
  const temporary = `${to}.${process.pid}`
  writeFileSync(temporary, Buffer.concat([head({ arch, facts, payload, unpackedSize }), payload]))
  chmodSync(temporary, 0o755)
  renameSync(temporary, to)
}

/** What is ours: bundles, manifests, CRDs, charts, licences, and the checksums of all. */
function program(facts: BuildFacts, stable: readonly ArchivedFile[]): Part {
  const files = [
    ...bundles(facts),
    ...['manifests', 'crds', 'charts'].flatMap(folder => filesOf(join(root, folder), folder)),
    ...licences(),
  ]
  const all = [...files, { path: 'checksums', content: checksums([...stable, ...files]) }]
  return { files: all, compressed: gzipSync(Buffer.concat([archive(all, facts.time), endOfArchive]), { level: 9 }) }
}

function bundles({ version, commit, clean, ...rest }: BuildFacts): ArchivedFile[] {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-release-'))
  try {
    const known = { version, commit, clean, date: dateOf({ version, commit, clean, ...rest }) }
    execFileSync(process.execPath, [join(root, 'scripts/build.ts'), folder, JSON.stringify(known)], {
      stdio: 'inherit',
    })
    return filesOf(folder, 'dist').filter(({ path }) => !path.endsWith('.map') && path !== 'dist/operator.mjs')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function filesOf(folder: string, name: string): ArchivedFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .map(path => ({ path: join(name, path.slice(folder.length + 1)), content: readFileSync(path) }))
}

/** Ours, and those of the packages that the bundles are made of. */
function licences(): ArchivedFile[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: { [path: string]: { dev?: boolean } }
  }
  const packages = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev)
  return [
    { path: 'licenses/skiff', content: readFileSync(join(root, 'LICENSE')) },
    ...packages.flatMap(([path]) => {
      const name = path.replace(/^.*node_modules\//, '').replaceAll('/', '-')
      const found = existsSync(join(root, path)) ? readdirSync(join(root, path)).sort() : []
      return found
        .filter(file => /^(licen[sc]e|notice|copying)/i.test(file))
        .map(file => ({ path: `licenses/${name}-${file}`, content: readFileSync(join(root, path, file)) }))
    }),
  ]
}

function checksums(files: readonly ArchivedFile[]): Buffer {
  const lines = files.map(({ path, content }) => `${createHash('sha256').update(content).digest('hex')}  ${path}\n`)
  return Buffer.from(lines.sort().join(''))
}

interface Head {
  readonly arch: Arch
  readonly facts: BuildFacts
  readonly payload: Buffer
  readonly unpackedSize: number
}

function head({ arch, facts, payload, unpackedSize }: Head): Buffer {
  const values: { readonly [name: string]: string } = {
    VERSION: facts.version,
    COMMIT: `${facts.commit}${facts.clean ? '' : '-dirty'}`,
    BUILT: dateOf(facts),
    ARCH: arch,
    NODE: process.version,
    HASH: createHash('sha256').update(payload).digest('hex'),
    MEGABYTES: String(Math.ceil(unpackedSize / 1e6)),
  }
  const template = readFileSync(join(root, 'scripts/release/head.sh'), 'utf8')
  const text = template.replace(/@([A-Z]+)@/g, (mark, name: string) => values[name] ?? mark)
  // Its own length is one of the values; `tail` counts from 1.
  const width = 6
  const length = Buffer.byteLength(text) - '@OFFSET@'.length + width
  return Buffer.from(text.replace('@OFFSET@', String(length + 1).padEnd(width)))
}
