/** Credentials for registries, as docker's config.json and Secrets of type kubernetes.io/dockerconfigjson hold them. */

export interface RegistryCredentials {
  readonly username: string
  readonly password: string
  /** An OAuth2 refresh token in place of a password. */
  readonly identityToken?: string
  /** A bearer token to be sent as it is. */
  readonly registryToken?: string
}

/** Credentials by registry host, and by path below it where they are for that alone. */
export type DockerConfig = ReadonlyMap<string, RegistryCredentials>

interface Entry {
  readonly auth?: string
  readonly username?: string
  readonly password?: string
  readonly identitytoken?: string
  readonly registrytoken?: string
}

/** Throws Error with one line for a text that is no such file. */
export function parseDockerConfig(text: string): DockerConfig {
  let auths: { readonly [key: string]: Entry }
  try {
    auths = (JSON.parse(text) as { auths?: { readonly [key: string]: Entry } }).auths ?? {}
  } catch (error) {
    throw new Error(`.dockerconfigjson is not JSON: ${(error as Error).message}`, { cause: error })
  }
  return new Map(Object.entries(auths).map(([key, entry]) => [placeOf(key), credentialsOf(key, entry)]))
}

/** The most specific credentials for a repository of a registry. */
export function credentialsFor(config: DockerConfig | undefined, host: string, repository: string) {
  const parts = [host, ...repository.split('/')]
  for (let length = parts.length; length > 0; length--) {
    const found = config?.get(parts.slice(0, length).join('/'))
    if (found) return found
  }
  return isDockerHub(host) ? config?.get('index.docker.io') : undefined
}

export const isDockerHub = (host: string): boolean => host === 'docker.io' || host === 'registry-1.docker.io'

/** "https://index.docker.io/v1/" is "index.docker.io". */
function placeOf(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '')
}

function credentialsOf(key: string, entry: Entry): RegistryCredentials {
  const [username = entry.username ?? '', password = entry.password ?? ''] = entry.auth ? decode(key, entry.auth) : []
  return {
    username,
    password,
    ...(entry.identitytoken ? { identityToken: entry.identitytoken } : {}),
    ...(entry.registrytoken ? { registryToken: entry.registrytoken } : {}),
  }
}

function decode(key: string, auth: string): [username: string, password: string] {
  const text = Buffer.from(auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) throw new Error(`.dockerconfigjson: auths[${JSON.stringify(key)}].auth is not USER:PASSWORD in base64`)
  return [text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, '')]
}
