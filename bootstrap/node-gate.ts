/** The API server's way to node agents: to the one in this process directly, to all others through their tunnels. */
import { errors } from './api/errors.ts'
import type { Node } from './api/types.gen.ts'
import { type NodeConnect, UnreachableError } from './apiserver/subresources/backends.ts'
import { type LocalNode, localNodeConnect } from './streaming/local-node.ts'
import { kubeletAddressOf, kubeletPortOf } from './tunnel/addresses.ts'
import type { Egress } from './tunnel/egress.ts'
import { authorityOf, type Target } from './tunnel/protocol.ts'

export interface NodeGateOptions {
  /** The Node as it is stored; undefined: there is none. */
  readonly node: (name: string) => Node | undefined
  readonly egress: Pick<Egress, 'toKubelet'>
  /** PEM: the API server's certificate and key for kubelets, and the CA of theirs. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string }
}

interface Way {
  readonly kubelet: Target
  readonly connection: LocalNode
}

export class NodeGate implements NodeConnect {
  readonly #options: NodeGateOptions
  readonly #local = new Map<string, Way>()
  readonly #ways = new Map<string, Way>()

  constructor(options: NodeGateOptions) {
    this.#options = options
  }

  /** From now on the agent of `node` is dialled at this address, which only this machine can reach. */
  open(node: string, kubelet: Target): void {
    this.#local.set(node, this.#wayTo(node, kubelet))
  }

  close(node: string): void {
    this.#local.get(node)?.connection.close()
    this.#local.delete(node)
  }

  /** Ends all connections that are not in use. */
  closeAll(): void {
    for (const ways of [this.#local, this.#ways]) {
      for (const { connection } of ways.values()) connection.close()
      ways.clear()
    }
  }

  async request(...parameters: Parameters<NodeConnect['request']>): ReturnType<NodeConnect['request']> {
    const [node, , path, , signal] = parameters
    const { connection, kubelet } = this.#way(node)
    try {
      return await connection.request(...parameters)
    } catch (error) {
      if (signal.aborted) throw error
      throw new UnreachableError(`https://${authorityOf(kubelet)}${path}`, reasonOf(error as Error))
    }
  }

  async upgrade(...parameters: Parameters<NodeConnect['upgrade']>): Promise<void> {
    const [node, path] = parameters
    const { connection, kubelet } = this.#way(node)
    try {
      await connection.upgrade(...parameters)
    } catch (error) {
      throw new UnreachableError(`https://${authorityOf(kubelet)}${path}`, reasonOf(error as Error))
    }
  }

  /** Throws StatusError for a node that does not exist or has no address yet. */
  #way(name: string): Way {
    const local = this.#local.get(name)
    if (local) return local
    const node = this.#options.node(name)
    if (!node) throw errors.notFound({ group: '', resource: 'nodes' }, name)
    const host = kubeletAddressOf(node)
    if (host === undefined) throw errors.internal(`no preferred addresses found; known addresses: []`)
    const kubelet = { host, port: kubeletPortOf(node) }
    const known = this.#ways.get(name)
    if (known && authorityOf(known.kubelet) === authorityOf(kubelet)) return known
    known?.connection.close()
    const way = this.#wayTo(name, kubelet, () => this.#options.egress.toKubelet(name, kubelet))
    this.#ways.set(name, way)
    return way
  }

  #wayTo(node: string, kubelet: Target, via?: () => ReturnType<Egress['toKubelet']>): Way {
    const { tls } = this.#options
    return { kubelet, connection: localNodeConnect({ ...kubelet, ...tls, serverName: node, ...(via ? { via } : {}) }) }
  }
}

/** Why a dial failed, as Go's programs word it. */
function reasonOf(error: NodeJS.ErrnoException & { address?: string; port?: number }): string {
  const why: { readonly [code: string]: string } = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'i/o timeout',
  }
  const text = why[error.code ?? '']
  const { address: host, port } = error
  return text === undefined || host === undefined || port === undefined
    ? error.message
    : `dial tcp ${authorityOf({ host, port })}: ${text}`
}
