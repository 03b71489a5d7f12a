/** The certificates that agents ask for: the key is the agent's own, or, for agents of old, one that all nodes share. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { ApiRequest } from '../apiserver/http/message.ts'
import { keyPem, newKey, privateKeysOf } from '../pki/certificate.ts'
import { readIfPresent, writeAtomically } from '../pki/files.ts'
import type { IssueSpec, Pki } from '../pki/pki.ts'
import { parseRequest } from '../pki/request.ts'

export type Wanted = Omit<IssueSpec, 'publicKey'>

/** What a kubelet serves with. `addresses` is the k3s-Node-IP header. Throws an Error in one line for what is no address. */
export function kubeletServing(node: string, addresses: string): Wanted {
  const ips = addresses === '' ? [] : addresses.split(',')
  const wrong = ips.find(ip => isIP(ip) === 0)
  if (wrong !== undefined) throw new Error(`invalid node IP address ${wrong}`)
  const sans = [...new Set([node, 'localhost', '127.0.0.1', ...ips])]
  return { ca: 'serverCa', commonName: node, sans, usages: ['server'] }
}

export function kubeletClient(node: string): Wanted {
  return { ca: 'clientCa', commonName: `system:node:${node}`, organizations: ['system:nodes'], usages: ['client'] }
}

export const kubeProxyClient: Wanted = { ca: 'clientCa', commonName: 'system:kube-proxy', usages: ['client'] }
export const controllerClient: Wanted = { ca: 'clientCa', commonName: 'system:k3s-controller', usages: ['client'] }

/** The request's body is no certificate request. */
export class RequestError extends Error {
  constructor(cause: unknown) {
    super(`the body is not a certificate request in DER: ${(cause as Error).message}`)
    this.name = 'RequestError'
  }
}

/**
 * Resolves with PEM: the certificate, its CA, and, unless the body of a POST held a request for a key of the agent's own,
 * the key that is kept as server/tls/`file`.key. Rejects with RequestError.
 */
export async function issueFor(
  request: ApiRequest,
  wanted: Wanted,
  pki: Pick<Pki, 'issue'>,
  sharedKey: { readonly dataDir: string; readonly file: string },
): Promise<string> {
  if (request.method === 'POST') return pki.issue({ ...wanted, publicKey: publicKeyOf(await request.body()) })
  const path = join(sharedKey.dataDir, 'server/tls', `${sharedKey.file}.key`)
  const found = await readIfPresent(path)
  const key = (found && privateKeysOf(found)[0]) || newKey()
  const pem = found ?? keyPem(key)
  if (found === undefined) await writeAtomically(path, pem)
  return pki.issue({ ...wanted, publicKey: createPublicKey(key) }) + pem
}

function publicKeyOf(body: Buffer): KeyObject {
  try {
    return parseRequest(body).publicKey
  } catch (error) {
    throw new RequestError(error)
  }
}
