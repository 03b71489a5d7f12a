/** Sprig's functions over paths, by Go's package path. */
import { type FunctionTable, goFunction } from '../template/functions.ts'

const base = goFunction('string -> string', baseOf)
const dir = goFunction('string -> string', (path: string) => clean(path.slice(0, path.lastIndexOf('/') + 1)))
const cleaned = goFunction('string -> string', clean)
const ext = goFunction('string -> string', (path: string) => /\.[^./]*$/.exec(path)?.[0] ?? '')
const isAbs = goFunction('string -> bool', (path: string) => path.startsWith('/'))

export const pathFunctions: FunctionTable = {
  base,
  osBase: base,
  dir,
  osDir: dir,
  clean: cleaned,
  osClean: cleaned,
  ext,
  osExt: ext,
  isAbs,
  osIsAbs: isAbs,
}

function baseOf(path: string): string {
  if (path === '') return '.'
  const trimmed = path.replace(/\/+$/, '')
  return trimmed.slice(trimmed.lastIndexOf('/') + 1) || '/'
}

function clean(path: string): string {
  const rooted = path.startsWith('/')
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else if (!rooted) parts.push('..')
  }
  return (rooted ? '/' : '') + parts.join('/') || '.'
}
