/** From the files of a chart to a Chart, by the rules of Helm's loader. */

import { readYaml } from '../yaml/unmarshal.ts'
import { isGzip, newBudget, type UnpackBudget, unpack } from './archive.ts'
import type { Chart, ChartFile, ChartMetadata, JsonObject } from './chart.ts'
import { isObject } from './decode.ts'
import { decodeMetadata, type RawMetadata, validateMetadata } from './metadata.ts'
import { describeContent } from './sniff.ts'
import { parseValues } from './values.ts'

/**
 * Loads a chart from the bytes of a .tgz. Throws Error with one line in Helm's words: not an archive, hostile names, too
 * large, no or a wrong Chart.yaml, YAML that does not parse. `name` is used in messages only.
 */
export function loadArchive(archive: Uint8Array, name = 'chart.tgz'): Chart {
  if (!isGzip(archive))
    throw new Error(`file '${name}' does not appear to be a gzipped archive; got '${describeContent(archive)}'`)
  const budget = newBudget()
  const files = unpackTop(archive, budget)
  const chartFile = files.find(file => file.name === 'Chart.yaml')
  if (chartFile === undefined) throw new Error('unable to detect chart version, no Chart.yaml found')
  checkApiVersion(chartFile)
  return loadFiles(files, budget)
}

function unpackTop(archive: Uint8Array, budget: UnpackBudget): ChartFile[] {
  try {
    return unpack(archive, budget)
  } catch (error) {
    throw new Error(`unable to load chart archive: ${(error as Error).message}`, { cause: error })
  }
}

/** Loads a chart from base64 text, as in `spec.chartContent`; white space is ignored. */
export function loadBase64(content: string, name?: string): Chart {
  const text = content.replace(/\s+/g, '')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 === 1)
    throw new Error('chart content is not valid base64')
  return loadArchive(Buffer.from(text, 'base64'), name)
}

/** Charts of an apiVersion other than v1 and v2 are refused, as Helm does. */
export function checkApiVersion(chartFile: ChartFile): void {
  const { apiVersion } = reading('Chart.yaml', () => decodeMetadata(parseText(chartFile)))
  if (!['v1', 'v2', '', undefined].includes(apiVersion)) throw new Error('unsupported chart version')
}

/** Builds a chart of its files, whose names are relative to its root. Throws Error in Helm's words. */
export function loadFiles(files: readonly ChartFile[], budget: UnpackBudget = newBudget()): Chart {
  const metadata = loadMetadata(files)
  const named = (name: string) => files.findLast(file => file.name === name)
  const lock = named('Chart.lock') ?? named('requirements.lock')
  const values = named('values.yaml')
  const schema = named('values.schema.json')
  return {
    metadata,
    values: values === undefined ? {} : reading('values.yaml', () => parseValues(textOf(values))),
    ...(schema && { schema: schema.data }),
    ...(lock && { lock: loadLock(lock) }),
    templates: files.filter(file => file.name.startsWith('templates/')),
    files: files.filter(file => isOtherFile(file.name, metadata)),
    dependencies: loadSubcharts(files, metadata.name, budget),
  }
}

function loadMetadata(files: readonly ChartFile[]): ChartMetadata {
  let metadata: RawMetadata | undefined
  for (const file of files.filter(({ name }) => name === 'Chart.yaml')) {
    metadata = { ...metadata, ...reading(file.name, () => decodeMetadata(parseText(file))) }
    if (!metadata.apiVersion) metadata = { ...metadata, apiVersion: 'v1' }
  }
  // requirements.yaml is where charts of apiVersion v1 keep their dependencies.
  for (const file of files.filter(({ name }) => name === 'requirements.yaml'))
    metadata = { ...metadata, ...reading(file.name, () => decodeMetadata(parseText(file), 'v2.Metadata')) }
  if (metadata === undefined) throw new Error('Chart.yaml file is missing')
  return validateMetadata(metadata)
}

function loadLock(file: ChartFile): JsonObject {
  const lock = reading(file.name, () => parseText(file))
  return isObject(lock) ? (lock as JsonObject) : {}
}

const ownNames = ['Chart.yaml', 'Chart.lock', 'values.yaml', 'values.schema.json']

function isOtherFile(name: string, metadata: ChartMetadata): boolean {
  if (ownNames.includes(name) || name.startsWith('templates/')) return false
  if (name === 'requirements.yaml' || name === 'requirements.lock') return metadata.apiVersion === 'v1'
  return !name.startsWith('charts/') || name.endsWith('.prov')
}

/** Archives and folders of charts/, in order of their names; those starting with "_" or "." are left alone. */
function loadSubcharts(files: readonly ChartFile[], parent: string, budget: UnpackBudget): Chart[] {
  const groups = Map.groupBy(
    files
      .filter(({ name }) => name.startsWith('charts/') && !name.endsWith('.prov'))
      .map(({ name, data }) => ({ name: name.slice('charts/'.length), data })),
    ({ name }) => name.split('/', 1)[0]!,
  )
  return [...groups]
    .filter(([name]) => !/^[_.]/.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, members]) => {
      if (name.endsWith('.tgz') && members[0]!.name !== name)
        throw new Error(`error unpacking subchart tar in ${parent}: expected ${name}, got ${members[0]!.name}`)
      try {
        return name.endsWith('.tgz') ? loadNested(members[0]!.data, budget) : loadFolder(members, budget)
      } catch (error) {
        throw new Error(`error unpacking subchart ${name} in ${parent}: ${(error as Error).message}`, { cause: error })
      }
    })
}

function loadNested(archive: Uint8Array, budget: UnpackBudget): Chart {
  return loadFiles(unpack(archive, budget), { ...budget, depth: budget.depth - 1 })
}

/** A file directly in charts/ is no chart of its own, but Helm complains about it all the same. */
function loadFolder(members: readonly ChartFile[], budget: UnpackBudget): Chart {
  const inside = members.flatMap(({ name, data }) => {
    const slash = name.indexOf('/')
    return slash < 0 ? [] : [{ name: name.slice(slash + 1), data }]
  })
  return loadFiles(inside, budget)
}

function parseText(file: ChartFile): unknown {
  return readYaml(textOf(file), { exactIntegers: true })
}

function textOf(file: ChartFile): string {
  return new TextDecoder().decode(file.data)
}

function reading<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const message = (error as Error).message
    const stage = message.startsWith('json: ') ? 'error unmarshaling JSON: while decoding JSON: ' : ''
    throw new Error(`cannot load ${name}: ${stage}${message}`, { cause: error })
  }
}
