/** Who may ask: the API server as front proxy, which has authorized its user, and holders of tokens that RBAC lets in. */
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'
import type { Informers } from '../../bootstrap/client/informer.ts'
import { type ConfigMap, configMaps } from '../../bootstrap/client/resources.ts'

const tokenReviews = review('authentication.k8s.io', 'tokenreviews', 'TokenReview')
const accessReviews = review('authorization.k8s.io', 'subjectaccessreviews', 'SubjectAccessReview')

function review(group: string, resource: string, kind: string): Resource {
  return { group, version: 'v1', resource, kind, namespaced: false }
}

const trustKey = 'kube-system/extension-apiserver-authentication'

/** Whom to trust as front proxy, from the ConfigMap the API server keeps. */
export class FrontProxyTrust {
  readonly #informer: ReturnType<Informers['get']>

  constructor(informers: Informers) {
    const [namespace = '', name = ''] = trustKey.split('/')
    this.#informer = informers.get(configMaps, { namespace, fieldSelector: `metadata.name=${name}` })
  }

  whenSynced(): Promise<void> {
    return this.#informer.whenSynced()
  }

  /** Calls back now and whenever it changes. */
  onChange(callback: () => void): void {
    this.#informer.subscribe({ added: callback, updated: callback, deleted: callback })
  }

  /** PEM; empty while nobody is trusted. */
  get ca(): string {
    return this.#data['requestheader-client-ca-file'] ?? ''
  }

  trusts(socket: TLSSocket): boolean {
    if (!socket.authorized || this.ca === '') return false
    const names = JSON.parse(this.#data['requestheader-allowed-names'] ?? '[]') as readonly string[]
    return names.length === 0 || names.includes(String(socket.getPeerCertificate().subject?.CN ?? ''))
  }

  get #data(): { readonly [key: string]: string } {
    return (this.#informer.get(trustKey) as ConfigMap | undefined)?.data ?? {}
  }
}

export type Verdict = 'allowed' | 'unauthorized' | 'forbidden'

/** Decides about a request that needs more than being there. */
export async function decide(request: IncomingMessage, trust: FrontProxyTrust, client: Client): Promise<Verdict> {
  if (trust.trusts(request.socket as TLSSocket) && request.headers['x-remote-user']) return 'allowed'
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (token === undefined) return 'unauthorized'
  const identity = await reviewed<{ authenticated?: boolean; user?: { username?: string; groups?: string[] } }>(
    client,
    tokenReviews,
    { token },
  )
  if (!identity.authenticated) return 'unauthorized'
  const { username, groups } = identity.user ?? {}
  const path = new URL(request.url ?? '/', 'https://x').pathname
  const nonResourceAttributes = { path, verb: (request.method ?? 'get').toLowerCase() }
  const { allowed } = await reviewed<{ allowed?: boolean }>(client, accessReviews, {
    user: username,
    groups,
    nonResourceAttributes,
  })
  return allowed ? 'allowed' : 'forbidden'
}

async function reviewed<T>(client: Client, resource: Resource, spec: object): Promise<T> {
  const apiVersion = `${resource.group}/${resource.version}`
  const asked = { apiVersion, kind: resource.kind, metadata: {}, spec } as unknown as KubeObject
  return ((await client.create(resource, asked)) as { status?: T }).status ?? ({} as T)
}
