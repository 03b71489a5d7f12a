/** TLS connections to aggregated servers: as the front proxy, checked against the APIService's bundle. */
import type { LocalNode } from '../../../streaming/local-node.ts'
import type { ConnectVia } from '../../subresources/backends.ts'
import type { Address } from './endpoints.ts'

/** PEM: the certificate and key by which aggregated servers know this one. */
export interface ProxyIdentity {
  readonly cert: string
  readonly key: string
}

/** How a server is known: its certificate must be signed by the bundle (else by the machine's authorities), for the name. */
export interface ServerTrust {
  readonly caBundle: string | undefined
  readonly insecure: boolean
  readonly serverName: string
}

/** Without `checked` any certificate will do. */
export type Connections = (trust: ServerTrust, address: Address, checked: boolean) => Promise<LocalNode>

const idleLimit = 32

/**
 * Connections are kept per server and way of checking; those of an APIService that changed are made anew. Once the signal has
 * aborted there are none, and rejections instead: a connection to an address that is gone would hold the process for minutes.
 */
export function connections(
  identity: ProxyIdentity | undefined,
  signal: AbortSignal,
  { repeatable = false, via }: { readonly repeatable?: boolean; readonly via?: ConnectVia | undefined } = {},
): Connections {
  const open = new Map<string, LocalNode>()
  const closeAll = () => {
    for (const connection of open.values()) connection.close()
    open.clear()
  }
  signal.addEventListener('abort', closeAll, { once: true })
  return async ({ caBundle, insecure, serverName }, address, checked) => {
    const verify = checked && !insecure
    const key = JSON.stringify([address, verify, serverName, verify ? caBundle : ''])
    const known = open.get(key)
    if (known) return known
    const { localNodeConnect } = await import('../../../streaming/local-node.ts')
    signal.throwIfAborted()
    // Rare: only APIServices that change all the time get here.
    if (open.size >= idleLimit) closeAll()
    const made = localNodeConnect({
      ...address,
      ...(identity ?? {}),
      serverName,
      repeatable,
      ...(via ? { via: () => via(address.host, address.port) } : {}),
      ...(verify ? { ca: caBundle } : { insecure: true }),
    })
    open.set(key, made)
    return made
  }
}
