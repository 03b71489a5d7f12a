/**
 * Holds the dependency rule of docs/architecture.md: who may import whom, and no cycles. Prints one line per violation and
 * exits 1 when there is any. Usage: node scripts/check-imports.ts [ROOT]
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

export interface ImportEdge {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const sources = ['bootstrap', 'operators', 'skiff.ts']

/** All relative imports between the project's own sources; tests are left out. Paths are relative to `root`. */
export function importsOf(root: string): ImportEdge[] {
  return sources
    .flatMap(source => filesBelow(join(root, source)))
    .flatMap(file => {
      const text = readFileSync(file, 'utf8')
      const statement = /^(?:import|export)\s+(type\s)?[^'"]*?['"](\.[^'"]+)['"]|import\(['"](\.[^'"]+)['"]\)/gm
      return [...text.matchAll(statement)].map(match => ({
        from: relative(root, file),
        to: relative(root, resolve(dirname(file), match[2] ?? match[3]!)),
        typeOnly: match[1] !== undefined,
      }))
    })
}

/** Packages whose names are taken from a dynamic import: where the bundle is in pieces, one of CommonJS has none but `default`. */
export function lostNames(text: string): string[] {
  const statement = /\{(?!\s*default:)[^{}]*\}\s*=\s*await import\('((?!node:)[^.'][^']*)'\)/g
  return [...text.matchAll(statement)].map(match => match[1]!)
}

function filesBelow(path: string): string[] {
  if (path.endsWith('.ts')) return existsSync(path) ? [path] : []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter(
      name =>
        name.endsWith('.ts') &&
        !name.endsWith('.test.ts') &&
        !/(^|\/)testing\//.test(name) &&
        !name.endsWith('contract.ts'),
    )
    .map(name => join(path, name))
}

/** The part a file belongs to: "bootstrap/client", "operators/addon", "operators/core/scheduler", ... */
function partOf(file: string): string {
  const [top, second, third] = file.split('/')
  if (top === 'bootstrap') return second!.endsWith('.ts') ? 'bootstrap' : `bootstrap/${second}`
  if (top === 'operators')
    return second === 'core' && third !== undefined && !third.endsWith('.ts')
      ? `operators/core/${third}`
      : second!.endsWith('.ts')
        ? 'operators'
        : `operators/${second}`
  return top!
}

/** What each kernel part may import besides itself; the vocabulary and leaf helpers are open to all. */
const open = [
  'bootstrap/api',
  'bootstrap/cel',
  'bootstrap/protobuf',
  'bootstrap/version.ts',
  'bootstrap/log.ts',
  'bootstrap/metrics.ts',
  'bootstrap/streaming',
  'bootstrap/pki/certificate.ts',
  'bootstrap/pki/der.ts',
]
const kernel: { readonly [part: string]: readonly string[] } = {
  'bootstrap/api': [],
  'bootstrap/protobuf': [],
  'bootstrap/cel': [],
  'bootstrap/datastore': [],
  'bootstrap/config': [],
  'bootstrap/streaming': [],
  'bootstrap/pki': ['bootstrap/config'],
  'bootstrap/client': [],
  'bootstrap/apiserver': ['bootstrap/datastore', 'bootstrap/client', 'bootstrap/pki'],
  'bootstrap/agent': ['bootstrap/client', 'bootstrap/config'],
  'bootstrap/serving': ['bootstrap/client', 'bootstrap/pki'],
  'bootstrap/tunnel': ['bootstrap/client'],
  'bootstrap/join': ['bootstrap/client', 'bootstrap/config', 'bootstrap/pki'],
  'bootstrap/loadbalancer': ['bootstrap/pki'],
  'bootstrap/etcd': [
    'bootstrap/client',
    'bootstrap/config',
    'bootstrap/datastore',
    'bootstrap/pki',
    'bootstrap/snapshots',
  ],
  'bootstrap/snapshots': ['bootstrap/client', 'bootstrap/datastore', 'bootstrap/pki'],
  'bootstrap/cluster': [
    'bootstrap/client',
    'bootstrap/config',
    'bootstrap/datastore',
    'bootstrap/join',
    'bootstrap/pki',
  ],
  'bootstrap/supervisor': [
    'bootstrap/apiserver',
    'bootstrap/client',
    'bootstrap/cluster',
    'bootstrap/config',
    'bootstrap/join',
    'bootstrap/pki',
  ],
}

/** Parts of the kernel that put others together: what starts a server, and what restores one. */
const composing = new Set(['bootstrap', 'bootstrap/cli', 'bootstrap/restore'])

/** Why this import is not allowed, or undefined when it is. */
export function violation(edge: ImportEdge): string | undefined {
  const from = partOf(edge.from)
  const to = partOf(edge.to)
  if (from === to || from === 'skiff.ts' || open.some(path => edge.to === path || edge.to.startsWith(`${path}/`)))
    return undefined
  if (composing.has(from)) return to.startsWith('operators') ? 'the kernel knows no operator' : undefined
  const allowed = kernel[from]
  if (allowed)
    return allowed.includes(to) ? undefined : `${from} may import only ${['bootstrap/api', ...allowed].join(', ')}`
  return operatorViolation(edge, from, to)
}

function operatorViolation(edge: ImportEdge, from: string, to: string): string | undefined {
  if (from === 'operators') return undefined
  if (to === 'bootstrap/client' || to === 'operators/runtime') return undefined
  if (edge.typeOnly && (edge.to === 'bootstrap/userland.ts' || edge.to === 'bootstrap/agent/embedded/module.ts'))
    return undefined
  if (from === 'operators/core' && to.startsWith('operators/core/')) return undefined
  if (from.startsWith('operators/core/') && edge.to.startsWith('operators/core/common/')) return undefined
  return 'an operator imports only operators/runtime, bootstrap/client and bootstrap/api'
}

/** One cycle of value imports as a list of files, or undefined. */
export function findCycle(edges: readonly ImportEdge[]): string[] | undefined {
  const next = Map.groupBy(
    edges.filter(edge => !edge.typeOnly),
    edge => edge.from,
  )
  const finished = new Set<string>()
  const visit = (file: string, path: string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (finished.has(file)) return undefined
    for (const edge of next.get(file) ?? []) {
      const cycle = visit(edge.to, [...path, file])
      if (cycle) return cycle
    }
    finished.add(file)
    return undefined
  }
  for (const file of next.keys()) {
    const cycle = visit(file, [])
    if (cycle) return cycle
  }
  return undefined
}

if (process.argv[1] === import.meta.filename) {
  const root = resolve(process.argv[2] ?? join(import.meta.dirname, '..'))
  const edges = importsOf(root)
  const lines = edges.flatMap(edge => {
    const why = violation(edge)
    return why === undefined ? [] : [`${edge.from} imports ${edge.to}: ${why}`]
  })
  for (const file of sources.flatMap(source => filesBelow(join(root, source))))
    for (const name of lostNames(readFileSync(file, 'utf8')))
      lines.push(
        `${relative(root, file)} takes names out of import('${name}'): have a file of your own export them from it, and import that`,
      )
  const cycle = findCycle(edges)
  if (cycle) lines.push(`import cycle: ${cycle.join(' -> ')}`)
  for (const line of lines) console.error(line)
  process.exitCode = lines.length > 0 ? 1 : 0
}
