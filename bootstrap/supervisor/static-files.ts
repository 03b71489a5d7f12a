/** K3s' /static/: the files below server/static, for anybody (packaged charts among them). */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { type ApiResponse, headerOf, textResponse } from '../apiserver/http/message.ts'
import type { Route } from '../apiserver/server.ts'

const prefix = '/static/'
const contentTypes: { readonly [extension: string]: string } = {
  '.json': 'application/json',
  '.tgz': 'application/gzip',
  '.gz': 'application/gzip',
  '.txt': 'text/plain; charset=utf-8',
  '.yaml': 'text/yaml; charset=utf-8',
  '.yml': 'text/yaml; charset=utf-8',
}

/** Nothing outside `folder` is served, whatever the path or a link in it says. */
export function staticFiles(folder: string): Route {
  return request => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
    if (!request.path.startsWith(prefix)) return undefined
    return answer(folder, request.path.slice(prefix.length), headerOf(request, 'if-modified-since'))
  }
}

async function answer(folder: string, encoded: string, since: string): Promise<ApiResponse> {
  const path = await within(folder, encoded)
  const found = path === undefined ? undefined : await stat(path)
  if (path === undefined || !(found?.isFile() || found?.isDirectory())) return textResponse(404, '404 page not found\n')
  if (found.isDirectory()) return listing(path)
  const modified = new Date(Math.floor(found.mtimeMs / 1000) * 1000)
  const headers = { 'last-modified': modified.toUTCString() }
  if (Date.parse(since) >= modified.getTime()) return { status: 304, headers, body: undefined }
  const type = contentTypes[extname(path)] ?? 'application/octet-stream'
  return { status: 200, headers: { ...headers, 'content-type': type }, body: await readFile(path) }
}

/** The file's real path; undefined when there is none in the folder. */
async function within(folder: string, encoded: string): Promise<string | undefined> {
  try {
    const root = await realpath(folder)
    const path = await realpath(join(root, decodeURIComponent(encoded)))
    return path === root || path.startsWith(root + sep) ? path : undefined
  } catch {
    return undefined
  }
}

async function listing(path: string): Promise<ApiResponse> {
  const entries = await readdir(path, { withFileTypes: true })
  const names = entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
  const lines = names.map(
    name => `<a href="${encodeURIComponent(name).replace(/%2F$/, '/')}">${escapeHtml(name)}</a>\n`,
  )
  const body = Buffer.from(`<!doctype html>\n<pre>\n${lines.join('')}</pre>\n`)
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body }
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
}
