/**
 * YAML as Kubernetes' Go tools read it (sigs.k8s.io/yaml): values yes/no/on/off are booleans, keys stay strings, no dates,
 * no sexagesimal numbers, merge keys honoured.
 */
import {
  isScalar,
  LineCounter,
  parseAllDocuments,
  parseDocument,
  type ScalarTag,
  type SchemaOptions,
  stringify,
  visit,
} from 'yaml'

const goBooleans: ScalarTag = {
  identify: value => typeof value === 'boolean',
  default: true,
  tag: 'tag:yaml.org,2002:bool',
  test: /^(?:true|True|TRUE|yes|Yes|YES|on|On|ON|false|False|FALSE|no|No|NO|off|Off|OFF)$/,
  resolve: text => /^(?:t|y|on)/i.test(text),
  stringify: ({ value }) => (value === true ? 'true' : 'false'),
}

/** 0755 is octal in YAML 1.1, a file mode more often than not. */
const goOctal: ScalarTag = {
  identify: () => false,
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^[-+]?0[0-7]+$/,
  resolve: text => Number.parseInt(text, 8),
}

const options: SchemaOptions = { schema: 'core', merge: true, customTags: tags => [goBooleans, goOctal, ...tags] }

export interface YamlDocument {
  readonly value: unknown
  /** 1-based line of the file at which the document's content starts. */
  readonly line: number
}

/** A YAML mistake, located. `line` and `column` are 1-based, `document` 0-based. */
export class YamlError extends Error {
  readonly line: number
  readonly column: number
  readonly document: number

  constructor(message: string, line: number, column: number, document: number) {
    super(`line ${line}, column ${column}: ${message}`)
    this.name = 'YamlError'
    this.line = line
    this.column = column
    this.document = document
  }
}

/** Parses every document of a YAML or JSON text; empty and comment-only ones are left out. Throws YamlError. */
export function parseYamlDocuments(text: string): YamlDocument[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    ...options,
    lineCounter: lines,
    prettyErrors: false,
    keepSourceTokens: false,
  })
  if ('empty' in documents) return []
  return documents.flatMap((document, index) => {
    const error = document.errors[0]
    if (error) {
      const { line, col } = lines.linePos(error.pos[0])
      throw new YamlError(error.message, line, col, index)
    }
    // JSON has string keys only: a key is the text that was written, never the boolean or number it looks like.
    visit(document, { Pair: (_, pair) => void (isScalar(pair.key) && pair.key.source !== '<<' && keepText(pair.key)) })
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    if (value === null || value === undefined) return []
    return [{ value, line: lines.linePos(document.contents?.range?.[0] ?? 0).line }]
  })
}

function keepText(key: { value: unknown; source?: string }): void {
  if (typeof key.value !== 'string' && key.source !== undefined) key.value = key.source
}

/** Parses a text of exactly one document; undefined when it is empty. Throws YamlError. */
export function parseYaml(text: string): unknown {
  const documents = parseYamlDocuments(text)
  if (documents.length > 1) throw new YamlError('more than one document', documents[1]!.line, 1, 1)
  return documents[0]?.value
}

/**
 * Like parseYaml, but a key given twice is no error: the last one counts, as in Go's lenient reading. `duplicates` are the
 * complaints of its strict reading, `line 9: key "foo" already set in map`.
 */
export function parseYamlLeniently(text: string): { value: unknown; duplicates: string[] } {
  const lines = new LineCounter()
  const document = parseDocument(text, { ...options, uniqueKeys: false, lineCounter: lines, prettyErrors: false })
  const error = document.errors[0]
  if (error) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new YamlError(error.message, line, col, 0)
  }
  const duplicates: string[] = []
  visit(document, {
    Map: (_, map) => {
      const seen = new Set<string>()
      for (const { key } of map.items) {
        if (!isScalar(key)) continue
        keepText(key)
        const name = String(key.value)
        const { line } = lines.linePos(key.range?.[0] ?? 0)
        if (seen.has(name) && name !== '<<')
          duplicates.push(`line ${line}: key ${JSON.stringify(name)} already set in map`)
        seen.add(name)
      }
    },
  })
  return { value: document.toJS({ maxAliasCount: 100 }), duplicates }
}

/** Writes YAML that YAML 1.1 readers understand alike: strings such as yes, on or 12:30 are quoted. */
export function formatYaml(value: unknown): string {
  return stringify(value, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })
}
