/** The Secrets that keep nodes' names go with their nodes (k3s-io/k3s pkg/nodepassword/controller.go). */
import { isAlreadyExists } from '../../bootstrap/api/errors.ts'
import { keyOf } from '../../bootstrap/api/object.ts'
import { type Node, nodes, type Secret, secrets } from '../../bootstrap/client/resources.ts'
import { deleteIfPresent, nameOf } from '../runtime/apply.ts'
import { type Cluster, done, type Operator, on } from '../runtime/operator.ts'
import { millis } from '../runtime/time.ts'

const passwordType = 'k3s.cattle.io/node-password'
const namespace = 'kube-system'
const suffix = '.node-password.k3s'
/** So long a node may take from asking for its certificates to being there. */
const orphanMs = 10 * 60_000

export function nodePasswords(): Operator {
  return {
    name: 'node-password',
    watches: [
      on(secrets, secret => (isPassword(secret) ? keyOf(secret) : undefined)),
      on(nodes, ({ metadata }, _old, change) =>
        change === 'updated' ? undefined : `${namespace}/${metadata.name}${suffix}`,
      ),
    ],
    async reconcile(key, cluster) {
      const { client, informers, clock, log } = cluster
      const secret = informers.get(secrets).get(key)
      if (!secret || !isPassword(secret)) return done
      if (secret.type !== passwordType) {
        await migrate(secret, cluster)
        return done
      }
      const { name = '', creationTimestamp } = secret.metadata
      const node = informers.get(nodes).get(name.slice(0, -suffix.length))
      if (node) {
        await own(secret, node, cluster)
        return done
      }
      const left = millis(creationTimestamp) + orphanMs - clock.now()
      if (left > 0) return { requeueAfterMs: left }
      log.warn({ secret: name, created: creationTimestamp }, 'deleting an orphaned node-password secret')
      await deleteIfPresent(client, secrets, secret)
      return done
    },
  }
}

function isPassword({ metadata: { name = '', namespace: at } }: Secret): boolean {
  return at === namespace && name.endsWith(suffix)
}

async function own(secret: Secret, node: Node, { client }: Cluster): Promise<void> {
  const { name = '', uid = '' } = node.metadata
  const owners = secret.metadata.ownerReferences ?? []
  if (owners.some(owner => owner.kind === 'Node' && owner.name === name && owner.uid === uid)) return
  const ownerReferences = [...owners, { apiVersion: 'v1', kind: 'Node', name, uid }]
  await client.update(secrets, { ...secret, metadata: { ...secret.metadata, ownerReferences } })
}

/** Older servers made them without a type of their own, and a type cannot be changed. */
async function migrate(secret: Secret, { client, log }: Cluster): Promise<void> {
  log.info({ secret: secret.metadata.name }, 'giving a node-password secret its type')
  const { labels, annotations, ownerReferences } = secret.metadata
  await deleteIfPresent(client, secrets, secret)
  const metadata = { ...nameOf(secret), labels, annotations, ownerReferences }
  const { apiVersion, kind, data } = secret
  await client
    .create(secrets, { apiVersion, kind, type: passwordType, metadata, immutable: true, data })
    .catch(error => {
      if (!isAlreadyExists(error)) throw error
    })
}
