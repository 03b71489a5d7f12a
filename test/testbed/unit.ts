/** Enough of systemd to run a unit that install.sh has written: ExecStart and environment files, read by systemd's rules. */
import { readFileSync } from 'node:fs'

export interface Unit {
  readonly command: readonly string[]
  readonly env: { readonly [name: string]: string }
}

/** `read` finds files: those of a machine of its own, say. A missing environment file counts as empty when its name begins with "-". */
export function readUnit(path: string, read = (file: string) => readFileSync(file, 'utf8')): Unit {
  const lines = read(path).replaceAll('\\\n', ' ').split('\n')
  const values = (key: string) =>
    lines.filter(line => line.startsWith(`${key}=`)).map(line => line.slice(key.length + 1))
  const files = values('EnvironmentFile').map(file => file.replaceAll('%N', nameOf(path)))
  return {
    command: wordsOf(values('ExecStart').at(-1)!).map(word => word.replaceAll('%%', '%').replaceAll('$$', '$')),
    env: Object.fromEntries(files.flatMap(file => variablesOf(file, read))),
  }
}

function nameOf(path: string): string {
  return path
    .split('/')
    .at(-1)!
    .replace(/\.service$/, '')
}

function variablesOf(file: string, read: (file: string) => string): [string, string][] {
  let text: string
  try {
    text = read(file.replace(/^-/, ''))
  } catch (error) {
    if (file.startsWith('-')) return []
    throw error
  }
  const lines = text.split('\n').filter(line => line.includes('='))
  return lines.map(line => [line.slice(0, line.indexOf('=')), joined(line.slice(line.indexOf('=') + 1))])
}

/** Quoted pieces side by side, as in a shell. */
function joined(text: string): string {
  return text.replace(
    /'([^']*)'|"((?:[^"\\]|\\.)*)"/g,
    (_, plain?: string, escaped?: string) => plain ?? escaped!.replace(/\\(.)/g, '$1'),
  )
}

/** Words in single quotes, in which a backslash makes the next letter plain, or without quotes. */
function wordsOf(text: string): string[] {
  const words = text.matchAll(/'((?:[^'\\]|\\.)*)'|([^\s']+)/g)
  return [...words].map(([, quoted, plain]) => plain ?? quoted!.replace(/\\(.)/g, '$1'))
}
