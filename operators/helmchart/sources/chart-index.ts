/**
 * A chart repository's index.yaml. Public ones have tens of megabytes, of which one chart's lines matter, and of these one
 * version's: the text is searched by lines, and only what is chosen is parsed as YAML.
 */
import { setImmediate } from 'node:timers/promises'
import { parseYaml } from '../../../bootstrap/api/yaml.ts'
import { compareVersions, parseConstraint, parseVersion, satisfies, type Version } from '../semver.ts'

export interface IndexEntry {
  readonly version: string
  readonly urls: readonly string[]
  /** SHA-256 of the archive in hex; may be empty. */
  readonly digest: string
}

/** An entry that is not parsed yet. */
interface Candidate {
  readonly version: Version
  readonly read: () => unknown
}

/** The longest stretch of work, and so many characters are looked at between two looks at the clock. */
const sliceMs = 5
const strideLines = 2000
const largestForeignForm = 4 * 1024 * 1024

/**
 * The chart's newest version that `wanted` allows: that very version, a constraint, or any stable one when it is empty.
 * Throws Error in Helm's words.
 */
export async function findInIndex(text: string, chart: string, wanted: string): Promise<IndexEntry> {
  const candidates = await candidatesOf(text, chart)
  if (candidates === undefined) throw new Error('no chart name found')
  const chosen = choose(candidates, wanted)
  if (!chosen) throw new Error(`no chart version found for ${chart}-${wanted}`)
  return entryOf(chosen.read(), chart)
}

function choose(candidates: readonly Candidate[], wanted: string): Candidate | undefined {
  const newestFirst = [...candidates].sort((a, b) => compareVersions(b.version, a.version))
  const constraint = parseConstraint(wanted === '' ? '*' : wanted)
  return (
    newestFirst.find(({ version }) => version.original === wanted) ??
    newestFirst.find(({ version }) => satisfies(version, constraint))
  )
}

function entryOf(value: unknown, chart: string): IndexEntry {
  const { version, urls, digest } = (value ?? {}) as { version?: unknown; urls?: unknown; digest?: unknown }
  if (!Array.isArray(urls) || urls.length === 0)
    throw new Error(`chart ${JSON.stringify(chart)} has no downloadable URLs`)
  return { version: String(version), urls: urls.map(String), digest: typeof digest === 'string' ? digest : '' }
}

async function candidatesOf(text: string, chart: string): Promise<Candidate[] | undefined> {
  if (text.trimStart().startsWith('{')) return fromDocument(parseJson(text), chart)
  const lines = new Lines(text)
  const block = await chartBlock(lines, chart)
  if (block !== 'unknown form') return block === undefined ? undefined : itemsOf(block)
  if (text.length > largestForeignForm) throw new Error('index.yaml is large and not in the form Helm writes')
  return fromDocument(parseYaml(text), chart)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return parseYaml(text)
  }
}

function fromDocument(document: unknown, chart: string): Candidate[] | undefined {
  const { entries } = (document ?? {}) as { entries?: { [name: string]: unknown } }
  const list = entries && Object.hasOwn(entries, chart) ? entries[chart] : undefined
  if (!Array.isArray(list)) return undefined
  return list.flatMap(item => {
    const version = parseVersion(String((item as { version?: unknown } | null)?.version))
    return version ? [{ version, read: () => item as unknown }] : []
  })
}

/** Walks a text line by line without splitting it. */
class Lines {
  readonly #text: string
  start = 0
  #next = 0
  #count = 0
  #since = performance.now()

  constructor(text: string) {
    this.#text = text
  }

  /** The next line; undefined at the end. */
  next(): string | undefined {
    if (this.#next >= this.#text.length) return undefined
    this.start = this.#next
    const end = this.#text.indexOf('\n', this.start)
    this.#next = end < 0 ? this.#text.length : end + 1
    return this.#text.slice(this.start, end < 0 ? undefined : end).replace(/\r$/, '')
  }

  from(start: number, end: number): string {
    return this.#text.slice(start, end)
  }

  get length(): number {
    return this.#text.length
  }

  /** Lets others run now and then. */
  async pause(): Promise<void> {
    if (++this.#count % strideLines !== 0 || performance.now() - this.#since < sliceMs) return
    await setImmediate()
    this.#since = performance.now()
  }
}

const indentOf = (line: string): number => line.length - line.trimStart().length
const isBlank = (line: string): boolean => /^\s*(?:#|$)/.test(line)

/** The lines below the chart's name in `entries`; undefined when it has none. */
async function chartBlock(lines: Lines, chart: string): Promise<string | undefined | 'unknown form'> {
  for (let line = lines.next(); ; line = lines.next()) {
    if (line === undefined) return 'unknown form'
    if (/^entries:\s*(?:#.*)?$/.test(line)) break
    if (/^(?:entries|["']entries)/.test(line)) return /\{\s*\}/.test(line) ? undefined : 'unknown form'
    await lines.pause()
  }
  let depth: number | undefined
  let from: number | undefined
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    await lines.pause()
    if (isBlank(line)) continue
    const indent = indentOf(line)
    depth ??= indent
    if (indent > depth || line.startsWith('- ', indent)) continue
    if (from !== undefined) return lines.from(from, lines.start)
    if (indent < depth) return undefined
    const name = keyOf(line.slice(indent))
    if (name === undefined) return 'unknown form'
    if (name === chart) from = lines.start + line.length + 1
  }
  return from === undefined ? undefined : lines.from(from, lines.length)
}

/** The key of a line that has nothing but a key. */
function keyOf(line: string): string | undefined {
  const [, single, double, plain] = /^(?:'([^']+)'|"([^"\\]+)"|([^'"&*!?{[\s][^:]*)):\s*(?:#.*)?$/.exec(line) ?? []
  return single ?? double ?? plain
}

/** Cuts a list into its items and reads the version of each. */
function itemsOf(block: string): Candidate[] {
  const dash = /^( *)- /m.exec(block)?.[1]?.length
  if (dash === undefined) return []
  const lead = ' '.repeat(dash)
  const items = block.split(new RegExp(`^${lead}(?=- )`, 'm')).slice(1)
  const versionLine = new RegExp(`^(?:- |${lead}  )version:[ ]*(.*)$`, 'm')
  return items.flatMap(item => {
    const read = () => (parseYaml(`${lead}${item}`) as readonly unknown[])[0]
    const written = versionLine.exec(item)?.[1]
    const plain = written
      ?.replace(/\s+#.*$/, '')
      .trim()
      .replace(/^(["'])(.*)\1$/, '$2')
    const version = parseVersion(plain || String((read() as { version?: unknown })?.version))
    return version ? [{ version, read }] : []
  })
}
