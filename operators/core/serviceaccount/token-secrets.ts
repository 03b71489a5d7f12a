/** Fills Secrets of type kubernetes.io/service-account-token (upstream serviceaccount/tokens_controller.go). */
import { keyOf, type ObjectKey, splitKey } from '../../../bootstrap/api/object.ts'
import { type Secret, type ServiceAccount, secrets, serviceAccounts } from '../../../bootstrap/client/resources.ts'
import { deleteIfPresent } from '../../runtime/apply.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { isTerminating } from '../../runtime/pods.ts'

/** Signs a token of the account that lasts as long as the Secret. */
export type TokenIssuer = (account: ServiceAccount, secret: Secret) => Promise<string>

const tokenType = 'kubernetes.io/service-account-token'
const nameAnnotation = 'kubernetes.io/service-account.name'
const uidAnnotation = 'kubernetes.io/service-account.uid'
const byAccount = 'service-account'

/** Without an issuer, tokens are asked of the API server's `token` subresource, bound to the Secret. */
export function tokenSecrets(ca: string, issue?: TokenIssuer): Operator {
  return {
    name: 'tokens-controller',
    watches: [
      on(secrets, secret => (accountKey(secret) === undefined ? undefined : keyOf(secret))),
      on(serviceAccounts, (account, _old, _change, { informers }) =>
        informers.get(secrets).byIndex(byAccount, keyOf(account)).map(keyOf),
      ),
    ],
    setup({ informers }) {
      informers.get(secrets).addIndex(byAccount, secret => {
        const key = accountKey(secret)
        return key === undefined ? [] : [key]
      })
    },
    reconcile: (key, cluster) => reconcile(key, cluster, ca, issue),
  }
}

function accountKey(secret: Secret): ObjectKey | undefined {
  const name = secret.metadata.annotations?.[nameAnnotation]
  if (secret.type !== tokenType || !name) return undefined
  return keyOf({ metadata: { name, namespace: secret.metadata.namespace } })
}

async function reconcile(
  key: ObjectKey,
  cluster: Cluster,
  ca: string,
  issue: TokenIssuer = (account, secret) => requestToken(account, secret, cluster),
): Promise<Result> {
  const { client, informers } = cluster
  const secret = informers.get(secrets).get(key)
  const owner = secret && accountKey(secret)
  if (!secret || owner === undefined || isTerminating(secret)) return done
  const account = informers.get(serviceAccounts).get(owner) ?? (await live(owner, cluster))
  const uid = secret.metadata.annotations?.[uidAnnotation]
  if (!account || (uid !== undefined && uid !== account.metadata.uid)) {
    await deleteIfPresent(client, secrets, secret)
    return done
  }
  const data = {
    'ca.crt': base64(ca),
    namespace: base64(splitKey(key).namespace),
    token: secret.data?.token || base64(await issue(account, secret)),
  }
  const complete = Object.entries(data).every(([name, value]) => secret.data?.[name] === value)
  if (complete && uid !== undefined) return done
  const annotations = { ...secret.metadata.annotations, [uidAnnotation]: account.metadata.uid ?? '' }
  const metadata = { ...secret.metadata, annotations }
  await client.update(secrets, { ...secret, metadata, data: { ...secret.data, ...data } })
  return done
}

/** A Secret is deleted for want of its account only when the server agrees that there is none. */
async function live(key: ObjectKey, { client }: Cluster): Promise<ServiceAccount | undefined> {
  const { namespace, name } = splitKey(key)
  const { items } = await client.list(serviceAccounts, { namespace, fieldSelector: `metadata.name=${name}` })
  return items[0]
}

async function requestToken(account: ServiceAccount, secret: Secret, { client }: Cluster): Promise<string> {
  const { name = '', namespace = '' } = account.metadata
  const boundObjectRef = { kind: 'Secret', apiVersion: 'v1', name: secret.metadata.name, uid: secret.metadata.uid }
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name, namespace },
    spec: { boundObjectRef },
  }
  const options = { subresource: 'token', name }
  const answer = await client.create(serviceAccounts, request as ServiceAccount, options)
  return (answer as unknown as { status: { token: string } }).status.token
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
