/** Puts the parts of authentication and authorization together over a store. */
import type { KubeObject } from '../../api/object.ts'
import type { AuthenticationV1TokenRequest } from '../../api/types.gen.ts'
import type { PasswdEntry } from '../../pki/token.ts'
import type { ObjectReader } from '../admission/plugin.ts'
import { openReader } from '../admission/reader.ts'
import type { Clock } from '../kinds/kind.ts'
import type { ResourceStore, Store } from '../store/store.ts'
import { followAggregation } from './aggregation.ts'
import { type Authenticator, createAuthenticator } from './authenticate.ts'
import { type Authorizer, createAuthorizer } from './authorizer.ts'
import { BindingIndex } from './bindings.ts'
import { nodeRules, reconcileBootstrapRoles } from './bootstrap-roles.ts'
import { createNodeAuthorizer } from './node.ts'
import { NodePods } from './node-pods.ts'
import { createRbac, type Rbac, rbacGroup } from './rbac.ts'
import { rbacWriter } from './rbac-writer.ts'
import { type ReviewHandler, reviews } from './reviews.ts'
import { type ServiceAccountTokens, serviceAccountTokens } from './tokens.ts'

export interface AuthOptions {
  readonly store: Store
  readonly clock: Clock
  /** Ends the indexes' following of the store. */
  readonly signal: AbortSignal
  /** An index could not go on; its answers are stale from now on. */
  readonly onFailure: (error: unknown) => void
  readonly clientCaPem: string
  readonly requestHeaderCaPem: string
  /** Default: system:auth-proxy. */
  readonly requestHeaderNames?: readonly string[]
  readonly serviceKeys: { readonly signing: string; readonly all: readonly string[] }
  /** e.g. cluster.local: the issuer is https://kubernetes.default.svc.<domain>. */
  readonly clusterDomain: string
  readonly passwd?: () => readonly PasswdEntry[]
  readonly anonymous?: boolean
}

export interface Auth {
  readonly reader: ObjectReader
  readonly tokens: ServiceAccountTokens
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  readonly rbac: Rbac
  readonly reviews: ReadonlyMap<string, ReviewHandler>
  /** For serviceaccounts/token: the TokenRequest with its status filled in. */
  readonly tokenIssuer: (account: KubeObject, request: KubeObject) => Promise<object>
  /** Creates and completes the bootstrap roles, then keeps aggregated roles filled. Namespaces must exist. */
  bootstrap(): Promise<void>
}

/** Loads what is needed from the store; the indexes are complete when this resolves. */
export async function openAuth(options: AuthOptions): Promise<Auth> {
  const { store, clock, signal, clusterDomain } = options
  const reader = await openReader(store)
  const loaded = (group: string, resource: string): ResourceStore => store.loaded(group, resource)!
  const follow = (done: Promise<void>) => void done.catch(options.onFailure)

  const index = new BindingIndex()
  follow(index.follow(loaded(rbacGroup, 'clusterrolebindings'), signal))
  follow(index.follow(loaded(rbacGroup, 'rolebindings'), signal))
  const pods = new NodePods()
  follow(pods.follow(loaded('', 'pods'), signal))

  const rbac = createRbac(reader, index)
  const authorizer = createAuthorizer([createNodeAuthorizer({ reader, pods, rules: nodeRules() }), rbac])
  const issuer = `https://kubernetes.default.svc.${clusterDomain}`
  const audiences = [issuer, 'k3s']
  const tokens = serviceAccountTokens({ issuer, audiences, keys: options.serviceKeys, reader, clock })
  const authenticator = createAuthenticator({
    clientCaPem: options.clientCaPem,
    requestHeaderCaPem: options.requestHeaderCaPem,
    requestHeaderNames: options.requestHeaderNames ?? ['system:auth-proxy'],
    tokens,
    reader,
    clock,
    anonymous: options.anonymous ?? false,
    ...(options.passwd ? { passwd: options.passwd } : {}),
  })

  return {
    reader,
    tokens,
    authenticator,
    authorizer,
    rbac,
    reviews: reviews({ authenticator, authorizer, rbac, audiences, clock }),
    tokenIssuer: async (account, request) => answerTokenRequest(tokens, account, request),
    async bootstrap() {
      const writer = rbacWriter(store, clock)
      await reconcileBootstrapRoles(writer)
      const update = (role: KubeObject) => writer.update('clusterroles', role)
      follow(followAggregation(loaded(rbacGroup, 'clusterroles'), update, signal))
    },
  }
}

function answerTokenRequest(tokens: ServiceAccountTokens, account: KubeObject, request: KubeObject): object {
  const spec = (request as unknown as AuthenticationV1TokenRequest).spec ?? {}
  const { namespace = '', name = '' } = account.metadata
  const expirationSeconds = spec.expirationSeconds ?? 3600
  const { token, expirationTimestamp, audiences } = tokens.issueToken({
    namespace,
    serviceAccount: name,
    audiences: spec.audiences,
    expirationSeconds,
    boundObject: spec.boundObjectRef,
  })
  return { ...request, spec: { ...spec, audiences, expirationSeconds }, status: { expirationTimestamp, token } }
}
