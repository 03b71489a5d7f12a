/** Writes a response to the wire: lengths, compression, chunking of long bodies, streams with back-pressure. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip as gzipCallback } from 'node:zlib'
import { drained } from './drained.ts'
import type { Lifetime } from './lifetime.ts'
import type { ApiRequest, ApiResponse, ResponseBody } from './message.ts'
import { headerOf } from './message.ts'

const gzip = promisify(gzipCallback)
const compressFrom = 128 * 1024
const compressionLevel = 1
/** Long bodies are put together and written in pieces of this size, so that other requests get their turn. */
const pieceBytes = 1024 * 1024

/** Resolves when everything is written or the client is gone; never rejects. */
export async function send(
  request: Pick<ApiRequest, 'headers' | 'method'>,
  response: ApiResponse,
  out: ServerResponse,
  lifetime: Lifetime,
): Promise<void> {
  try {
    const { body } = response
    if (out.destroyed || lifetime.gone) return
    if (isStream(body)) await sendStream(request, response, body, out, lifetime)
    else await sendWhole(request, response, body, out, lifetime)
  } catch {
    out.destroy()
  }
}

function isStream(body: ResponseBody): body is AsyncIterable<Uint8Array> {
  return body !== undefined && Symbol.asyncIterator in body
}

async function sendWhole(
  request: Pick<ApiRequest, 'headers' | 'method'>,
  response: ApiResponse,
  body: Buffer | readonly Buffer[] | undefined,
  out: ServerResponse,
  lifetime: Lifetime,
): Promise<void> {
  const parts = body === undefined ? [] : Buffer.isBuffer(body) ? [body] : body
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const headers = response.headers as OutgoingHttpHeaders
  if (request.method === 'HEAD') {
    out.writeHead(response.status, { ...headers, 'content-length': String(size) })
    out.end()
    return
  }
  if (size > compressFrom && response.status === 200 && accepts(request) && headers['content-encoding'] === undefined) {
    const packed = await gzip(Buffer.concat(parts), { level: compressionLevel })
    const more = { 'content-encoding': 'gzip', vary: 'Accept-Encoding', 'content-length': String(packed.length) }
    out.writeHead(response.status, { ...headers, ...more })
    out.end(packed)
    return
  }
  out.writeHead(response.status, { ...headers, 'content-length': String(size) })
  if (size <= pieceBytes) {
    out.end(parts.length === 1 ? parts[0] : Buffer.concat(parts))
    return
  }
  for (const piece of pieces(parts)) {
    if (lifetime.gone) return
    if (!out.write(piece) && !lifetime.gone) await drained(out)
    await nextTurn()
  }
  out.end()
}

function* pieces(parts: readonly Buffer[]): Generator<Buffer> {
  let held: Buffer[] = []
  let size = 0
  for (const part of parts) {
    held.push(part)
    size += part.length
    if (size < pieceBytes) continue
    yield Buffer.concat(held)
    held = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(held)
}

async function sendStream(
  request: Pick<ApiRequest, 'method'>,
  response: ApiResponse,
  body: AsyncIterable<Uint8Array>,
  out: ServerResponse,
  lifetime: Lifetime,
): Promise<void> {
  out.writeHead(response.status, { ...response.headers } as OutgoingHttpHeaders)
  if (request.method === 'HEAD') {
    out.end()
    return
  }
  if (typeof out.flushHeaders === 'function') out.flushHeaders()
  for await (const chunk of body) {
    if (lifetime.gone) return
    if (!out.write(chunk) && !lifetime.gone) await drained(out)
  }
  out.end()
}

function accepts(request: Pick<ApiRequest, 'headers'>): boolean {
  return headerOf(request, 'accept-encoding')
    .split(',')
    .some(coding => coding.split(';')[0]!.trim() === 'gzip')
}
