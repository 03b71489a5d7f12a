/** The passwords of servers and agents while the server runs, and how they are changed (k3s-io/k3s pkg/server/handlers/token.go). */
import type { Datastore } from '../datastore/datastore.ts'
import { ensureToken, generatePassword, serverPassword, type TokenFiles } from '../pki/token.ts'
import { readBundle } from './bundle.ts'
import { moveBundle, removeBundle } from './stored.ts'

export interface TokenKeeperParts {
  readonly dataDir: string
  readonly agentToken: string | undefined
  readonly datastore: Datastore
  /** The server's CA. */
  readonly caPem: string
}

export interface TokenKeeper {
  current(): TokenFiles
  /**
   * Makes `token`, or a random one where it is empty, the servers' token, and the agents' too unless they have their own.
   * Rejects with TokenError for a bootstrap token. Other servers know the old one until they are started with the new one.
   */
  rotate(token: string): Promise<void>
}

export function tokenKeeper(parts: TokenKeeperParts, files: TokenFiles): TokenKeeper {
  let current = files
  let rotating: Promise<void> = Promise.resolve()
  const rotate = async (token: string) => {
    const before = serverPassword(current.token)
    const after = token === '' ? generatePassword() : serverPassword(token)
    if (before === after) return
    // Sealed with both until the files name the new one: a server that ends in between starts with either.
    await moveBundle(parts, before, after)
    current = await ensureToken({
      dataDir: parts.dataDir,
      serverCaPem: parts.caPem,
      token: after,
      keepAgentToken: true,
      ...(parts.agentToken === undefined ? {} : { agentToken: parts.agentToken }),
    })
    await removeBundle(parts, before, after, await readBundle(parts.dataDir))
  }
  return {
    current: () => current,
    rotate(token) {
      const next = rotating.then(() => rotate(token))
      rotating = next.catch(() => {})
      return next
    },
  }
}
