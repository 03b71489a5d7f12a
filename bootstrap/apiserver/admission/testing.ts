/** Requests and a chain for the suites of this folder. */
import type { KubeObject } from '../../api/object.ts'
import type { Authorizer } from '../auth/authorizer.ts'
import { BindingIndex } from '../auth/bindings.ts'
import { createRbac } from '../auth/rbac.ts'
import type { UserInfo } from '../auth/user.ts'
import type { Kind, Mutable } from '../kinds/kind.ts'
import { type AdmissionChain, admissionChain, type ChainDeps } from './chain.ts'
import type { AdmissionRequest, ObjectReader } from './plugin.ts'

export const jane: UserInfo = { name: 'jane', uid: '', groups: ['system:authenticated'], extra: {} }
export const kubelet: UserInfo = { name: 'system:node:n1', uid: '', groups: ['system:nodes'], extra: {} }

/** Stored objects that a suite may add to at any time. */
export class Objects implements ObjectReader {
  readonly #objects = new Map<string, KubeObject>()

  put(groupResource: string, name: string, body: object = {}, metadata: object = {}, namespace = ''): this {
    const scope = namespace === '' ? {} : { namespace }
    const object = { apiVersion: 'v1', kind: '', metadata: { name, ...scope, ...metadata }, ...body }
    this.#objects.set(`${groupResource}/${namespace}/${name}`, object)
    return this
  }

  get(group: string, resource: string, namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(`${group}/${resource}/${namespace}/${name}`)
  }

  list(group: string, resource: string, namespace?: string): readonly KubeObject[] {
    const prefix = `${group}/${resource}/${namespace === undefined ? '' : `${namespace}/`}`
    return [...this.#objects].flatMap(([key, object]) => (key.startsWith(prefix) ? [object] : []))
  }
}

/** Objects every cluster has: the namespace "ns" with its default account. */
export const cluster = (): Objects =>
  new Objects()
    .put('/namespaces', 'ns')
    .put('/namespaces', 'kube-system')
    .put('/serviceaccounts', 'default', {}, {}, 'ns')
    .put('/serviceaccounts', 'default', {}, {}, 'kube-system')

export function chainOver(reader: ObjectReader, more: Partial<ChainDeps> = {}): AdmissionChain {
  const rbac = createRbac(reader, new BindingIndex())
  const nobody: Authorizer = { authorize: () => ({ allowed: false, reason: '' }) }
  return admissionChain({
    reader,
    clock: { now: () => 0 },
    rbac,
    authorizer: nobody,
    embeddedModules: () => new Set(['coredns', 'helm']),
    wait: async () => {},
    ...more,
  })
}

export interface Asked extends Partial<Omit<AdmissionRequest, 'kind' | 'object' | 'old'>> {
  /** "group/resource" */
  readonly of?: string
  readonly object?: object
  readonly old?: object
}

/** A request to create a pod in "ns", unless told otherwise. */
export function ask({ of = '/pods', object, old, ...rest }: Asked = {}): AdmissionRequest & { warnings: string[] } {
  const [group = '', resource = ''] = of.split('/')
  const warnings: string[] = []
  const whole = (part: object | undefined) => part && { apiVersion: '', kind: '', metadata: { name: 'x' }, ...part }
  return {
    operation: 'CREATE',
    kind: { group, resource } as Kind,
    subresource: '',
    namespace: 'ns',
    name: 'x',
    user: jane,
    dryRun: false,
    object: whole(object) as Mutable | undefined,
    old: whole(old) as KubeObject | undefined,
    options: {},
    warnings,
    warn: text => warnings.push(text),
    ...rest,
  }
}

/** Runs both steps, as a write does; resolves with the object as it would be stored. */
export async function admit<T = Mutable>(chain: AdmissionChain, request: AdmissionRequest): Promise<T> {
  await chain.mutate(request)
  await chain.validate(request)
  return request.object as T
}

/** A pod with one container; `container` and `spec` are merged in. */
export const pod = (spec: object = {}, container: object = {}, metadata: object = {}): object => ({
  metadata: { name: 'x', namespace: 'ns', ...metadata },
  spec: { containers: [{ name: 'c', image: 'i', ...container }], ...spec },
})
