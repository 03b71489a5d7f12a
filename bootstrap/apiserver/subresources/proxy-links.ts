/**
 * Makes the links of a proxied page lead back through the proxy, as upstream's proxy transport does: a backend
 * does not know that its "/" is ".../pods/x/proxy/" to the browser.
 */
import { pipeline, type Readable } from 'node:stream'
import { createGunzip, createInflate } from 'node:zlib'
import type { RequestHeaders } from '../http/message.ts'

export interface ProxiedAt {
  /** Path of the proxy subresource, without a slash at its end. */
  readonly prefix: string
  /** "host[:port]" by which the backend may call itself: its address, and the Host the client asked for. */
  readonly hosts: readonly string[]
}

/** The attributes that hold one URL, by element (HTML 4 and 5). */
const linkAttributes: { readonly [element: string]: readonly string[] } = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['formaction', 'src', 'usemap'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
}

/** Elements whose content is text, whatever it looks like. */
const rawText = new Set(['script', 'style', 'textarea', 'title', 'xmp', 'noscript', 'noframes', 'noembed'])

/** A longer tag than this is passed on unread, so that a page without ">" is not held back. */
const maxTag = 64 * 1024

/**
 * `url` as the client must ask for it. Untouched: a relative one, one of another host, one already under the prefix.
 * A backend's own scheme and host are dropped, for the client cannot reach them.
 */
export function proxiedUrl(url: string, { prefix, hosts }: ProxiedAt): string {
  const [, host, path = '', rest = ''] = /^(?:(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*))?([^?#]*)(.*)$/is.exec(url) ?? []
  if (host !== undefined && !hosts.includes(host)) return url
  if (!path.startsWith('/')) return url
  return path === prefix || path.startsWith(`${prefix}/`) ? `${path}${rest}` : `${prefix}${path}${rest}`
}

/** The body with its links rewritten when it is HTML in an encoding we read; the headers that then hold. */
export function rewritePage(
  headers: RequestHeaders,
  body: Readable,
  at: ProxiedAt,
): { headers: RequestHeaders; body: AsyncIterable<Uint8Array> } {
  const decoded = isHtml(headers) ? decode(headers, body) : undefined
  if (!decoded) return { headers, body }
  const { 'content-length': _, 'content-encoding': __, ...kept } = headers
  return { headers: kept, body: rewriteLinks(decoded, at) }
}

function isHtml(headers: RequestHeaders): boolean {
  return String(headers['content-type'] ?? '')
    .toLowerCase()
    .startsWith('text/html')
}

function decode(headers: RequestHeaders, body: Readable): Readable | undefined {
  // A failure on the way reaches the reader as an error of the stream it reads.
  const through = (decoder: NodeJS.ReadWriteStream & Readable): Readable => pipeline(body, decoder, () => undefined)
  switch (String(headers['content-encoding'] ?? '').toLowerCase()) {
    case '':
    case 'identity':
      return body
    case 'gzip':
      return through(createGunzip())
    case 'deflate':
      return through(createInflate())
    default:
      return undefined
  }
}

/** Latin-1 maps each byte to one character and back: what is not a link stays as it was, in any encoding. */
async function* rewriteLinks(body: AsyncIterable<Uint8Array>, at: ProxiedAt): AsyncIterable<Uint8Array> {
  let held = ''
  let inside: string | undefined
  for await (const chunk of body) {
    const step = rewriteMarkup(held + Buffer.from(chunk).toString('latin1'), inside, at)
    held = step.held
    inside = step.inside
    if (step.done !== '') yield Buffer.from(step.done, 'latin1')
  }
  if (held !== '') yield Buffer.from(held, 'latin1')
}

/** `inside`: the element, or "!--" for a comment, whose text we are in. `held`: an unfinished tag at the end. */
function rewriteMarkup(text: string, inside: string | undefined, at: ProxiedAt) {
  let done = ''
  let from = 0
  while (from < text.length) {
    if (inside !== undefined) {
      const end = endOf(inside, text, from)
      if (end < 0) {
        const keep = Math.max(from, text.length - inside.length - 2)
        return { done: done + text.slice(from, keep), held: text.slice(keep), inside }
      }
      done += text.slice(from, end)
      from = end
      inside = undefined
    }
    const start = text.indexOf('<', from)
    if (start < 0) break
    done += text.slice(from, start)
    from = start
    if (text.startsWith('<!--', from)) {
      done += '<!--'
      from += 4
      inside = '!--'
      continue
    }
    const tag = /^<[a-z/!?](?:[^>"']|"[^"]*"|'[^']*')*>/i.exec(text.slice(from, from + maxTag))?.[0]
    if (tag === undefined) {
      if (text.length - from < maxTag && /^<(?:[a-z/!?]|$)/i.test(text.slice(from, from + 2)))
        return { done, held: text.slice(from), inside }
      done += '<'
      from += 1
      continue
    }
    from += tag.length
    const name = /^<([a-z][a-z0-9]*)/i.exec(tag)?.[1]?.toLowerCase()
    done += name === undefined ? tag : rewriteTag(tag, name, at)
    if (name !== undefined && rawText.has(name)) inside = name
  }
  return { done: done + text.slice(from), held: '', inside }
}

function endOf(inside: string, text: string, from: number): number {
  if (inside !== '!--') return text.toLowerCase().indexOf(`</${inside}`, from)
  const end = text.indexOf('-->', from)
  return end < 0 ? -1 : end + 3
}

function rewriteTag(tag: string, name: string, at: ProxiedAt): string {
  const attributes = linkAttributes[name]
  if (!attributes) return tag
  const attribute = /(\s)([a-z-]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/gi
  return tag.replace(attribute, (whole, space: string, key: string, equals: string, value: string) => {
    if (!attributes.includes(key.toLowerCase())) return whole
    const quote = /^["']/.exec(value)?.[0] ?? ''
    const url = quote === '' ? value : value.slice(1, -1)
    return `${space}${key}${equals}${quote}${proxiedUrl(url, at)}${quote}`
  })
}
