/** The programs tests run against: every kubectl on this machine, and packages of other Debian releases. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const tools = join(root, '.tools')

function onPath(name: string): string | undefined {
  const folders = [join(tools, 'bin'), ...(process.env.PATH ?? '').split(delimiter)]
  return folders.map(folder => join(folder, name)).find(existsSync)
}

/** "1.27" and so on, with the program of each: those that lie beside the kubectl on PATH. */
export function kubectls(): ReadonlyMap<string, string> {
  const found = onPath('kubectl')
  if (found === undefined) return new Map()
  const folder = dirname(realpathSync(found))
  const versioned = readdirSync(folder).filter(name => /^kubectl\.1\.\d+$/.test(name))
  return new Map(versioned.sort().map(name => [name.slice('kubectl.'.length), join(folder, name)]))
}

/** The newest kubectl at hand. Throws when there is none. */
export function newestKubectl(): string {
  const program = [...kubectls().values()].at(-1) ?? onPath('kubectl')
  if (program === undefined) throw new Error('no kubectl: run "make setup"')
  return program
}

/** Unpacks a package of another Debian release below .tools/test, once; undefined, with a line why, when it cannot be had. */
export function debianPackage(release: string, name: string): string | undefined {
  const folder = join(tools, 'test', `${release}-${name}`)
  if (existsSync(folder)) return folder
  const partial = `${folder}.partial`
  mkdirSync(dirname(folder), { recursive: true })
  try {
    execFileSync(join(root, 'scripts/debian-package.sh'), [release, name, partial], { stdio: 'pipe', timeout: 180_000 })
    renameSync(partial, folder)
    return folder
  } catch (error) {
    console.log(`${name} of Debian ${release}: skipped, the package cannot be had: ${(error as Error).message}`)
    rmSync(partial, { recursive: true, force: true })
    return undefined
  }
}
