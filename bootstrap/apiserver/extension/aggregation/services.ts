/** The APIServices as the rest of aggregation sees them: which group versions somebody else serves, and how. */
import type { KubeObject } from '../../../api/object.ts'
import type { APIService } from '../../../api/types.gen.ts'
import { followStore } from '../../auth/follow.ts'
import type { ResourceStore } from '../../store/store.ts'

/** An APIService that names a Service. */
export interface RemoteService {
  /** "v1beta1.metrics.k8s.io" */
  readonly name: string
  readonly group: string
  readonly version: string
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number }
  /** PEM; undefined: the machine's own trust. */
  readonly caBundle: string | undefined
  readonly insecure: boolean
  /** The name its certificate must be for: that of the Service. */
  readonly serverName: string
  readonly groupPriority: number
  readonly versionPriority: number
  /** Its Available condition is True. */
  readonly available: boolean
  readonly object: APIService
}

/** Undefined for an APIService that this server answers itself. */
export function remoteServiceOf(object: KubeObject): RemoteService | undefined {
  const service = object as unknown as APIService
  const { spec } = service
  if (!spec?.service) return undefined
  const { group = '', version = '', caBundle, insecureSkipTLSVerify = false } = spec
  const condition = service.status?.conditions?.find(({ type }) => type === 'Available')
  return {
    name: object.metadata.name ?? '',
    group,
    version,
    service: {
      namespace: spec.service.namespace ?? '',
      name: spec.service.name ?? '',
      port: spec.service.port ?? 443,
    },
    caBundle: caBundle ? Buffer.from(caBundle, 'base64').toString('utf8') : undefined,
    insecure: insecureSkipTLSVerify,
    serverName: `${spec.service.name}.${spec.service.namespace}.svc`,
    groupPriority: spec.groupPriorityMinimum ?? 0,
    versionPriority: spec.versionPriority ?? 0,
    available: condition?.status === 'True',
    object: service,
  }
}

/** Follows the APIServices and remembers those that name a Service. */
export class RemoteServices {
  readonly #byGroupVersion = new Map<string, RemoteService>()
  readonly #listeners = new Set<(name: string) => void>()

  /** The one that serves a group version, or undefined where this server does. */
  find(group: string, version: string): RemoteService | undefined {
    return this.#byGroupVersion.size === 0 ? undefined : this.#byGroupVersion.get(`${group}/${version}`)
  }

  byName(name: string): RemoteService | undefined {
    return this.all().find(service => service.name === name)
  }

  all(): RemoteService[] {
    return [...this.#byGroupVersion.values()]
  }

  /** Calls back with the name of an APIService that came, changed or went. */
  onChange(listener: (name: string) => void): void {
    this.#listeners.add(listener)
  }

  /** Everything known is in place before the promise is returned; it settles when the signal aborts. */
  follow(store: ResourceStore, signal: AbortSignal): Promise<void> {
    const changed = (object: KubeObject) => {
      for (const listener of this.#listeners) listener(object.metadata.name ?? '')
    }
    const follower = {
      clear: () => this.#byGroupVersion.clear(),
      set: (object: KubeObject) => {
        const key = keyOf(object)
        const remote = remoteServiceOf(object)
        const known = this.#byGroupVersion.has(key)
        if (remote) this.#byGroupVersion.set(key, remote)
        else this.#byGroupVersion.delete(key)
        if (remote || known) changed(object)
      },
      delete: (object: KubeObject) => {
        if (this.#byGroupVersion.delete(keyOf(object))) changed(object)
      },
    }
    return followStore(store, follower, signal)
  }
}

function keyOf(object: KubeObject): string {
  const { group = '', version = '' } = (object as unknown as APIService).spec ?? {}
  return `${group}/${version}`
}
