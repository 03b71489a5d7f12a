/** The passwords of servers and agents while the server runs, and how they are changed (k3s-io/k3s pkg/server/handlers/token.go). */
import type { Clock } from '../client/clock.ts'
import { type Datastore, UnavailableError } from '../datastore/datastore.ts'
import { ensureToken, generatePassword, serverPassword, type TokenFiles } from '../pki/token.ts'
import { readBundle } from './bundle.ts'
import { announcedPassword, announceRotation, rotationKey } from './rotation.ts'
import { moveBundle, removeBundle } from './stored.ts'

export interface TokenKeeperParts {
  readonly dataDir: string
  readonly agentToken: string | undefined
  readonly datastore: Datastore
  /** The servers' CA, PEM. */
  readonly ca: { readonly cert: string; readonly key: string }
}

export interface FollowEffects {
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  readonly signal: AbortSignal
}

export interface TokenKeeper {
  current(): TokenFiles
  /**
   * Makes `token`, or a random one where it is empty, the servers' token, and the agents' too unless they have their own.
   * Rejects with TokenError for a bootstrap token. Other servers that run take it over by themselves.
   */
  rotate(token: string): Promise<void>
  /** Takes over what other servers rotate to, until the signal aborts. For datastores that are shared. */
  follow(effects: FollowEffects): Promise<void>
}

/** After an outage of the datastore. */
const lookAgainMs = 1000

export function tokenKeeper(parts: TokenKeeperParts, files: TokenFiles): TokenKeeper {
  let current = files
  let rotating: Promise<void> = Promise.resolve()
  const { ca, dataDir, datastore } = parts
  const announced = { datastore, caKey: ca.key }
  const take = async (password: string) => {
    current = await ensureToken({
      dataDir,
      serverCaPem: ca.cert,
      token: password,
      keepAgentToken: true,
      ...(parts.agentToken === undefined ? {} : { agentToken: parts.agentToken }),
    })
  }
  const inTurn = (work: () => Promise<void>) => {
    const next = rotating.then(work)
    rotating = next.catch(() => {})
    return next
  }
  const rotate = async (token: string) => {
    const before = serverPassword(current.token)
    const after = token === '' ? generatePassword() : serverPassword(token)
    if (before === after) return
    // Sealed with both until the files name the new one: a server that ends in between starts with either.
    await moveBundle(parts, before, after)
    await take(after)
    await removeBundle(parts, before, after, await readBundle(dataDir))
    if (!datastore.exclusive) await announceRotation(announced, after)
  }
  const takeOver = async ({ log }: FollowEffects) => {
    const password = await announcedPassword(announced, serverPassword(current.token))
    if (password === undefined) return
    await take(password)
    log.info({}, 'The token was rotated through another server; start this one with the new token from now on')
  }
  return {
    current: () => current,
    rotate: token => inTurn(() => rotate(token)),
    async follow(effects) {
      const { clock, log, signal } = effects
      const look = () =>
        inTurn(() => takeOver(effects)).catch(err => {
          if (err instanceof UnavailableError) throw err
          log.warn({ err }, 'cannot take over the token that another server was given')
        })
      while (!signal.aborted) {
        try {
          const revision = await datastore.revision()
          await look()
          for await (const { changes } of datastore.watch(rotationKey, revision, signal))
            if (changes.length > 0) await look()
        } catch (err) {
          if (!signal.aborted && !(err instanceof UnavailableError))
            log.warn({ err }, 'cannot see whether the token is rotated')
        }
        await clock.sleep(lookAgainMs, signal).catch(() => {})
      }
    },
  }
}
