/** Reads the generated models of the installed @kubernetes/client-node: names, types, formats, required, descriptions. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../node_modules/@kubernetes/client-node/dist/gen/models')

export interface ModelField {
  readonly name: string
  /** A schema type: "string", "int32", "[]T", "{}T", "@V1Container", ... */
  readonly type: string
  readonly required: boolean
  readonly description: string
}

export interface Model {
  readonly description: string
  readonly fields: readonly ModelField[]
}

export function modelNames(): ReadonlySet<string> {
  return new Set(readdirSync(folder, 'utf8').flatMap(file => (file.endsWith('.js') ? [file.slice(0, -3)] : [])))
}

/** The model of one class, e.g. "V1Pod". */
export function readModel(name: string): Model {
  const code = readFileSync(join(folder, `${name}.js`), 'utf8')
  const declaration = readFileSync(join(folder, `${name}.d.ts`), 'utf8')
  const table = /attributeTypeMap = (\[[\s\S]*?\n\]);/.exec(code)?.[1]
  const rows = JSON.parse(table ?? '[]') as { name: string; baseName: string; type: string; format: string }[]
  return {
    description: comment(/\n\/\*\*\n((?:\*.*\n)*)\*\/\nexport declare class/.exec(declaration)?.[1] ?? ''),
    fields: rows.map(row => ({
      name: row.baseName,
      type: typeOf(row.type, row.format),
      required: declaration.includes(`    '${row.name}':`),
      description: descriptionOf(declaration, row.name),
    })),
  }
}

function descriptionOf(declaration: string, field: string): string {
  const at = declaration.search(new RegExp(`\\n    '${field.replace('$', '\\$')}'\\??:`))
  const start = declaration.lastIndexOf('/**', at)
  const end = declaration.lastIndexOf('*/', at)
  const between = end < 0 ? '' : declaration.slice(end + 2, at).trim()
  return between === '' && start >= 0 ? comment(declaration.slice(start + 3, end)) : ''
}

/** The text of a documentation comment; the generator escapes quotes and asterisks in it. */
function comment(text: string): string {
  return text
    .split('\n')
    .map(line => line.replace(/^\s*\*? ?/, ''))
    .join('\n')
    .replace(/\\(['"])/g, '$1')
    .replaceAll('/_*', '/*')
    .replaceAll('*_/', '*/')
    .trim()
}

function typeOf(type: string, format: string): string {
  const array = /^Array<(.*)>$/.exec(type)
  if (array) return `[]${typeOf(array[1]!, format)}`
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)
  if (map) return `{}${typeOf(map[1]!, format)}`
  if (type === 'Date') return '@Time'
  if (type === 'V1MicroTime') return '@MicroTime'
  if (type === 'IntOrString') return '@IntOrString'
  if (type === 'number') return format === '' ? 'number' : format
  if (type === 'string' && format === 'byte') return 'byte'
  return /^[A-Z]/.test(type) ? `@${type}` : type
}
