/** Charts in archives (.tgz): unpacking in memory, with Helm's limits and refusals of hostile names. */
import { posix } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { ChartFile } from './chart.ts'
import { readTar, type TarEntry } from './tar.ts'

const mebi = 1024 * 1024
/** Helm's limits: of all files of a chart together, and of one. */
const largestChart = 100 * mebi
const largestFile = 5 * mebi
/** Archives also hold headers and padding; what unpacks to more than this is a bomb. */
const largestArchive = 150 * mebi

/** What remains of the limits; nested archives draw from the chart that holds them, so nesting multiplies nothing. */
export interface UnpackBudget {
  readonly remaining: { bytes: number }
  /** How many archives may still lie inside each other. */
  readonly depth: number
}

export function newBudget(): UnpackBudget {
  return { remaining: { bytes: largestChart }, depth: 20 }
}

/**
 * The files of a chart archive, their names below the archive's single top folder. Throws Error with Helm's message when
 * the bytes are no gzipped tar, hold a name that leaves the chart, or are too large. Links are read as empty files.
 */
export function unpack(archive: Uint8Array, budget: UnpackBudget = newBudget()): ChartFile[] {
  if (budget.depth <= 0) throw new Error('chart archives are nested too deeply')
  const files: ChartFile[] = []
  for (const entry of readTar(gunzip(archive))) {
    if (entry.type === '5' || entry.type === 'g') continue
    const name = nameInChart(entry.name)
    checkSize(entry, budget)
    budget.remaining.bytes -= entry.data.length
    files.push({ name, data: withoutBom(entry.data) })
  }
  if (files.length === 0) throw new Error('no files in chart archive')
  return files
}

function gunzip(archive: Uint8Array): Uint8Array {
  if (!isGzip(archive)) throw new Error('gzip: invalid header')
  try {
    return gunzipSync(archive, { maxOutputLength: largestArchive })
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ERR_BUFFER_TOO_LARGE':
        throw tooLarge()
      case 'Z_BUF_ERROR':
        throw new Error('unexpected EOF', { cause: error })
      default:
        throw new Error(`gzip: ${(error as Error).message}`, { cause: error })
    }
  }
}

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 0x08
}

/** Strips the top folder; Windows' separators are accepted, as some packers write them. */
function nameInChart(entryName: string): string {
  const delimiter = entryName.includes('\\') ? '\\' : '/'
  const [top, ...rest] = entryName.split(delimiter)
  const below = rest.join('/')
  if (below.startsWith('/')) throw new Error('chart illegally contains absolute paths')
  const name = posix.normalize(below).replace(/(.)\/$/, '$1')
  if (name === '.')
    throw new Error(`chart illegally contains content outside the base directory: ${JSON.stringify(entryName)}`)
  if (name.startsWith('..')) throw new Error('chart illegally references parent directory')
  if (/^[a-zA-Z]:\//.test(name)) throw new Error('chart contains illegally named files')
  if (top === 'Chart.yaml') throw new Error('chart yaml not in base directory')
  return name
}

function checkSize(entry: TarEntry, budget: UnpackBudget): void {
  if (entry.data.length > budget.remaining.bytes) throw tooLarge()
  if (entry.data.length > largestFile)
    throw new Error(
      `decompressed chart file ${JSON.stringify(entry.name)} is larger than the maximum file size ${largestFile}`,
    )
}

function tooLarge(): Error {
  return new Error(`decompressed chart is larger than the maximum size ${largestChart}`)
}

/** A byte order mark is no part of a file's text. */
export function withoutBom(data: Uint8Array): Uint8Array {
  return data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf ? data.subarray(3) : data
}

export { largestFile }
