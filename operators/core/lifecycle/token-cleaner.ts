/** Deletes bootstrap tokens that have expired (upstream pkg/controller/bootstrap/tokencleaner.go). */
import { keyOf } from '../../../bootstrap/api/object.ts'
import { type Secret, secrets } from '../../../bootstrap/client/resources.ts'
import { deleteIfPresent } from '../../runtime/apply.ts'
import { done, type Operator, on } from '../../runtime/operator.ts'

const tokenType = 'bootstrap.kubernetes.io/token'

export function tokenCleaner(): Operator {
  return {
    name: 'token-cleaner',
    watches: [on(secrets, secret => (isToken(secret) ? keyOf(secret) : undefined))],
    async reconcile(key, { client, clock, informers }) {
      const secret = informers.get(secrets).get(key)
      const expiry = secret && isToken(secret) ? expiryOf(secret) : undefined
      if (!secret || expiry === undefined) return done
      if (expiry > clock.now()) return { requeueAfterMs: expiry - clock.now() }
      await deleteIfPresent(client, secrets, secret)
      return done
    },
  }
}

function isToken({ type, metadata }: Secret): boolean {
  return type === tokenType && metadata.namespace === 'kube-system'
}

/** Milliseconds since the epoch; undefined: never. What is no time has passed already. */
function expiryOf(secret: Secret): number | undefined {
  const text = Buffer.from(secret.data?.expiration ?? '', 'base64').toString()
  if (text === '') return undefined
  const time = Date.parse(text)
  return Number.isNaN(time) ? 0 : time
}
