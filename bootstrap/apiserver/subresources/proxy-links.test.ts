import { Readable } from 'node:stream'
import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { proxiedUrl, rewritePage } from './proxy-links.ts'

const prefix = '/api/v1/namespaces/n/pods/p/proxy'
const at = { prefix, hosts: ['localhost:6443', '10.42.0.5:80'] }

async function rewritten(html: string | Buffer, more: { [name: string]: string } = {}, size = 1024) {
  const bytes = Buffer.from(html as string)
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  )
  const page = rewritePage({ 'content-type': 'text/html; charset=utf-8', ...more }, Readable.from(chunks), at)
  const parts: Uint8Array[] = []
  for await (const part of page.body) parts.push(part)
  return { headers: page.headers, text: Buffer.concat(parts).toString() }
}

describe('the URL of a proxied page', () => {
  test.each([
    ['/x?a=1#b', `${prefix}/x?a=1#b`],
    ['/', `${prefix}/`],
    ['http://10.42.0.5:80/x/', `${prefix}/x/`],
    ['https://localhost:6443/x', `${prefix}/x`],
    ['//10.42.0.5:80/x', `${prefix}/x`],
    [`${prefix}/x`, `${prefix}/x`],
    [`${prefix}y`, `${prefix}${prefix}y`],
    ['x/y', 'x/y'],
    ['?a=/b', '?a=/b'],
    ['#top', '#top'],
    ['', ''],
    ['mailto:a@b', 'mailto:a@b'],
    ['https://example.com/x', 'https://example.com/x'],
  ])('%s', (url, expected) => expect(proxiedUrl(url, at)).toBe(expected))
})

const page = `<!DOCTYPE html><!-- <a href="/no">--><html><head><title><a href="/no"></title>
<script src='/s.js'>if (1 <2) x = '<a href="/no">'</script ><LINK rel=x HREF=/c.css></head>
<p title="/no" data-href="/no">é 1 < 2 <a class="x>y" href = "/x?a=1&amp;b=2">é</a><img src="http://10.42.0.5:80/i">
<a href="http://other/x"><a href="rel"><form action="/f" method=post></p>`
const expected = page
  .replace("'/s.js'", `'${prefix}/s.js'`)
  .replace('=/c.css', `=${prefix}/c.css`)
  .replace('"/x?', `"${prefix}/x?`)
  .replace('http://10.42.0.5:80/i', `${prefix}/i`)
  .replace('"/f"', `"${prefix}/f"`)

describe('a proxied page', () => {
  test.each([1, 2, 3, 7, 64, 4096])('its links, read in chunks of %d bytes', async size => {
    expect((await rewritten(page, {}, size)).text).toBe(expected)
  })

  test('its length is no longer claimed', async () => {
    expect((await rewritten(page, { 'content-length': '1', 'x-a': 'b' })).headers).toEqual({
      'content-type': 'text/html; charset=utf-8',
      'x-a': 'b',
    })
  })

  test.each([
    ['gzip', gzipSync(page)],
    ['deflate', deflateSync(page)],
  ])('compressed by %s', async (encoding, body) => {
    const { text, headers } = await rewritten(body, { 'content-encoding': encoding })
    expect(text).toBe(expected)
    expect(headers).not.toHaveProperty('content-encoding')
  })

  test('damaged compression is an error, not half a page', async () => {
    await expect(rewritten(gzipSync(page).subarray(0, 40), { 'content-encoding': 'gzip' })).rejects.toThrow()
  })

  test.each([
    ['another type', { 'content-type': 'application/json' }],
    ['an encoding we do not read', { 'content-encoding': 'br' }],
  ])('%s passes untouched', async (_, headers) => {
    expect(await rewritten(page, { 'content-length': '9', ...headers })).toEqual({
      text: page,
      headers: { 'content-type': 'text/html; charset=utf-8', 'content-length': '9', ...headers },
    })
  })

  test('an unclosed tag is not held back for ever, and an unfinished end is kept', async () => {
    const endless = `<a "${'x'.repeat(200_000)}`
    expect((await rewritten(endless)).text).toBe(endless)
    expect((await rewritten('a <b')).text).toBe('a <b')
  })
})
