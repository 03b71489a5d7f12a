/** Registry credentials from imagePullSecrets, matched to an image as Docker's configuration files are. */
import type { Secret } from '../../client/resources.ts'
import type { ImageAuth } from '../runtime.ts'

interface DockerEntry {
  readonly username?: string
  readonly password?: string
  readonly auth?: string
  readonly identitytoken?: string
  readonly registrytoken?: string
}

/** Registry host of an image name; Docker Hub's when it names none. */
export function registryOf(image: string): string {
  const first = image.split('/')[0]!
  const named = image.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost')
  return named ? first : 'docker.io'
}

/** "alpine" is "docker.io/library/alpine"; tag and digest are kept. */
export function normalizedImage(image: string): string {
  const registry = registryOf(image)
  const path = image.startsWith(`${registry}/`) ? image.slice(registry.length + 1) : image
  return registry === 'docker.io' && !path.includes('/') ? `docker.io/library/${path}` : `${registry}/${path}`
}

const hubAliases = new Set(['index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com', 'docker.io'])

/** "https://index.docker.io/v1/" and the like without scheme and API version. */
function pattern(key: string): string {
  const plain = key
    .replace(/^https?:\/\//, '')
    .replace(/\/(v1|v2)\/?$/, '')
    .replace(/\/$/, '')
  const [host = '', ...path] = plain.split('/')
  return [hubAliases.has(host) ? 'docker.io' : host, ...path].join('/')
}

function matches(key: string, image: string): boolean {
  const [host = '', ...path] = pattern(key).split('/')
  const [imageHost = '', ...imagePath] = normalizedImage(image).split('/')
  const glob = new RegExp(
    `^${host
      .replace(/[.+^${}()|\\]/g, '\\$&')
      .replaceAll('*', '[^.]*')
      .replaceAll('?', '[^.]')}$`,
  )
  return glob.test(imageHost) && path.every((part, index) => imagePath[index] === part)
}

/** Credentials for `image`, the most specific first. Secrets of other types and broken ones are passed over. */
export function credentialsFor(image: string, secrets: readonly Secret[]): ImageAuth[] {
  const found = secrets.flatMap(secret => Object.entries(entriesOf(secret))).filter(([key]) => matches(key, image))
  return found.sort(([a], [b]) => pattern(b).length - pattern(a).length).map(([, entry]) => authOf(entry))
}

function entriesOf(secret: Secret): { readonly [registry: string]: DockerEntry } {
  const parse = (key: string): unknown => {
    try {
      return JSON.parse(Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8'))
    } catch {
      return undefined
    }
  }
  if (secret.type === 'kubernetes.io/dockercfg')
    return (parse('.dockercfg') ?? {}) as { [registry: string]: DockerEntry }
  const config = parse('.dockerconfigjson') as { auths?: { [registry: string]: DockerEntry } } | undefined
  return config?.auths ?? {}
}

function authOf(entry: DockerEntry): ImageAuth {
  const [username = '', ...rest] = Buffer.from(entry.auth ?? '', 'base64')
    .toString('utf8')
    .split(':')
  return {
    username: entry.username ?? username,
    password: entry.password ?? rest.join(':'),
    ...(entry.identitytoken ? { identityToken: entry.identitytoken } : {}),
    ...(entry.registrytoken ? { registryToken: entry.registrytoken } : {}),
  }
}
