/** Cluster tokens: their forms, and the files that keep them (k3s server/token, node-token, agent-token, cred/passwd). */
import { createHash, randomBytes } from 'node:crypto'
import { readlink, rename, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { certificatesOf } from './certificate.ts'
import { readIfPresent, writeAtomically } from './files.ts'

export interface Token {
  /** SHA-256 of the CA bundle in hex; absent when the token pins no CA. */
  readonly caHash?: string
  /** "server", "node", or absent in bare passwords and bootstrap tokens. */
  readonly username?: string
  readonly password?: string
  /** Of a bootstrap token. */
  readonly bootstrap?: { readonly id: string; readonly secret: string }
}

export class TokenError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TokenError'
  }
}

const bootstrapForm = /^([a-z0-9]{6})\.([a-z0-9]{16})$/

/** Reads any form a user may configure: K10<hash>::user:password, K10<hash>::id.secret, id.secret or a bare password. */
export function parseToken(text: string): Token {
  const trimmed = text.trim()
  if (trimmed === '') throw new TokenError('the token is empty')
  const full = /^K10([0-9a-f]{64})::(.*)$/s.exec(trimmed)
  if (!full) {
    if (trimmed.startsWith('K10') && trimmed.includes('::')) {
      throw new TokenError('invalid token CA hash length: K10 must be followed by 64 hexadecimal digits')
    }
    return credentials(trimmed) ?? { password: trimmed }
  }
  const [, caHash = '', rest = ''] = full
  const known = credentials(rest)
  if (known) return { caHash, ...known }
  const colon = rest.indexOf(':')
  if (colon < 1 || colon === rest.length - 1) {
    throw new TokenError('invalid token: K10<hash>:: must be followed by <username>:<password> or a bootstrap token')
  }
  return { caHash, username: rest.slice(0, colon), password: rest.slice(colon + 1) }
}

function credentials(text: string): Token | undefined {
  const match = bootstrapForm.exec(text)
  return match ? { bootstrap: { id: match[1]!, secret: match[2]! } } : undefined
}

/** The text of a token; the inverse of parseToken. */
export function formatToken(token: Token): string {
  const rest = token.bootstrap
    ? `${token.bootstrap.id}.${token.bootstrap.secret}`
    : token.username === undefined
      ? (token.password ?? '')
      : `${token.username}:${token.password ?? ''}`
  return token.caHash === undefined ? rest : `K10${token.caHash}::${rest}`
}

/** A server's password from the token it was started with. Throws TokenError for a bootstrap token. */
export function serverPassword(text: string): string {
  const { bootstrap, password } = parseToken(text)
  if (bootstrap || password === undefined) {
    throw new TokenError(
      'failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>',
    )
  }
  return password
}

/** The hash a token pins: of the PEM bytes as served for one certificate, of the root's DER for a chain. */
export function caHashOf(bundle: string): string {
  const chain = certificatesOf(bundle)
  const root = chain.length > 1 ? chain.findLast(certificate => certificate.checkIssued(certificate)) : undefined
  return createHash('sha256')
    .update(root ? root.raw : bundle)
    .digest('hex')
}

/** Throws TokenError when the served CA bundle is not the one the token pins. */
export function checkCaHash(token: Token, bundle: string): void {
  if (token.caHash === undefined) return
  const actual = caHashOf(bundle)
  if (actual !== token.caHash) {
    throw new TokenError(`token CA hash does not match the Cluster CA certificate hash: ${token.caHash} != ${actual}`)
  }
}

/** 16 random bytes in hex. */
export const generatePassword = (): string => randomBytes(16).toString('hex')

/** A random bootstrap token, "<6>.<16>". */
export function generateBootstrapToken(): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
  const characters = (count: number) => {
    let text = ''
    while (text.length < count) {
      for (const byte of randomBytes(count)) {
        if (byte < 243 && text.length < count) text += alphabet[byte % 27]
      }
    }
    return text
  }
  return `${characters(6)}.${characters(16)}`
}

/** A row of cred/passwd: a user of the supervisor's basic authentication. */
export interface PasswdEntry {
  readonly password: string
  readonly name: string
  readonly uid: string
  readonly role: string
}

/** Reads `password,name,uid,role` lines; fields may be quoted as in CSV. */
export function parsePasswd(text: string): PasswdEntry[] {
  return text
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => {
      const [password = '', name = '', uid = '', role = ''] = [
        ...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g),
      ].map(match => match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
      return { password, name, uid, role }
    })
}

const csv = (value: string): string => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)

export interface TokenFiles {
  /** The text of server/token. */
  readonly token: string
  /** The text of server/agent-token: what agents join with. */
  readonly agentToken: string
  readonly passwd: readonly PasswdEntry[]
}

/**
 * Makes server/token, server/node-token, server/agent-token and server/cred/passwd agree with the configured tokens.
 * Without one the password on disk is kept, else a random one is made. Throws TokenError when a token is unusable.
 */
export async function ensureToken(options: {
  readonly dataDir: string
  readonly serverCaPem: string
  readonly token?: string
  readonly agentToken?: string
  /** Without an agent token the agents' password stays, where it is another one than the servers': other servers have it, too. */
  readonly keepAgentToken?: boolean
}): Promise<TokenFiles> {
  const server = join(options.dataDir, 'server')
  const passwdPath = join(server, 'cred/passwd')
  const before = parsePasswd((await readIfPresent(passwdPath)) ?? '')
  const known = before.find(entry => entry.name === 'server')?.password
  const password = options.token === undefined ? (known ?? generatePassword()) : serverPassword(options.token)
  const agents = before.find(entry => entry.name === 'node')?.password
  const kept = options.keepAgentToken && agents !== known ? agents : undefined
  const agentPassword = options.agentToken === undefined ? (kept ?? password) : serverPassword(options.agentToken)
  const passwd: PasswdEntry[] = [
    { password: agentPassword, name: 'node', uid: 'node', role: 'k3s:agent' },
    { password, name: 'server', uid: 'server', role: 'k3s:server' },
  ]
  const caHash = caHashOf(options.serverCaPem)
  const token = formatToken({ caHash, username: 'server', password })
  const agentToken =
    agentPassword === password ? token : formatToken({ caHash, username: 'node', password: agentPassword })
  const rows = passwd.map(row => [row.password, row.name, row.uid, row.role].map(csv).join(','))
  await keep(passwdPath, `${rows.join('\n')}\n`)
  await keep(join(server, 'token'), `${token}\n`)
  await link('token', join(server, 'node-token'))
  if (agentPassword === password) await link('token', join(server, 'agent-token'))
  else await keep(join(server, 'agent-token'), `${agentToken}\n`)
  return { token, agentToken, passwd }
}

async function keep(path: string, content: string): Promise<void> {
  if ((await readIfPresent(path)) !== content) await writeAtomically(path, content)
}

/** Makes `path` a link to `target`, without a moment in which there is nothing. */
async function link(target: string, path: string): Promise<void> {
  if ((await readlink(path).catch(() => undefined)) === target) return
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  await symlink(target, temporary)
  await rename(temporary, path)
}
