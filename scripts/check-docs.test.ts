/** Holds the documents to the code: the paths and functions they name, the links they make, the flags they list. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { agentFlags, type Flag, serverFlags } from '../bootstrap/config/flags.ts'
import { FlagValues } from '../bootstrap/config/parse.ts'
import { serverConfig } from '../bootstrap/config/server-config.ts'
import { parseManifest } from '../operators/addon/parse.ts'

const root = join(import.meta.dirname, '..')
const textOf = (path: string) => readFileSync(join(root, path), 'utf8')
const documents = ['README.md', 'CONTRIBUTING.md', ...filesIn('docs', '.md')]

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder))
    .filter(name => name.endsWith(ending))
    .sort()
    .map(name => join(folder, name))
}

/** Made by the build, so absent in a fresh checkout. */
const isBuilt = (path: string) => path.startsWith('dist/') || path.includes('.gen.')

/** Texts in backticks that mean something in the repository: they begin with one of its folders, or name a file in its root. */
function pathsIn(document: string): string[] {
  const entries = readdirSync(root, { withFileTypes: true })
  const starts = entries.filter(entry => entry.isDirectory()).map(({ name }) => `${name}/`)
  const files = new Set(entries.filter(entry => entry.isFile()).map(({ name }) => name))
  const prose = textOf(document).replace(/^```.*?^```/gms, '')
  const quoted = [...prose.matchAll(/`([^`\n]+)`/g)].map(match => match[1]!)
  const paths = quoted.filter(text => files.has(text) || starts.some(start => text.startsWith(start)))
  return [...new Set(paths)].filter(path => !/[\s*<{]/.test(path) && !isBuilt(path))
}

describe.each(documents)('%s', document => {
  test('names only paths that exist', () => {
    expect(pathsIn(document).filter(path => !existsSync(join(root, path)))).toEqual([])
  })

  test('links only to files that exist', () => {
    const targets = [...textOf(document).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(match => match[1]!)
    expect(targets.filter(target => !existsSync(join(root, dirname(document), target)))).toEqual([])
  })
})

test('paths are recognised, so that a wrong one would be found', () => {
  expect(pathsIn('docs/architecture.md').length).toBeGreaterThan(100)
})

/** Cells of the rows of a Markdown table, of all rows whose line matches. */
function rowsOf(document: string, row: RegExp): string[][] {
  const lines = textOf(document).split('\n')
  return lines.filter(line => row.test(line)).map(line => line.split(' | ').map(cell => cell.replace(/^\| | \|$/g, '')))
}

const steps = rowsOf('docs/architecture.md', /^\| \d+ \| /)

test('the walk of a Pod has its steps in order', () => {
  expect(steps.map(([number]) => Number(number))).toEqual(steps.map((_, index) => index + 1))
  expect(steps.length).toBeGreaterThan(20)
})

test.each(steps)('step %s, %s, names functions that are there: %s', (_, file = '', functions = '') => {
  const code = textOf(file.replaceAll('`', ''))
  const names = [...functions.matchAll(/`([^`]+)`/g)].map(match => match[1]!)
  expect(names.length).toBeGreaterThan(0)
  expect(names.filter(name => !new RegExp(`(?<![\\w.#])${name}(?:<.*>)?(?:\\(| =|: )`).test(code))).toEqual([])
})

/** The cells of a flag's row but for its effect. */
function flagCells(flag: Flag): string[] {
  const names = [`\`--${flag.name}\``, ...(flag.short === undefined ? [] : [`\`-${flag.short}\``])].join(' ')
  const quoted = (text: string | undefined) => (text === undefined || text === '' ? '-' : `\`${text}\``)
  return [names, flag.type, quoted(flag.default), quoted(flag.env), flag.usage]
}

const flagRows = rowsOf('docs/configuration.md', /^\| `--/)
const effectOf = new Map(flagRows.map(cells => [/--([\w-]+)/.exec(cells[0]!)![1]!, cells[4]!]))
const agentOnly = agentFlags.filter(flag => !serverFlags.includes(flag))

test('every flag is listed in docs/configuration.md as the table of flags has it', () => {
  const documented = flagRows.map(([names, type, fallback, env, , usage]) => [names, type, fallback, env, usage])
  expect(documented).toEqual([...serverFlags, ...agentOnly].map(flagCells))
})

/** Remembers which flags were asked for. */
class WatchedValues extends FlagValues {
  readonly asked = new Set<string>()

  override given(name: string): boolean {
    this.asked.add(name)
    return super.given(name)
  }

  override string(name: string): string | undefined {
    this.asked.add(name)
    return super.string(name)
  }

  override list(name: string, split = false): readonly string[] {
    this.asked.add(name)
    return super.list(name, split)
  }
}

const machine = { hostname: 'node', primaryAddress: '192.0.2.1' }
const defaults = serverFlags.flatMap(({ name, default: value }): [string, string[]][] =>
  value === undefined ? [] : [[name, [value]]],
)

/** The flags a server looks at when one of them is given. Throws what serverConfig throws. */
function flagsAskedFor(given?: Flag): ReadonlySet<string> {
  const value = given?.type === 'bool' ? 'true' : given?.type === 'int' ? '1' : (given?.default ?? 'x')
  const values = new WatchedValues(
    new Map([...defaults, ...(given ? [[given.name, [value]] as [string, string[]]] : [])]),
    new Set(given ? [given.name] : []),
  )
  serverConfig(values, machine)
  return values.asked
}

function isRefused(flag: Flag): boolean {
  try {
    flagsAskedFor(flag)
    return false
  } catch (error) {
    return /not supported by this version|invalid flag use; --server is required/.test((error as Error).message)
  }
}

test('docs/configuration.md says which flags a server refuses', () => {
  const documented = serverFlags.filter(({ name }) => effectOf.get(name) === 'refused')
  expect(documented.map(({ name }) => name)).toEqual(serverFlags.filter(isRefused).map(({ name }) => name))
})

test('docs/configuration.md claims an effect only for flags that are read', () => {
  // Read by the subcommand itself, before the configuration is made.
  const asked = new Set([...flagsAskedFor(), 'config', 'token-file', 'agent-token-file'])
  const claimed = serverFlags.filter(({ name }) => /^(yes|partly)/.test(effectOf.get(name) ?? ''))
  expect(claimed.filter(({ name }) => !asked.has(name)).map(({ name }) => name)).toEqual([])
  const effects = new Set([...effectOf.values()].map(text => text.split(':')[0]))
  expect([...effects].sort()).toEqual(['none yet', 'partly', 'refused', 'yes'])
})

test.each(filesIn('examples', '.yaml'))('%s parses as a manifest', path => {
  expect(parseManifest(textOf(path)).length).toBeGreaterThan(0)
})

test('docs/dependencies.md lists exactly the packages of package.json', () => {
  const { dependencies, devDependencies } = JSON.parse(textOf('package.json'))
  const used = textOf('docs/dependencies.md').split('## From Debian')[0]!
  const listed = [...used.matchAll(/^\| ([^|]+) \|/gm)].flatMap(match => match[1]!.split(', ').map(name => name.trim()))
  const names = listed.filter(name => name !== 'package' && !/^-+$/.test(name))
  expect(names.sort()).toEqual([...Object.keys(dependencies), ...Object.keys(devDependencies)].sort())
})

test('every example is mentioned in a document', () => {
  const all = documents.map(textOf).join('\n')
  expect(filesIn('examples', '').filter(path => !all.includes(path))).toEqual([])
})
