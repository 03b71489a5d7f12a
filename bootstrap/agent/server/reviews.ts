/** Who may use the kubelet of a node without an API server of its own: asked by TokenReview and SubjectAccessReview, remembered for a while. */
import type { SubjectAccessReview, TokenReview } from '../../api/types.gen.ts'
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import { subjectAccessReviews, tokenReviews } from '../../client/resources.ts'
import type { HandlerDeps, KubeletUser } from './handler.ts'
import type { TokenCheck } from './listener.ts'

/** kubelet's: authentication.webhook.cacheTTL and authorization.webhook.cacheAuthorizedTTL, cacheUnauthorizedTTL. */
const tokenMs = 120_000
const allowedMs = 300_000
const deniedMs = 30_000
const mostRemembered = 1000

export interface Reviews {
  readonly authenticate: TokenCheck
  readonly authorize: NonNullable<HandlerDeps['authorize']>
}

/** Both reject when the API cannot be asked: the kubelet then refuses. */
export function apiReviews(client: Client, nodeName: string, clock: Pick<Clock, 'now'>): Reviews {
  const tokens = new Remembered<KubeletUser | undefined>(clock)
  const accesses = new Remembered<boolean>(clock)
  return {
    authenticate: token =>
      tokens.get(
        token,
        () => reviewToken(client, token),
        user => (user ? tokenMs : deniedMs),
      ),
    authorize: (user, verb, subresource) =>
      // As upstream: system:masters need no review, and a server must reach its nodes while it starts.
      user.groups.includes('system:masters')
        ? Promise.resolve(true)
        : accesses.get(
            JSON.stringify([user.name, user.groups, verb, subresource]),
            () => reviewAccess(client, nodeName, user, verb, subresource),
            allowed => (allowed ? allowedMs : deniedMs),
          ),
  }
}

async function reviewToken(client: Client, token: string): Promise<KubeletUser | undefined> {
  const review: TokenReview = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token },
  }
  const { authenticated, user } = (await client.create(tokenReviews, review)).status ?? {}
  return authenticated && user?.username ? { name: user.username, groups: user.groups ?? [] } : undefined
}

async function reviewAccess(
  client: Client,
  nodeName: string,
  user: KubeletUser,
  verb: string,
  subresource: string,
): Promise<boolean> {
  const resourceAttributes = { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName }
  const review: SubjectAccessReview = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: { user: user.name, groups: [...new Set([...user.groups, 'system:authenticated'])], resourceAttributes },
  }
  return (await client.create(subjectAccessReviews, review)).status?.allowed === true
}

/** Answers by key, each for its time; the oldest ones go when there are too many. Failures are not remembered. */
class Remembered<T> {
  readonly #clock: Pick<Clock, 'now'>
  readonly #answers = new Map<string, { readonly answer: Promise<T>; until: number }>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  get(key: string, ask: () => Promise<T>, lifetime: (answer: T) => number): Promise<T> {
    const known = this.#answers.get(key)
    if (known && known.until > this.#clock.now()) return known.answer
    const entry = { answer: ask(), until: Number.POSITIVE_INFINITY }
    this.#answers.delete(key)
    this.#answers.set(key, entry)
    const [oldest] = this.#answers.keys()
    if (this.#answers.size > mostRemembered && oldest !== undefined) this.#answers.delete(oldest)
    entry.answer.then(
      answer => {
        entry.until = this.#clock.now() + lifetime(answer)
      },
      () => {
        if (this.#answers.get(key) === entry) this.#answers.delete(key)
      },
    )
    return entry.answer
  }
}
