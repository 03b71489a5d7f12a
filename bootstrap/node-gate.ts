/** The API server's way to node agents, which are started after it. */
import type { Duplex } from 'node:stream'
import { errors } from './api/errors.ts'
import type { NodeConnect } from './apiserver/subresources/backends.ts'

export class NodeGate implements NodeConnect {
  readonly #ways = new Map<string, NodeConnect>()

  /** From now on the agent of `node` is reached this way. */
  open(node: string, way: NodeConnect): void {
    this.#ways.set(node, way)
  }

  close(node: string): void {
    this.#ways.delete(node)
  }

  request(...parameters: Parameters<NodeConnect['request']>): ReturnType<NodeConnect['request']> {
    const [node] = parameters
    const way = this.#ways.get(node)
    return way ? way.request(...parameters) : Promise.reject(errors.serviceUnavailable(`node ${node} is not connected`))
  }

  upgrade(...parameters: Parameters<NodeConnect['upgrade']>): void {
    const [node, , , socket] = parameters
    const way = this.#ways.get(node)
    if (way) way.upgrade(...parameters)
    else refuse(socket, node)
  }
}

function refuse(socket: Duplex, node: string): void {
  const text = `node ${node} is not connected\n`
  socket.end(`HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: ${text.length}\r\n\r\n${text}`)
}
