/** Charts of an HTTP repository: an index.yaml and the archives it names (helm pkg/repo, pkg/downloader). */
import { createHash } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { findInIndex } from './chart-index.ts'
import type { FetchedChart } from './source.ts'
import type { Answer, Ask, Transport } from './transport.ts'

export interface RepositoryChart {
  readonly repo: string
  readonly chart: string
  /** A version or a constraint; empty for the newest stable one. */
  readonly version: string
}

export interface Credentials {
  readonly username: string
  readonly password: string
  /** Whether other hosts than the repository's may see them. */
  readonly everywhere: boolean
}

export const largestArchive = 100 * 1024 * 1024
const largestIndex = 100 * 1024 * 1024

export async function fetchFromRepository(
  wanted: RepositoryChart,
  credentials: Credentials | undefined,
  transport: Transport,
): Promise<FetchedChart> {
  const { repo, chart, version } = wanted
  const base = parseBase(repo)
  const at = (url: URL, limit: number) => get(transport, url, limit, headersFor(url, base, credentials))
  const explain = (error: unknown): never => {
    throw new Error(
      `looks like ${JSON.stringify(repo)} is not a valid chart repository or cannot be reached: ${message(error)}`,
      {
        cause: error,
      },
    )
  }
  const index = await at(inside(base, 'index.yaml'), largestIndex).catch(explain)
  const entry = await findInIndex(index.body.toString('utf8'), chart, version).catch(error => {
    const named = version === '' ? chart : `${chart} version ${version}`
    throw new Error(`chart ${named} not found in ${repo}: ${message(error)}`, { cause: error })
  })
  const url = URL.parse(entry.urls[0]!, inside(base, '').href)
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Error(`${repo} names no usable URL for ${chart}: ${entry.urls[0]}`)
  if (url.search === '') url.search = base.search
  const { body } = await at(url, largestArchive)
  checkDigest(body, entry.digest, url)
  return { archive: body, from: `${url.origin}${url.pathname}`, version: entry.version }
}

/** An archive at a URL of its own. */
export async function fetchArchive(text: string, transport: Transport): Promise<FetchedChart> {
  const url = URL.parse(text)
  if (!url) throw new Error(`chart ${JSON.stringify(text)} is not a URL`)
  const { body } = await get(transport, url, largestArchive, {})
  return { archive: body, from: `${url.origin}${url.pathname}` }
}

/** Throws Error when the archive is not the one that is meant. */
export function checkDigest(archive: Buffer, digest: string, url: URL): void {
  const wanted = digest.replace(/^sha256:/, '').toLowerCase()
  if (wanted === '') return
  const actual = createHash('sha256').update(archive).digest('hex')
  if (actual !== wanted) throw new Error(`${url.href}: the archive's SHA-256 is ${actual}, the index says ${wanted}`)
}

function parseBase(repo: string): URL {
  const url = URL.parse(repo)
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Error(`repo ${JSON.stringify(repo)} is not the URL of a chart repository, want https://HOST/PATH`)
  return url
}

/** A file below the repository's URL, with its query. */
function inside(base: URL, name: string): URL {
  const url = new URL(base)
  url.pathname = `${base.pathname.replace(/\/+$/, '')}/${name}`
  return url
}

function headersFor(url: URL, base: URL, credentials: Credentials | undefined): { readonly [name: string]: string } {
  const given = credentials ?? credentialsIn(base)
  if (!given || !(given.everywhere || (url.protocol === base.protocol && url.host === base.host))) return {}
  return { authorization: basic(given) }
}

function credentialsIn({ username, password }: URL): Credentials | undefined {
  if (username === '') return undefined
  return { username: decodeURIComponent(username), password: decodeURIComponent(password), everywhere: false }
}

export function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

async function get(
  transport: Transport,
  url: URL,
  limit: number,
  headers: NonNullable<Ask['headers']>,
): Promise<Answer> {
  const plain = new URL(url)
  plain.username = ''
  plain.password = ''
  const answer = await transport.ask(plain, { headers, limit })
  if (answer.status === 200) return answer
  throw new Error(`failed to fetch ${plain.href} : ${statusText(answer)}`)
}

export function statusText({ status }: { readonly status: number }): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`.trim()
}

const message = (error: unknown): string => (error as Error).message
