/** What nodes ask a server for: certificates, CAs, the addresses of the servers, and their settings. */
import { StatusError } from '../api/errors.ts'
import type { UserInfo } from '../apiserver/auth/user.ts'
import { type ApiRequest, type ApiResponse, headerOf, jsonResponse, textResponse } from '../apiserver/http/message.ts'
import type { Client } from '../client/client.ts'
import { endpointSlices } from '../client/resources.ts'
import type { ControlConfig } from '../join/control-config.ts'
import { addressesOf } from '../join/server-addresses.ts'
import type { Pki } from '../pki/pki.ts'
import { agentGroups } from './access.ts'
import { type Hiding, refuse, refuseHiding } from './answers.ts'
import {
  controllerClient,
  issueFor,
  kubeletClient,
  kubeletServing,
  kubeProxyClient,
  RequestError,
  type Wanted,
} from './certificates.ts'
import type { Endpoint, Endpoints } from './endpoint.ts'
import type { NodeCheck } from './node-password/check.ts'

export interface AgentRouteParts extends Hiding {
  readonly dataDir: string
  readonly pki: Pick<Pki, 'issue' | 'clientCa' | 'serverCa'>
  readonly control: () => ControlConfig
  /** Undefined as long as the API does not serve. */
  readonly client: () => Client | undefined
  readonly checkNode: (request: ApiRequest, user: UserInfo) => Promise<NodeCheck>
}

export function agentEndpoints(parts: AgentRouteParts): Endpoints {
  const { pki, control } = parts
  const endpoint = (answer: Endpoint['answer']): Endpoint => ({ groups: agentGroups, limited: true, answer })
  return new Map<string, Endpoint>([
    ['/v1-k3s/serving-kubelet.crt', endpoint((request, user) => servingKubelet(parts, request, user))],
    ['/v1-k3s/client-kubelet.crt', endpoint((request, user) => clientKubelet(parts, request, user))],
    [
      '/v1-k3s/client-kube-proxy.crt',
      endpoint(request => certificate(parts, request, kubeProxyClient, 'client-kube-proxy')),
    ],
    [
      '/v1-k3s/client-k3s-controller.crt',
      endpoint(request => certificate(parts, request, controllerClient, 'client-k3s-controller')),
    ],
    ['/v1-k3s/client-ca.crt', endpoint(() => pemResponse(pki.clientCa.cert))],
    ['/v1-k3s/server-ca.crt', endpoint(() => pemResponse(pki.serverCa.cert))],
    ['/v1-k3s/apiservers', endpoint(() => apiServers(parts.client()))],
    ['/v1-k3s/config', endpoint(() => jsonResponse(200, control()))],
    ['/v1-k3s/readyz', endpoint(request => readyz(request, parts.client()))],
  ])
}

async function servingKubelet(parts: AgentRouteParts, request: ApiRequest, user: UserInfo): Promise<ApiResponse> {
  const check = await parts.checkNode(request, user)
  if (!check.allowed) return refuse(request, check.code, check.message)
  let wanted: Wanted
  try {
    wanted = kubeletServing(check.node, headerOf(request, 'k3s-node-ip'))
  } catch (error) {
    return refuse(request, 500, (error as Error).message)
  }
  return await certificate(parts, request, wanted, 'serving-kubelet')
}

async function clientKubelet(parts: AgentRouteParts, request: ApiRequest, user: UserInfo): Promise<ApiResponse> {
  const check = await parts.checkNode(request, user)
  if (!check.allowed) return refuse(request, check.code, check.message)
  return await certificate(parts, request, kubeletClient(check.node), 'client-kubelet')
}

async function certificate(
  parts: AgentRouteParts,
  request: ApiRequest,
  wanted: Wanted,
  file: string,
): Promise<ApiResponse> {
  try {
    return pemResponse(await issueFor(request, wanted, parts.pki, { dataDir: parts.dataDir, file }))
  } catch (error) {
    if (error instanceof StatusError) throw error
    return error instanceof RequestError
      ? refuse(request, 400, error.message)
      : refuseHiding(request, 500, 'certificate', error, parts)
  }
}

function pemResponse(pem: string): ApiResponse {
  return { ...textResponse(200, pem), headers: { 'content-type': 'text/plain' } }
}

function readyz(request: ApiRequest, client: Client | undefined): ApiResponse {
  return client ? textResponse(200, 'ok') : refuse(request, 503, 'runtime core not ready')
}

/** `host:port` of every API server, from the EndpointSlices of the Service kubernetes; none before it is there. */
async function apiServers(client: Client | undefined): Promise<ApiResponse> {
  if (!client) return jsonResponse(200, [])
  const selector = { namespace: 'default', labelSelector: 'kubernetes.io/service-name=kubernetes' }
  const { items } = await client.list(endpointSlices, selector)
  return jsonResponse(200, [...new Set(items.flatMap(addressesOf))])
}
