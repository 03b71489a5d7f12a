/** K3s' registries.yaml, turned into containerd's certs.d/<host>/hosts.toml files and credentials. */

export interface RegistryAuth {
  readonly username?: string
  readonly password?: string
  readonly auth?: string
  readonly identity_token?: string
}

export interface RegistryTls {
  readonly ca_file?: string
  readonly cert_file?: string
  readonly key_file?: string
  readonly insecure_skip_verify?: boolean
}

export interface Registries {
  readonly mirrors?: {
    readonly [host: string]: {
      readonly endpoint?: readonly string[]
      readonly rewrite?: { readonly [pattern: string]: string }
    } | null
  }
  readonly configs?: { readonly [host: string]: { readonly auth?: RegistryAuth; readonly tls?: RegistryTls } | null }
}

const quote = (value: string): string => JSON.stringify(value)

/** Registry hosts that are reached over plain HTTP when no scheme is given. */
const isLocal = (host: string): boolean => /^(localhost|127\.|\[::1\])/.test(host)

/** The host of an endpoint, which is a URL or a bare host. */
function endpointUrl(endpoint: string): URL {
  const text = /^https?:\/\//.test(endpoint) ? endpoint : `${isLocal(endpoint) ? 'http' : 'https'}://${endpoint}`
  return new URL(text)
}

function defaultServer(host: string): string {
  if (host === 'docker.io') return 'https://registry-1.docker.io/v2'
  return `${isLocal(host) ? 'http' : 'https'}://${host}/v2`
}

function tlsLines(tls: RegistryTls | undefined, indent: string): string[] {
  if (!tls) return []
  const client = [tls.cert_file, tls.key_file].filter(file => file !== undefined)
  return [
    ...(tls.ca_file ? [`${indent}ca = [${quote(tls.ca_file)}]`] : []),
    ...(client.length === 2 ? [`${indent}client = [[${client.map(quote).join(', ')}]]`] : []),
    ...(tls.insecure_skip_verify ? [`${indent}skip_verify = true`] : []),
  ]
}

/** The content of hosts.toml for each registry host; the directory of "*" is "_default". */
export function hostsFiles(registries: Registries, disableDefaultEndpoint = false): Map<string, string> {
  const mirrors = registries.mirrors ?? {}
  const hosts = new Set([...Object.keys(mirrors), ...Object.keys(registries.configs ?? {})])
  const tlsOf = (host: string) => registries.configs?.[host]?.tls
  return new Map(
    [...hosts].map(host => {
      const mirror = mirrors[host] ?? {}
      const lines: string[] = []
      if (host !== '*' && !disableDefaultEndpoint)
        lines.push(`server = ${quote(defaultServer(host))}`, ...tlsLines(tlsOf(host), ''))
      lines.push('capabilities = ["pull", "resolve", "push"]')
      for (const endpoint of mirror.endpoint ?? []) {
        const url = endpointUrl(endpoint)
        const path = url.pathname === '/' ? '/v2' : url.pathname.replace(/\/$/, '')
        lines.push('', `[host.${quote(`${url.protocol}//${url.host}${path}`)}]`, '  capabilities = ["pull", "resolve"]')
        if (path !== '/v2') lines.push('  override_path = true')
        lines.push(...tlsLines(tlsOf(url.host), '  '))
        const rewrites = Object.entries(mirror.rewrite ?? {})
        if (rewrites.length > 0) lines.push(`  [host.${quote(`${url.protocol}//${url.host}${path}`)}.rewrite]`)
        for (const [pattern, replacement] of rewrites) lines.push(`    ${quote(pattern)} = ${quote(replacement)}`)
      }
      return [host === '*' ? '_default' : host, `${lines.join('\n')}\n`]
    }),
  )
}

/** The credentials of each host that has some. */
export function registryAuths(registries: Registries): { [host: string]: RegistryAuth } {
  const entries = Object.entries(registries.configs ?? {}).flatMap(([host, config]) =>
    config?.auth ? [[host === 'docker.io' ? 'registry-1.docker.io' : host, config.auth] as const] : [],
  )
  return Object.fromEntries(entries)
}
