/** Who may open a tunnel: a node, by its kubelet's client certificate and nothing else. */
import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { errors } from '../api/errors.ts'
import { headerList } from '../streaming/http.ts'
import { tunnelPath, tunnelProtocol } from './protocol.ts'
import type { Tunnels } from './tunnels.ts'

interface UpgradeRequest {
  readonly method: string
  readonly path: string
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  readonly peerCertificate?: X509Certificate | undefined
}

interface User {
  readonly name: string
  readonly groups: readonly string[]
}

/** The user a certificate stands for; undefined when it is none of the cluster's. */
export type CertificateUser = (certificate: X509Certificate | undefined) => Promise<User | undefined>

const nodePrefix = 'system:node:'

/** Takes upgrade requests for the tunnel's path; resolves false for all others. Throws StatusError for a refusal. */
export function tunnelUpgrade(tunnels: Tunnels, userOf: CertificateUser) {
  return async (request: UpgradeRequest, socket: Duplex, head: Buffer): Promise<boolean> => {
    if (request.path !== tunnelPath) return false
    const node = nodeOf(await userOf(request.peerCertificate))
    if (request.method !== 'GET' || !asked(request.headers).includes(tunnelProtocol))
      throw errors.badRequest(`want GET with the header "Upgrade: ${tunnelProtocol}"`)
    tunnels.accept(node, socket, head)
    return true
  }
}

function nodeOf(user: User | undefined): string {
  if (!user) throw errors.unauthorized()
  const { name, groups } = user
  if (!name.startsWith(nodePrefix) || name === nodePrefix || !groups.includes('system:nodes'))
    throw errors.forbidden({ group: '', resource: 'nodes' }, '', `User ${JSON.stringify(name)} is not a node`)
  return name.slice(nodePrefix.length)
}

const asked = (headers: UpgradeRequest['headers']) =>
  headerList({ upgrade: [headers.upgrade ?? []].flat().join(',') }, 'upgrade')
