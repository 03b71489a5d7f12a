/** Sprig's urlParse and urlJoin, by Go's package net/url. */
import { isIPv6 } from 'node:net'
import { bytesOf, textOf } from '../template/bytes.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { quote } from '../template/quote.ts'
import { entry, type GoMap, kindOf } from '../template/values.ts'

interface Url {
  readonly scheme: string
  readonly opaque: string
  readonly userinfo: string | undefined
  readonly host: string
  readonly path: string
  readonly query: string
  readonly fragment: string
}

export const urlFunctions: FunctionTable = {
  urlParse: goFunction('string -> dict', (text: string) => {
    const url = wrapped('unable to parse url', () => parseUrl(text))
    const { scheme, host, path, query, opaque, fragment, userinfo = '' } = url
    return { scheme, host, hostname: hostname(host), path, query, opaque, fragment, userinfo }
  }),
  urlJoin: goFunction('dict -> string', (parts: GoMap) => {
    const userinfo = part(parts, 'userinfo')
    return formatUrl({
      scheme: part(parts, 'scheme'),
      host: part(parts, 'host'),
      path: part(parts, 'path'),
      query: part(parts, 'query'),
      opaque: part(parts, 'opaque'),
      fragment: part(parts, 'fragment'),
      userinfo:
        userinfo === ''
          ? undefined
          : wrapped('unable to parse userinfo in dict', () => parseUrl(`proto://${userinfo}@host`)).userinfo,
    })
  }),
}

function wrapped(what: string, parse: () => Url): Url {
  try {
    return parse()
  } catch (error) {
    if (error instanceof GoError) throw new GoError(`${what}: ${error.message}`)
    throw error
  }
}

function part(parts: GoMap, key: string): string {
  const value = entry(parts, key)
  if (value === undefined) return ''
  if (value === null) throw new GoError('runtime error: invalid memory address or nil pointer dereference')
  if (typeof value !== 'string')
    throw new GoError(`unable to parse ${key} key, must be of type string, but ${kindOf(value)} found`)
  return value
}

function hostname(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host)
  if (bracketed) return bracketed[1]!
  const colon = host.lastIndexOf(':')
  return colon >= 0 && /^[0-9]*$/.test(host.slice(colon + 1)) ? host.slice(0, colon) : host
}

type Mode = 'path' | 'fragment' | 'host' | 'zone' | 'userinfo'

/** Characters that stay as they are, beside letters, digits and -_.~ */
const plainIn: { readonly [mode in Mode]: RegExp } = {
  path: /[$&+,/:;=@]/,
  fragment: /[$&+,/:;=?@!()*]/,
  host: /[!$&'()*+,;=:[\]<>"]/,
  zone: /[!$&'()*+,;=:[\]<>"]/,
  userinfo: /[;:&=+$,]/,
}

function encodePart(text: string, mode: Mode): string {
  let out = ''
  for (const byte of bytesOf(text)) {
    const char = String.fromCharCode(byte)
    const plain = /[A-Za-z0-9\-_.~]/.test(char) || (mode === 'userinfo' ? /[;&=+$,]/ : plainIn[mode]).test(char)
    out += plain && byte < 0x80 ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

function decodePart(text: string, mode: Mode): string {
  const bytes: number[] = []
  const source = bytesOf(text)
  for (let at = 0; at < source.length; at++) {
    const byte = source[at]!
    const char = String.fromCharCode(byte)
    if (char !== '%') {
      if ((mode === 'host' || mode === 'zone') && byte < 0x80 && encodePart(char, 'host') !== char)
        throw new GoError(`invalid character ${quote(char)} in host name`)
      bytes.push(byte)
      continue
    }
    const code = textOf(source.subarray(at, at + 3))
    const bad =
      !/^%[0-9a-fA-F]{2}$/.test(code) || (mode === 'host' && Number.parseInt(code[1]!, 16) < 8 && code !== '%25')
    if (bad) throw new GoError(`invalid URL escape ${quote(code)}`)
    bytes.push(Number.parseInt(code.slice(1), 16))
    at += 2
  }
  return textOf(Uint8Array.from(bytes))
}

function parseUrl(text: string): Url {
  const hash = text.indexOf('#')
  const main = hash < 0 ? text : text.slice(0, hash)
  const url = inContext(main, () => parseMain(main))
  const fragment = hash < 0 ? '' : inContext(text, () => decodePart(text.slice(hash + 1), 'fragment'))
  return { ...url, fragment }
}

function inContext<T>(text: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof GoError) throw new GoError(`parse ${quote(text)}: ${error.message}`)
    throw error
  }
}

function parseMain(text: string): Url {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refused
  if (/[\0-\x1f\x7f]/.test(text)) throw new GoError('net/url: invalid control character in URL')
  const empty = { scheme: '', opaque: '', userinfo: undefined, host: '', path: '', query: '', fragment: '' }
  if (text === '*') return { ...empty, path: '*' }
  if (text.startsWith(':')) throw new GoError('missing protocol scheme')
  const schemeMatch = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)
  const scheme = schemeMatch ? schemeMatch[1]!.toLowerCase() : ''
  const afterScheme = schemeMatch ? text.slice(schemeMatch[0].length) : text
  const question = afterScheme.indexOf('?')
  const query = question < 0 ? '' : afterScheme.slice(question + 1)
  let rest = question < 0 ? afterScheme : afterScheme.slice(0, question)
  if (!rest.startsWith('/')) {
    if (scheme !== '') return { ...empty, scheme, opaque: rest, query }
    if (rest.split('/')[0]!.includes(':')) throw new GoError('first path segment in URL cannot contain colon')
  }
  let authority: { userinfo: string | undefined; host: string } = { userinfo: undefined, host: '' }
  if (rest.startsWith('//') && (scheme !== '' || !rest.startsWith('///'))) {
    const slash = rest.indexOf('/', 2)
    authority = parseAuthority(scheme, rest.slice(2, slash < 0 ? undefined : slash))
    rest = slash < 0 ? '' : rest.slice(slash)
  }
  return { ...empty, scheme, query, ...authority, path: decodePart(rest, 'path') }
}

function parseAuthority(scheme: string, authority: string): { userinfo: string | undefined; host: string } {
  const at = authority.lastIndexOf('@')
  const host = parseHost(scheme, authority.slice(at + 1))
  if (at < 0) return { userinfo: undefined, host }
  const userinfo = authority.slice(0, at)
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(userinfo)) throw new GoError('net/url: invalid userinfo')
  const colon = userinfo.indexOf(':')
  const name = encodePart(decodePart(colon < 0 ? userinfo : userinfo.slice(0, colon), 'userinfo'), 'userinfo')
  if (colon < 0) return { userinfo: name, host }
  return { userinfo: `${name}:${encodePart(decodePart(userinfo.slice(colon + 1), 'userinfo'), 'userinfo')}`, host }
}

function parseHost(scheme: string, host: string): string {
  const checkPort = (port: string): void => {
    if (!/^(?::[0-9]*)?$/.test(port)) throw new GoError(`invalid port ${quote(port)} after host`)
  }
  const open = host.lastIndexOf('[')
  if (open > 0) throw new GoError('invalid IP-literal')
  if (open === 0) {
    const close = host.lastIndexOf(']')
    if (close < 0) throw new GoError("missing ']' in host")
    checkPort(host.slice(close + 1))
    const name = host.slice(1, close)
    const zone = name.indexOf('%25')
    const address =
      zone < 0
        ? decodePart(name, 'host')
        : decodePart(name.slice(0, zone), 'host') + decodePart(name.slice(zone), 'zone')
    if (!isIPv6(address)) throw new GoError(`invalid host: ParseAddr(${quote(address)}): unable to parse IP`)
    return `[${address}]${host.slice(close + 1)}`
  }
  const strict = scheme === 'http' || scheme === 'https'
  const colon = strict ? host.indexOf(':') : host.lastIndexOf(':')
  if (colon >= 0) checkPort(host.slice(colon))
  return decodePart(host, 'host')
}

function formatUrl({ scheme, opaque, userinfo, host, path, query, fragment }: Url): string {
  let out = scheme === '' ? '' : `${scheme}:`
  if (opaque !== '') out += opaque
  else {
    if (scheme !== '' || host !== '' || userinfo !== undefined) {
      if (host !== '' || path !== '' || userinfo !== undefined) out += '//'
      if (userinfo !== undefined) out += `${userinfo}@`
      out += encodePart(host, 'host')
    }
    const escaped = path === '*' ? '*' : encodePart(path, 'path')
    if (escaped !== '' && !escaped.startsWith('/') && host !== '') out += '/'
    if (out === '' && escaped.split('/')[0]!.includes(':')) out += './'
    out += escaped
  }
  if (query !== '') out += `?${query}`
  return fragment === '' ? out : `${out}#${encodePart(fragment, 'fragment')}`
}
