/** Answers /openapi/v2 and /openapi/v3 from the schema and the registry of kinds. */
import type { KindRegistry } from '../schema/registry.ts'
import { loadDescriptions } from '../schema/tables.ts'
import { DocumentCache } from './cache.ts'
import { type ForeignDocument, mergedEntries } from './foreign.ts'
import { encodedEntries, protobufV2 } from './gnostic.ts'
import { type DocumentSet, digest, documentSets, type GroupVersionDocument } from './hashes.ts'
import type { Descriptions } from './schemas.ts'
import { collected } from './slices.ts'
import { entriesV2, jsonV2 } from './v2.ts'
import { documentV3 } from './v3.ts'

export interface OpenApiAnswer {
  readonly status: number
  readonly headers: { readonly [name: string]: string }
  readonly body: Buffer
}

/** Request headers by lower-case name. */
export type RequestHeaders = { readonly [name: string]: string | readonly string[] | undefined }

export interface OpenApiOptions {
  /** The Kubernetes version the documents name. */
  readonly version?: string
  /** Made documents are dropped when none was asked for this long. */
  readonly idleMilliseconds?: number
  readonly signal?: AbortSignal
  /** URLs of OpenAPI v3 documents that other servers have, by "apis/GROUP/VERSION". */
  readonly external?: () => ReadonlyMap<string, string>
  /** OpenAPI v2 documents of other servers, asked for with every request for ours. */
  readonly foreign?: () => Promise<readonly ForeignDocument[]>
}

const jsonType = 'application/json'
const protobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
const protobufTypes = new Set([protobufType, 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'])
const nothing = Buffer.alloc(0)
const year = 365 * 24 * 3600 * 1000

/**
 * Returns the answer to a GET of an OpenAPI path, or undefined for any other path. Documents are made on the first
 * request for each, in short slices of time.
 */
export function openapi(
  registry: KindRegistry,
  {
    version = 'v1.36.0',
    idleMilliseconds = 120_000,
    signal,
    external = () => new Map(),
    foreign = async () => [],
  }: OpenApiOptions = {},
): (path: string, query: URLSearchParams, headers: RequestHeaders) => Promise<OpenApiAnswer | undefined> {
  const cache = new DocumentCache(idleMilliseconds, signal)
  const sets = documentSets(registry, version)
  const modified = new Date().toUTCString()
  const context: Context = { cache, version, modified, foreign }
  return async (path, query, headers) => {
    if (path === '/openapi/v2') return answerV2(context, sets(), formOf(headers), headers)
    if (path === '/swagger-2.0.0.pb-v1') return answerV2(context, sets(), 'protobuf', headers)
    if (path === '/openapi/v3') return indexV3(sets(), external(), headers)
    const document = path.startsWith('/openapi/v3/') ? sets().documents.get(path.slice(12)) : undefined
    return document && answerV3(context, document, query, headers)
  }
}

interface Context {
  readonly cache: DocumentCache
  readonly version: string
  readonly modified: string
  readonly foreign: () => Promise<readonly ForeignDocument[]>
}

type Form = 'json' | 'protobuf' | 'unacceptable'

const header = (headers: RequestHeaders, name: string) => String(headers[name] ?? '')

function formOf(headers: RequestHeaders): Form {
  const accept = header(headers, 'accept')
  if (accept === '') return 'json'
  const types = accept.split(',').map(range => range.split(';')[0]!.trim())
  for (const type of types) {
    if (protobufTypes.has(type)) return 'protobuf'
    if (type === jsonType || type === '*/*' || type === 'application/*') return 'json'
  }
  return 'unacceptable'
}

/** A body that is cached under a name and hash, whole, compressed or not modified. */
async function cachedAnswer(
  { cache, modified }: Context,
  document: { name: string; hash: string; make: () => Promise<Buffer> },
  headers: RequestHeaders,
  own: { readonly [name: string]: string },
): Promise<OpenApiAnswer> {
  const etag = `"${document.hash}"`
  const always = { etag, vary: 'Accept', 'last-modified': modified, ...own }
  if (matches(headers, etag)) return { status: 304, headers: always, body: nothing }
  const compress = /\bgzip\b/.test(header(headers, 'accept-encoding'))
  const body = await cache.get(document.name, document.hash, compress, document.make)
  return { status: 200, headers: compress ? { ...always, 'content-encoding': 'gzip' } : always, body }
}

const matches = (headers: RequestHeaders, etag: string) =>
  header(headers, 'if-none-match')
    .split(',')
    .some(tag => tag.trim().replace(/^W\//, '') === etag)

async function answerV2(
  context: Context,
  set: DocumentSet,
  form: Form,
  headers: RequestHeaders,
): Promise<OpenApiAnswer> {
  if (form === 'unacceptable') return { status: 406, headers: { vary: 'Accept' }, body: nothing }
  const { version } = context
  const foreign = await context.foreign()
  const kinds = () => [...set.documents.values()].flatMap(document => document.kinds)
  const own = (descriptions: Descriptions) => entriesV2(kinds(), descriptions)
  const entries = (descriptions: Descriptions) =>
    foreign.length === 0 ? own(descriptions) : mergedEntries(own(descriptions), foreign)
  const made = {
    json: async () => Buffer.from((await collected(jsonV2(entries(loadDescriptions()), version))).join('')),
    protobuf: async () => protobufV2(await collected(encodedEntries(entries(loadDescriptions()))), version),
  }
  const hash = foreign.length === 0 ? set.hash : digest([set.hash, ...foreign.map(other => other.hash)].join(' '))
  const document = { name: `v2 ${form}`, hash, make: made[form] }
  return cachedAnswer(context, document, headers, { 'content-type': form === 'json' ? jsonType : protobufType })
}

function indexV3(
  { documents, hash }: DocumentSet,
  external: ReadonlyMap<string, string>,
  headers: RequestHeaders,
): OpenApiAnswer {
  const urls = new Map([...documents.values()].map(({ path, hash }) => [path, urlOf(path, hash)]))
  for (const [path, url] of external) urls.set(path, url)
  const paths = urls.entries().map(([path, serverRelativeURL]) => [path, { serverRelativeURL }])
  const whole = external.size === 0 ? hash : digest([hash, ...[...external].flat()].join(' '))
  const own = { etag: `"${whole}"`, vary: 'Accept', 'content-type': jsonType }
  if (matches(headers, own.etag)) return { status: 304, headers: own, body: nothing }
  return { status: 200, headers: own, body: Buffer.from(`${JSON.stringify({ paths: Object.fromEntries(paths) })}\n`) }
}

const urlOf = (path: string, hash: string) => `/openapi/v3/${path}?hash=${hash}`

async function answerV3(
  context: Context,
  { path, kinds, hash }: GroupVersionDocument,
  query: URLSearchParams,
  headers: RequestHeaders,
): Promise<OpenApiAnswer> {
  const asked = query.get('hash') ?? ''
  if (asked !== '' && asked !== hash) return { status: 301, headers: { location: urlOf(path, hash) }, body: nothing }
  if (formOf(headers) !== 'json') return { status: 406, headers: { vary: 'Accept' }, body: nothing }
  const make = async () =>
    Buffer.from((await collected(documentV3(kinds, context.version, loadDescriptions()))).join(''))
  const immutable = { 'cache-control': 'public, immutable', expires: new Date(Date.now() + year).toUTCString() }
  const own = { 'content-type': jsonType, ...(asked === '' ? {} : immutable) }
  return cachedAnswer(context, { name: path, hash, make }, headers, own)
}
