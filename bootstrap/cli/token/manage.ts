/** `skiff token create`, `list`, `delete` and `generate`: bootstrap tokens. */
import { ignoreNotFound } from '../../api/errors.ts'
import { parseDuration, rfc3339 } from '../../api/time.ts'
import { secrets } from '../../client/resources.ts'
import { ConfigError, type FlagValues } from '../../config/parse.ts'
import { caHashOf, formatToken, generateBootstrapToken, parseToken, type Token } from '../../pki/token.ts'
import { withCluster } from './cluster.ts'
import { type BootstrapToken, bootstrapTokenType, namespace, secretNameOf, secretOf, tokenIn } from './secret.ts'

const idPattern = '\\A([a-z0-9]{6})\\z'
const tokenPattern = '\\A([a-z0-9]{6})\\.([a-z0-9]{16})\\z'

/** Resolves with what is printed: the token that was made, pinning the cluster's CA. */
export async function createToken(values: FlagValues, args: readonly string[], now: number): Promise<string> {
  const text = args[0] ?? generateBootstrapToken()
  const bootstrap = bootstrapIn(text)
  if (!bootstrap)
    throw new ConfigError(`the bootstrap token ${JSON.stringify(text)} was not of the form "${tokenPattern}"`)
  const ttl = parseDuration(values.string('ttl') ?? '24h') ?? 0
  const token: BootstrapToken = {
    ...bootstrap,
    description: values.string('description') ?? '',
    expires: ttl > 0 ? now + ttl : undefined,
    usages: values.list('usages', true),
    groups: values.list('groups', true),
  }
  return withCluster(values, async ({ client, ca }) => {
    const name = { name: secretNameOf(token.id), namespace }
    if (await client.get(secrets, name).catch(ignoreNotFound))
      throw new ConfigError(`a token with id "${token.id}" already exists`)
    await client.create(secrets, secretOf(token))
    return `${formatToken({ ...(ca === '' ? {} : { caHash: caHashOf(ca) }), bootstrap })}\n`
  })
}

export function generateToken(): string {
  return `${generateBootstrapToken()}\n`
}

/** Resolves with the table, or with JSON. Secrets that are no tokens are told on `complain`. */
export async function listTokens(values: FlagValues, now: number, complain: (text: string) => void): Promise<string> {
  const output = values.string('output') ?? 'text'
  if (output !== 'text' && output !== 'json')
    throw new ConfigError(`invalid output format: ${output}: want text or json`)
  return withCluster(values, async ({ client }) => {
    const { items } = await client.list(secrets, { namespace, fieldSelector: `type=${bootstrapTokenType}` })
    const tokens = items.flatMap(secret => {
      try {
        return [tokenIn(secret)]
      } catch (error) {
        complain(`${(error as Error).message}\n`)
        return []
      }
    })
    return output === 'json' ? `${JSON.stringify(tokens.map(jsonOf))}\n` : table(tokens.map(token => row(token, now)))
  })
}

/** Deletes by id or by whole token. */
export async function deleteTokens(
  values: FlagValues,
  args: readonly string[],
  print: (text: string) => void,
): Promise<void> {
  if (args.length === 0) throw new ConfigError("missing argument; 'token delete' is missing token")
  await withCluster(values, async ({ client }) => {
    for (const text of args) {
      const id = /^[a-z0-9]{6}$/.test(text) ? text : bootstrapIn(text)?.id
      if (id === undefined)
        throw new ConfigError(`given token didn't match pattern "${idPattern}" or "${tokenPattern}"`)
      await client.delete(secrets, { name: secretNameOf(id), namespace }).catch((error: Error) => {
        throw new ConfigError(`failed to delete bootstrap token "${id}": ${error.message}`)
      })
      print(`bootstrap token "${id}" deleted\n`)
    }
  })
}

function bootstrapIn(text: string): Token['bootstrap'] {
  try {
    return parseToken(text).bootstrap
  } catch {
    return undefined
  }
}

function jsonOf(token: BootstrapToken): object {
  return {
    token: { id: token.id },
    ...(token.description === '' ? {} : { description: token.description }),
    ...(token.expires === undefined ? {} : { expires: rfc3339(token.expires) }),
    ...(token.usages.length === 0 ? {} : { usages: token.usages }),
    ...(token.groups.length === 0 ? {} : { groups: token.groups }),
  }
}

const titles = ['TOKEN', 'TTL', 'EXPIRES', 'USAGES', 'DESCRIPTION', 'EXTRA GROUPS']

function row({ id, expires, usages, description, groups }: BootstrapToken, now: number): string[] {
  const time = expires === undefined ? ['<forever>', '<never>'] : [shortDuration(expires - now), rfc3339(expires)]
  const orNone = (text: string) => (text === '' ? '<none>' : text)
  return [id, ...time, orNone(usages.join(',')), orNone(description), orNone(groups.join(','))]
}

/** Columns at least ten wide, three apart. */
function table(rows: readonly (readonly string[])[]): string {
  const all = [titles, ...rows]
  const widths = titles.map((_, column) => Math.max(10, ...all.map(cells => [...cells[column]!].length + 3)))
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => (column < cells.length - 1 ? cell.padEnd(widths[column]!) : cell)).join('')
  return `${all.map(line).join('\n')}\n`
}

/** One unit, rounded down (k8s.io/apimachinery pkg/util/duration, ShortHumanDuration). */
export function shortDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 60) return `${seconds}s`
  const hours = Math.floor(seconds / 3600)
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (hours < 24) return `${hours}h`
  return hours < 24 * 365 ? `${Math.floor(hours / 24)}d` : `${Math.floor(hours / 24 / 365)}y`
}
