/**
 * `make release`: dist/skiff for this machine, dist/skiff-ARCH with ARCH=amd64|arm64 for another kind, and the checksums that
 * install.sh looks for. `node scripts/release/main.ts FILE` writes another file, and no checksums.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { buildFacts, dateOf } from './facts.ts'
import { buildRelease } from './release.ts'
import { type Arch, hostArch } from './runtime.ts'

const root = join(import.meta.dirname, '../..')
const most = 80_000_000

function archOf(env: NodeJS.ProcessEnv): Arch {
  const arch = env.ARCH || hostArch
  if (arch !== 'amd64' && arch !== 'arm64') throw new Error(`ARCH "${arch}": want amd64 or arm64`)
  return arch
}

/** Under the names that K3s' releases have. */
function writeChecksums(arch: Arch, file: Buffer): void {
  const sum = createHash('sha256').update(file).digest('hex')
  const names = ['k3s', 'skiff'].map(name => (arch === 'amd64' ? name : `${name}-${arch}`))
  writeFileSync(join(root, `dist/sha256sum-${arch}.txt`), names.map(name => `${sum}  ${name}\n`).join(''))
}

try {
  const arch = archOf(process.env)
  const facts = buildFacts(root, process.env)
  const to = process.argv[2] ?? join(root, arch === hostArch ? 'dist/skiff' : `dist/skiff-${arch}`)
  mkdirSync(dirname(to), { recursive: true })
  buildRelease({ arch, facts, to })
  const file = readFileSync(to)
  const size = `${(file.length / 1e6).toFixed(1)} MB`
  if (file.length > most) throw new Error(`${to} has ${size}: more than ${most / 1e6} MB`)
  if (process.argv[2] === undefined) writeChecksums(arch, file)
  console.log(`${relative(process.cwd(), to)}: ${facts.version} for ${arch}, ${size}, of ${dateOf(facts)}`)
} catch (error) {
  console.error(`release: ${(error as Error).message}`)
  process.exitCode = 1
}
