/** Role bindings indexed by subject, so that a request looks only at bindings of its own user and groups. */
import type { KubeObject } from '../../api/object.ts'
import type { RoleBinding } from '../../api/types.gen.ts'
import type { ResourceStore } from '../store/store.ts'
import { followStore } from './follow.ts'
import { usernameOf } from './tokens.ts'
import type { UserInfo } from './user.ts'

/** One subject of one binding. */
export interface Grant {
  /** Empty for a ClusterRoleBinding. */
  readonly namespace: string
  readonly binding: string
  readonly role: { readonly kind: string; readonly name: string }
  /** The subject as reasons name it, e.g. `User "jane"`. */
  readonly subject: string
}

export class BindingIndex {
  /** Subject key to binding key to grant. */
  readonly #grants = new Map<string, Map<string, Grant>>()
  /** Binding key to its subject keys. */
  readonly #subjects = new Map<string, readonly string[]>()

  /** Adds or replaces a RoleBinding or ClusterRoleBinding. */
  set(object: KubeObject): void {
    this.delete(object)
    const binding = object as unknown as RoleBinding
    const namespace = object.metadata.namespace ?? ''
    const key = keyOfBinding(object)
    const subjects = (binding.subjects ?? []).map(subject => ({
      key: subjectKey(subject, namespace),
      text: subjectText(subject, namespace),
    }))
    for (const subject of subjects) {
      const grants = this.#grants.get(subject.key) ?? new Map<string, Grant>()
      grants.set(key, { namespace, binding: object.metadata.name ?? '', role: binding.roleRef, subject: subject.text })
      this.#grants.set(subject.key, grants)
    }
    this.#subjects.set(
      key,
      subjects.map(subject => subject.key),
    )
  }

  delete(object: KubeObject): void {
    this.#forget(keyOfBinding(object))
  }

  /** The user's grants that count in `namespace`: of the whole cluster first, then the namespace's own. */
  *of(user: UserInfo, namespace: string): Iterable<Grant> {
    const keys = [`User/${user.name}`, ...user.groups.map(group => `Group/${group}`)]
    for (const wanted of namespace === '' ? [''] : ['', namespace]) {
      for (const key of keys) {
        for (const grant of this.#grants.get(key)?.values() ?? []) if (grant.namespace === wanted) yield grant
      }
    }
  }

  /** Fills the index from the store of RoleBindings or of ClusterRoleBindings, and follows it until aborted. */
  follow(store: ResourceStore, signal: AbortSignal): Promise<void> {
    const clusterWide = store.resource === 'clusterrolebindings'
    const follower = {
      clear: () => {
        for (const key of this.#subjects.keys()) if (key.startsWith('/') === clusterWide) this.#forget(key)
      },
      set: (object: KubeObject) => this.set(object),
      delete: (object: KubeObject) => this.delete(object),
    }
    return followStore(store, follower, signal)
  }

  #forget(key: string): void {
    for (const subject of this.#subjects.get(key) ?? []) {
      const grants = this.#grants.get(subject)
      grants?.delete(key)
      if (grants?.size === 0) this.#grants.delete(subject)
    }
    this.#subjects.delete(key)
  }
}

const keyOfBinding = (object: KubeObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name}`

interface Subject {
  readonly kind: string
  readonly name: string
  readonly namespace?: string | undefined
}

function subjectKey(subject: Subject, namespace: string): string {
  if (subject.kind !== 'ServiceAccount') return `${subject.kind}/${subject.name}`
  return `User/${usernameOf(subject.namespace || namespace, subject.name)}`
}

function subjectText(subject: Subject, namespace: string): string {
  const name = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace || namespace}` : subject.name
  return `${subject.kind} ${JSON.stringify(name)}`
}
