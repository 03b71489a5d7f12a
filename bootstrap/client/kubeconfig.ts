/** Reading kubeconfig files into what the remote client needs. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { RemoteOptions } from './remote.ts'

interface Cluster {
  server?: string
  'certificate-authority'?: string
  'certificate-authority-data'?: string
  'insecure-skip-tls-verify'?: boolean
  'tls-server-name'?: string
}

interface User {
  'client-certificate'?: string
  'client-certificate-data'?: string
  'client-key'?: string
  'client-key-data'?: string
  token?: string
  tokenFile?: string
  exec?: unknown
  'auth-provider'?: unknown
}

interface Context {
  cluster?: string
  user?: string
  namespace?: string
}

export interface Kubeconfig {
  readonly remote: RemoteOptions
  /** The context's namespace, "default" where it names none. */
  readonly namespace: string
}

/** Reads a kubeconfig file. Throws an Error in one line that says what is wrong in which file. */
export async function loadKubeconfig(path: string, context?: string): Promise<Kubeconfig> {
  return parseKubeconfig(await readFile(path, 'utf8'), path, context)
}

/** Reads a kubeconfig's text; files it names are relative to `path`. */
export async function parseKubeconfig(text: string, path: string, context?: string): Promise<Kubeconfig> {
  const { parse } = await import('../api/yaml-parser.ts')
  const config = parse(text) as { [field: string]: unknown } | null
  const wanted = context ?? (config?.['current-context'] as string | undefined)
  if (!wanted) throw new Error(`${path}: no current-context is set`)
  const chosen = entry<Context>(config, 'contexts', 'context', wanted, path)
  const cluster = entry<Cluster>(config, 'clusters', 'cluster', chosen.cluster ?? '', path)
  const user = chosen.user ? entry<User>(config, 'users', 'user', chosen.user, path) : {}
  if (!cluster.server) throw new Error(`${path}: cluster "${chosen.cluster}" names no server`)
  if (user.exec || user['auth-provider'])
    throw new Error(`${path}: user "${chosen.user}" needs a credential plugin; use a certificate or a token`)
  return { remote: await remoteOptions(cluster, user, dirname(path)), namespace: chosen.namespace ?? 'default' }
}

async function remoteOptions(cluster: Cluster, user: User, directory: string): Promise<RemoteOptions> {
  const content = (data: string | undefined, file: string | undefined) =>
    data ? Buffer.from(data, 'base64') : file ? readFile(resolve(directory, file)) : undefined
  const ca = await content(cluster['certificate-authority-data'], cluster['certificate-authority'])
  const cert = await content(user['client-certificate-data'], user['client-certificate'])
  const key = await content(user['client-key-data'], user['client-key'])
  const { tokenFile } = user
  const token = tokenFile
    ? async () => (await readFile(resolve(directory, tokenFile), 'utf8')).trim()
    : user.token || undefined
  return {
    server: cluster.server ?? '',
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(token === undefined ? {} : { token }),
    ...(cluster['tls-server-name'] ? { serverName: cluster['tls-server-name'] } : {}),
    ...(cluster['insecure-skip-tls-verify'] ? { insecure: true } : {}),
  }
}

function entry<T>(
  config: { [field: string]: unknown } | null,
  list: string,
  member: string,
  name: string,
  path: string,
): T {
  const entries = (config?.[list] ?? []) as readonly { name: string; [member: string]: unknown }[]
  const found = entries.find(item => item.name === name)
  if (!found) throw new Error(`${path}: ${member} "${name}" is not among its ${list}`)
  return (found[member] ?? {}) as T
}
