/**
 * YAML as Helm reads it everywhere (sigs.k8s.io/yaml over yaml.v2): the first document of a text as JSON. Keys are texts,
 * numbers float64, aliases and merge keys are resolved, and mistakes are told in Go's words.
 */
import { type Json, put, type Table } from '../chart/tables.ts'
import { YamlProblem } from './cursor.ts'
import { type Node, parseDocument } from './parser.ts'
import { resolveScalar } from './resolve.ts'
import type { YamlScalar } from './scalars.ts'

export interface ReadOptions {
  /** Integers that a float64 cannot hold are bigints then, instead of being rounded. */
  readonly exactIntegers?: boolean
}

/** The first document of a text; undefined when there is none. Throws Error("error converting YAML to JSON: ..."). */
export function readYaml(text: string, options: ReadOptions = {}): Json | undefined {
  try {
    const document = parseDocument(text)
    return document === undefined ? undefined : new Decoder(options).decode(document)
  } catch (error) {
    throw new Error(`error converting YAML to JSON: ${explain(error)}`, { cause: error })
  }
}

function explain(error: unknown): string {
  if (error instanceof YamlProblem) return `yaml: ${error.message}`
  if (error instanceof RangeError) return 'yaml: exceeded max depth of 10000'
  return (error as Error).message
}

/** Small documents may consist of aliases nearly entirely, large ones hardly. */
function allowedAliasRatio(count: number): number {
  const [low, high] = [400_000, 4_000_000]
  if (count <= low) return 0.99
  return count >= high ? 0.1 : 0.99 - 0.89 * ((count - low) / (high - low))
}

class Decoder {
  readonly #options: ReadOptions
  /** Aliases that are being followed. */
  readonly #open = new Set<Node>()
  #count = 0
  #viaAlias = 0

  constructor(options: ReadOptions) {
    this.#options = options
  }

  decode(node: Node): Json {
    this.#checkAliases()
    switch (node.is) {
      case 'alias':
        return this.#follow(node, target => this.decode(target))
      case 'scalar':
        return this.#number(scalarOf(node))
      case 'sequence':
        return node.items.map(item => this.decode(item))
      case 'mapping': {
        const table: Table = {}
        this.#fill(table, node)
        return table
      }
    }
  }

  #checkAliases(): void {
    this.#count++
    if (this.#open.size > 0) this.#viaAlias++
    if (this.#viaAlias > 100 && this.#count > 1000 && this.#viaAlias / this.#count > allowedAliasRatio(this.#count))
      throw new YamlProblem('document contains excessive aliasing')
  }

  #follow<T>(alias: Node & { is: 'alias' }, use: (target: Node) => T): T {
    if (this.#open.has(alias)) throw new YamlProblem(`anchor '${alias.name}' value contains itself`)
    this.#open.add(alias)
    const result = use(alias.target)
    this.#open.delete(alias)
    return result
  }

  #number(value: YamlScalar): Json {
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new Error(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`)
    if (typeof value !== 'bigint') return value
    const rounded = Number(value)
    return this.#options.exactIntegers && BigInt(rounded) !== value ? value : rounded
  }

  #fill(table: Table, node: Node & { is: 'mapping' }): void {
    for (const [key, value] of node.entries) {
      if (isMerge(key)) this.#merge(table, value)
      else put(table, this.#key(key, value), this.decode(value))
    }
  }

  /** The key as a text. */
  #key(node: Node, value: Node): string {
    this.#checkAliases()
    if (node.is === 'alias') return this.#follow(node, target => this.#key(target, value))
    if (node.is !== 'scalar') throw new YamlProblem(`invalid map key: ${goSyntax(this.decode(node), true)}`)
    const key = scalarOf(node)
    if (key === null)
      throw new Error(
        `unsupported map key of type: %!s(<nil>), key: <nil>, value: ${goSyntax(this.decode(value), false)}`,
      )
    return typeof key === 'number' ? floatKey(key) : String(key)
  }

  /** What is merged wins over keys before it, and loses to those behind it; of several, the first wins. */
  #merge(table: Table, value: Node): void {
    const sources = value.is === 'sequence' ? value.items.toReversed() : [value]
    for (const source of sources) {
      const target = source.is === 'alias' ? source.target : source
      if (target.is !== 'mapping') throw new YamlProblem('map merge requires map or sequence of maps as the value')
      this.#checkAliases()
      if (source.is === 'alias') this.#follow(source, () => this.#fill(table, target))
      else this.#fill(table, target)
    }
  }
}

function isMerge(node: Node): boolean {
  return node.is === 'scalar' && node.value === '<<' && (node.implicit || node.tag === 'tag:yaml.org,2002:merge')
}

function scalarOf(node: Node & { is: 'scalar' }): YamlScalar {
  return node.tag === '' && !node.implicit ? node.value : resolveScalar(node.tag, node.value)
}

/** The shortest text that is the same float32. */
function floatKey(value: number): string {
  if (Number.isNaN(value)) return '.nan'
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf'
  const single = Math.fround(value)
  for (let digits = 1; digits <= 9; digits++) {
    const [mantissa, exponent] = single.toExponential(digits - 1).split('e') as [string, string]
    const text = `${mantissa}e${exponent}`
    if (Math.fround(Number(text)) !== single) continue
    const power = Number(exponent)
    if (power >= -4 && power < 21) return String(Number(text))
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
  }
  return String(single)
}

/** Go's %#v of a decoded value. */
function goSyntax(value: Json, nested: boolean): string {
  if (value === null) return nested ? 'interface {}(nil)' : '<nil>'
  if (typeof value === 'string') return JSON.stringify(value)
  if (Array.isArray(value)) return `[]interface {}{${value.map(item => goSyntax(item, true)).join(', ')}}`
  if (typeof value !== 'object') return String(value)
  const entries = Object.keys(value).sort()
  return `map[interface {}]interface {}{${entries.map(key => `${JSON.stringify(key)}:${goSyntax(value[key]!, true)}`).join(', ')}}`
}
