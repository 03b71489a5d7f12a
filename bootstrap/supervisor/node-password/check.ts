/** Whether somebody may have the kubelet's certificates for a node's name (k3s-io/k3s pkg/nodepassword/validate.go). */
import type { UserInfo } from '../../apiserver/auth/user.ts'
import { type ApiRequest, headerOf } from '../../apiserver/http/message.ts'
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import { events } from '../../client/resources.ts'
import { type Hasher, rememberingHasher } from './hash.ts'
import { ensureNodePassword, NodePasswordError } from './secret.ts'

export type NodeCheck =
  | { readonly allowed: true; readonly node: string }
  | { readonly allowed: false; readonly code: 400 | 401 | 403 | 503; readonly message: string }

export interface NodeCheckParts {
  /** As a member of system:masters; undefined as long as the API does not serve. */
  readonly client: () => Client | undefined
  readonly nodeExists: (name: string) => boolean
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  /** Ends the checks that were put off. */
  readonly signal: AbortSignal
}

const retryMs = 5000

/** Makes the check. It lets a node in whose Secret cannot be stored, and checks it as soon as that is possible again. */
export function nodeCheck(parts: NodeCheckParts): (request: ApiRequest, user: UserInfo) => Promise<NodeCheck> {
  const { log } = parts
  const hasher = rememberingHasher()
  const putOff = new Set<string>()
  return async (request, user) => {
    const node = headerOf(request, 'k3s-node-name').toLowerCase()
    const password = headerOf(request, 'k3s-node-password')
    if (node === '') return refused(400, 'node name not set')
    if (password === '') return refused(400, 'node password not set')
    const identity = nodeOf(user)
    if (identity !== undefined && identity !== node)
      return refused(400, 'header node name does not match auth node name')
    const client = parts.client()
    if (!client) return refused(503, 'runtime core not ready')
    if (identity !== undefined && !parts.nodeExists(identity))
      return refused(401, `unable to verify node identity: nodes "${identity}" not found`)
    try {
      await ensureNodePassword(client, node, password, hasher)
    } catch (error) {
      if (error instanceof NodePasswordError) return refused(403, error.message)
      log.warn({ node, err: error }, `Password verification deferred for node ${node}`)
      if (!putOff.has(node)) {
        putOff.add(node)
        void checkLater(parts, node, password, hasher).finally(() => putOff.delete(node))
      }
    }
    return { allowed: true, node }
  }
}

const refused = (code: 400 | 401 | 403 | 503, message: string): NodeCheck => ({ allowed: false, code, message })

/** The node that a certificate of system:nodes speaks for. */
function nodeOf({ name, groups }: UserInfo): string | undefined {
  const prefix = 'system:node:'
  return groups.includes('system:nodes') && name.startsWith(prefix) ? name.slice(prefix.length) : undefined
}

/** The node has joined by then: all that is left is to say so, on the node. */
async function checkLater(
  { client, clock, signal }: NodeCheckParts,
  node: string,
  password: string,
  hasher: Hasher,
): Promise<void> {
  while (!signal.aborted) {
    const api = client()
    const told = (type: 'Normal' | 'Warning', reason: string, message: string) =>
      api === undefined ? Promise.resolve() : record(api, node, type, reason, message, clock.now())
    try {
      if (api) {
        await ensureNodePassword(api, node, password, hasher)
        await told('Normal', 'NodePasswordValidationComplete', 'Deferred node password secret validation complete')
        return
      }
    } catch (error) {
      const why = (error as Error).message
      await told('Warning', 'NodePasswordValidationFailed', `Deferred node password secret validation failed: ${why}`)
      if (error instanceof NodePasswordError) return
    }
    await clock.sleep(retryMs, signal).catch(() => {})
  }
}

async function record(
  client: Client,
  node: string,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  now: number,
): Promise<void> {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${node}.${(BigInt(now) * 1_000_000n).toString(16)}`, namespace: 'default' },
    // The kubelet's own events about a node name it so, too.
    involvedObject: { kind: 'Node', name: node, uid: node },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
    source: { component: 'k3s-supervisor' },
    reportingComponent: 'k3s-supervisor',
    reportingInstance: '',
  }
  await client.create(events, event).catch(() => {})
}
