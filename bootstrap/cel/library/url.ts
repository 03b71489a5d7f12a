/** URLs (apiserver pkg/cel/library/urls.go): absolute ones, or absolute paths. */
import { CelError } from '../errors.ts'
import { fn, method, type Overload } from '../functions.ts'
import { bool, listOf, mapOf, opaque, string } from '../types.ts'
import { BuiltMap, type Opaque, type Value } from '../values.ts'

const type = opaque('kubernetes.URL')

class UrlValue implements Opaque {
  readonly opaque = 'kubernetes.URL'
  readonly scheme: string
  readonly host: string
  readonly path: string
  readonly query: string

  constructor(scheme: string, host: string, path: string, query: string) {
    this.scheme = scheme
    this.host = host
    this.path = path
    this.query = query
  }

  equals(other: Opaque): boolean {
    const { scheme, host, path, query } = other as UrlValue
    return this.scheme === scheme && this.host === host && this.path === path && this.query === query
  }
}

const absolute = /^([a-zA-Z][a-zA-Z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?$/
const pathOnly = /^(\/(?!\/)[^?#]*)(?:\?([^#]*))?(?:#.*)?$/

function tryUrl(text: string): UrlValue | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  if (/[\x00-\x20\x7f]/.test(text) || /%(?![0-9a-fA-F]{2})/.test(text)) return undefined
  const whole = absolute.exec(text)
  if (whole) {
    const host = (whole[2] ?? '').replace(/^.*@/, '')
    if (/:[^\]]*[^0-9\]]/.test(host.replace(/^\[[^\]]*\]/, ''))) return undefined
    return new UrlValue(whole[1]!.toLowerCase(), host, whole[3]!, whole[4] ?? '')
  }
  const path = pathOnly.exec(text)
  return path ? new UrlValue('', '', path[1]!, path[2] ?? '') : undefined
}

function url(text: string): UrlValue {
  const found = tryUrl(text)
  if (!found)
    throw new CelError(
      `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
    )
  return found
}

function queryOf({ query }: UrlValue): Value {
  const values = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(query)) values.set(name, [...(values.get(name) ?? []), value])
  const map = new BuiltMap()
  for (const [name, list] of values) map.add(name, list)
  return map
}

const hostname = ({ host }: UrlValue) => /^\[([^\]]*)\]/.exec(host)?.[1] ?? host.replace(/:\d*$/, '')

export const urls: readonly Overload[] = [
  fn('url', [string], type, url),
  fn('isURL', [string], bool, (text: string) => tryUrl(text) !== undefined),
  method('getScheme', [type], string, ({ scheme }: UrlValue) => scheme),
  method('getHost', [type], string, ({ host }: UrlValue) => host),
  method('getHostname', [type], string, hostname),
  method('getPort', [type], string, ({ host }: UrlValue) => /:(\d*)$/.exec(host)?.[1] ?? ''),
  method('getEscapedPath', [type], string, ({ path }: UrlValue) => path),
  method('getQuery', [type], mapOf(string, listOf(string)), queryOf),
]
