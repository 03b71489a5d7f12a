/**
 * YAML as sigs.k8s.io/yaml reads it into JSON: YAML 1.1 booleans, keys become strings, merge keys, later entries win, dates stay
 * text. All numbers come out as float64.
 */
import { textOf } from '../template/bytes.ts'
import { formatFloat } from '../template/floats.ts'
import { formatValue } from '../template/format.ts'
import { noFlags } from '../template/padding.ts'
import { type GoMap, type GoValue, setEntry, typed, types } from '../template/values.ts'
import { YamlSyntaxError } from './cursor.ts'
import { parseDocument, type YamlNode } from './parser.ts'
import { isTimestamp, resolvePlain, type YamlScalar } from './scalars.ts'

/** The first document of a text, null for an empty one. Throws YamlSyntaxError with go-yaml's message, "yaml: line 3: ...". */
export function decodeYaml(text: string): GoValue {
  const node = parseDocument(text)
  return node === undefined ? null : new Decoder().value(node)
}

const tagPrefix = 'tag:yaml.org,2002:'

class Decoder {
  readonly #open = new Set<YamlNode>()
  #count = 0
  #aliasCount = 0
  #aliasDepth = 0

  value(node: YamlNode): GoValue {
    this.#count++
    if (this.#aliasDepth > 0) this.#aliasCount++
    if (this.#aliasCount > 100 && this.#count > 1000 && this.#aliasCount / this.#count > allowedRatio(this.#count))
      throw new YamlSyntaxError('document contains excessive aliasing')
    switch (node.kind) {
      case 'scalar': {
        const scalar = scalarOf(node)
        return typeof scalar === 'bigint' ? Number(scalar) : scalar
      }
      case 'sequence':
        return node.items.map(item => this.value(item))
      case 'mapping': {
        const map: GoMap = {}
        this.#fill(map, node.entries)
        return map
      }
      case 'alias':
        return this.#alias(node)
    }
  }

  #alias(node: YamlNode & { kind: 'alias' }): GoValue {
    if (this.#open.has(node)) throw new YamlSyntaxError(`anchor '${node.name}' value contains itself`)
    this.#open.add(node)
    this.#aliasDepth++
    const value = this.value(node.target)
    this.#aliasDepth--
    this.#open.delete(node)
    return value
  }

  #fill(map: GoMap, entries: readonly (readonly [YamlNode, YamlNode])[]): void {
    for (const [key, node] of entries) {
      if (isMerge(key)) this.#merge(map, node)
      else {
        const name = this.#key(key, node)
        setEntry(map, name, this.value(node))
      }
    }
  }

  #merge(map: GoMap, node: YamlNode): void {
    const sources = node.kind === 'sequence' ? node.items.toReversed() : [node]
    for (const source of sources) {
      const target = source.kind === 'alias' ? source.target : source
      if (target.kind !== 'mapping')
        throw new YamlSyntaxError('map merge requires map or sequence of maps as the value')
      this.#aliasDepth += source.kind === 'alias' ? 1 : 0
      this.#fill(map, target.entries)
      this.#aliasDepth -= source.kind === 'alias' ? 1 : 0
    }
  }

  #key(node: YamlNode, value: YamlNode): string {
    const target = node.kind === 'alias' ? node.target : node
    if (target.kind !== 'scalar') throw new YamlSyntaxError(`invalid map key: ${goSyntax(this.value(target))}`)
    const key = scalarOf(target)
    switch (typeof key) {
      case 'string':
        return key
      case 'number':
        return floatKey(key)
      case 'object':
        throw new YamlSyntaxKeyError(
          `unsupported map key of type: %!s(<nil>), key: <nil>, value: ${goSyntax(this.value(value))}`,
        )
      default:
        return String(key)
    }
  }
}

/** An error of the conversion to JSON, without go-yaml's prefix. */
class YamlSyntaxKeyError extends YamlSyntaxError {
  constructor(message: string) {
    super('')
    this.message = message
  }
}

function isMerge(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.value === '<<' && (node.plain || node.tag === `${tagPrefix}merge`)
}

/** Aliases may make up 99 % of a small document and 10 % of a big one. */
function allowedRatio(count: number): number {
  const [low, high] = [400_000, 4_000_000]
  if (count <= low) return 0.99
  return count >= high ? 0.1 : 0.99 - (0.89 * (count - low)) / (high - low)
}

function scalarOf(node: YamlNode & { kind: 'scalar' }): YamlScalar {
  const { tag, value } = node
  if (tag === '' || tag === '!') return node.plain ? resolvePlain(value) : value
  if (tag === `${tagPrefix}str`) return value
  if (tag === `${tagPrefix}binary`) return binary(value)
  const short = tag.startsWith(tagPrefix) ? tag.slice(tagPrefix.length) : ''
  return ['bool', 'int', 'float', 'null', 'timestamp'].includes(short) ? tagged(value, short) : value
}

function binary(value: string): string {
  const text = value.replaceAll(/[\r\n]/g, '')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0)
    throw new YamlSyntaxError('!!binary value contains invalid base64 data')
  return textOf(Buffer.from(text, 'base64'))
}

function tagged(value: string, wanted: string): YamlScalar {
  const resolved = resolvePlain(value)
  const actual = kindOf(resolved, value)
  if (actual === wanted) return resolved
  if (wanted === 'float' && actual === 'int') return Number(resolved)
  throw new YamlSyntaxError(`cannot decode !!${actual} \`${value}\` as a !!${wanted}`)
}

function kindOf(value: YamlScalar, text: string): string {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float'
    default:
      return isTimestamp(text) ? 'timestamp' : 'str'
  }
}

function floatKey(key: number): string {
  if (Number.isNaN(key)) return '.nan'
  if (!Number.isFinite(key)) return key > 0 ? '.inf' : '-.inf'
  const short = shortestSingle(key)
  return formatFloat(short, 'g', -1)
}

/** The number with the fewest digits that is the same float32: upstream writes keys in single precision. */
function shortestSingle(value: number): number {
  const single = Math.fround(value)
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(single.toPrecision(digits))
    if (Math.fround(candidate) === single) return candidate
  }
  return single
}

/** "%#v". */
function goSyntax(value: GoValue): string {
  return value === null ? '<nil>' : formatValue(asGo(value), 'v', { ...noFlags, sharpV: true })
}

/** For a message: what go-yaml calls the types of its maps and lists. */
function asGo(value: GoValue): GoValue {
  if (Array.isArray(value)) return typed(value.map(asGo), types.list)
  if (typeof value !== 'object' || value === null) return value
  const map: GoMap = {}
  for (const [key, item] of Object.entries(value)) setEntry(map, key, asGo(item))
  return typed(map, { name: 'map[interface {}]interface {}', kind: 'map', element: types.any })
}
