/** Which proxy a URL is reached through, by the variables programs agree on (Go's net/http/httpproxy). */
import { BlockList, isIP } from 'node:net'

export interface ProxyVariables {
  readonly [name: string]: string | undefined
}

/** The proxy's URL, or undefined to connect directly. Throws Error for a proxy of another kind than http or https. */
export function proxyFor(url: URL, variables: ProxyVariables): URL | undefined {
  const named = (name: string) => variables[name.toUpperCase()] || variables[name]
  const text = named(url.protocol === 'https:' ? 'https_proxy' : 'http_proxy') || named('all_proxy')
  if (!text || isLocal(url.hostname) || isExempt(url, named('no_proxy') ?? '')) return undefined
  const proxy = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (proxy?.protocol !== 'http:' && proxy?.protocol !== 'https:')
    throw new Error(`proxy ${JSON.stringify(text)} is not supported, want http://HOST:PORT`)
  return proxy
}

const bare = (host: string): string => host.replace(/^\[|\]$/g, '').toLowerCase()

function isLocal(hostname: string): boolean {
  const host = bare(hostname)
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function isExempt(url: URL, list: string): boolean {
  const host = bare(url.hostname)
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return list
    .split(',')
    .map(entry => entry.trim().toLowerCase())
    .some(entry => entry !== '' && matches(entry, host, port))
}

/** An entry is `*`, a network, an address or a domain, the latter two with a port if need be. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  const [network = '', bits] = entry.split('/')
  if (bits !== undefined) return isIP(host) !== 0 && isInside(host, network, Number(bits))
  const [, name = '', ownPort] = /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? []
  if (ownPort !== undefined && ownPort !== port) return false
  const domain = bare(name).replace(/^\*?\./, '.')
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`)
}

function isInside(host: string, network: string, bits: number): boolean {
  const family = isIP(network)
  if (family === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  const name = family === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(network, bits, name)
  return isIP(host) === family && list.check(host, name)
}
