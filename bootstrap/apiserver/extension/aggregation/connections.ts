/** TLS connections to aggregated servers: as the front proxy, checked against the APIService's bundle. */
import type { LocalNode } from '../../../streaming/local-node.ts'
import type { Address } from './endpoints.ts'
import type { RemoteService } from './services.ts'

/** PEM: the certificate and key by which aggregated servers know this one. */
export interface ProxyIdentity {
  readonly cert: string
  readonly key: string
}

/** `checked`: the server's certificate must be signed by the APIService's bundle, for the Service's name. */
export type Connections = (remote: RemoteService, address: Address, checked: boolean) => Promise<LocalNode>

const idleLimit = 32

/** Connections are kept per server and way of checking; those of an APIService that changed are made anew. */
export function connections(identity: ProxyIdentity | undefined, signal: AbortSignal): Connections {
  const open = new Map<string, LocalNode>()
  const closeAll = () => {
    for (const connection of open.values()) connection.close()
    open.clear()
  }
  signal.addEventListener('abort', closeAll, { once: true })
  return async (remote, address, checked) => {
    const verify = checked && !remote.insecure
    const { name, namespace } = remote.service
    const key = JSON.stringify([address, verify, name, namespace, verify ? remote.caBundle : ''])
    const known = open.get(key)
    if (known) return known
    const { localNodeConnect } = await import('../../../streaming/local-node.ts')
    // Rare: only APIServices that change all the time get here.
    if (open.size >= idleLimit) closeAll()
    const made = localNodeConnect({
      ...address,
      ...(identity ?? {}),
      serverName: `${name}.${namespace}.svc`,
      ...(verify ? { ca: remote.caBundle } : { insecure: true }),
    })
    open.set(key, made)
    return made
  }
}
