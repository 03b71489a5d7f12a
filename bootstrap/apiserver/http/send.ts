/** Writes a response to the wire: lengths, compression, chunking of long bodies, streams with back-pressure. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { drained } from './drained.ts'
import type { Lifetime } from './lifetime.ts'
import type { ApiRequest, ApiResponse, ResponseBody } from './message.ts'
import { headerOf } from './message.ts'

const compressFrom = 128 * 1024
const compressionLevel = 1
/** Long bodies are written in pieces of this size, so that other requests get their turn. */
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
    const more = { 'content-encoding': 'gzip', vary: 'Accept-Encoding' }
    const packed = Readable.from(pieces(parts)).pipe(createGzip({ level: compressionLevel }))
    await sendStream(request, { ...response, headers: { ...response.headers, ...more } }, packed, out, lifetime)
    return
  }
  out.writeHead(response.status, { ...headers, 'content-length': String(size) })
  if (size <= pieceBytes) {
    out.end(parts.length === 1 ? parts[0] : Buffer.concat(parts))
    return
  }
  await sendLong(parts, out, lifetime)
}

/** Copies the parts through one buffer: pieces of their own would make the garbage collector work as hard as the sender. */
async function sendLong(parts: readonly Buffer[], out: ServerResponse, lifetime: Lifetime): Promise<void> {
  const piece = Buffer.allocUnsafeSlow(pieceBytes)
  let filled = 0
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const copied = part.copy(piece, filled, from)
      from += copied
      filled += copied
      if (filled < piece.length) continue
      await written(piece, out, lifetime)
      if (lifetime.gone) return
      filled = 0
    }
  }
  await written(piece.subarray(0, filled), out, lifetime)
  out.end()
}

/** Resolves when the bytes may be overwritten, or nobody listens any more. */
async function written(bytes: Buffer, out: ServerResponse, lifetime: Lifetime): Promise<void> {
  if (lifetime.gone) return
  await new Promise<void>(resolve => {
    const done = () => {
      out.off('close', done)
      resolve()
    }
    out.once('close', done)
    out.write(bytes, done)
  })
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
