/** An admission plugin: one file each in this folder, run in upstream's order (chain.ts). */
import type { KubeObject } from '../../api/object.ts'
import type { UserInfo } from '../auth/user.ts'
import type { Clock, Kind, Mutable } from '../kinds/kind.ts'

export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  readonly kind: Kind
  readonly subresource: string
  readonly namespace: string
  readonly name: string
  readonly user: UserInfo
  readonly dryRun: boolean
  /** Absent on DELETE. Mutating plugins change it in place. */
  readonly object: Mutable | undefined
  readonly old: KubeObject | undefined
  readonly options: { readonly [field: string]: unknown }
  warn(text: string): void
}

/** Read access to stored objects for plugins, at the newest state. */
export interface ObjectReader {
  get(group: string, resource: string, namespace: string, name: string): KubeObject | undefined
  list(group: string, resource: string, namespace?: string): readonly KubeObject[]
}

export interface AdmissionDeps {
  readonly reader: ObjectReader
  /** Resolves once the reader is at most about a second behind what other servers have stored; undefined when it is. */
  readonly recent?: () => Promise<void> | undefined
  readonly clock: Clock
}

/** Throws StatusError to refuse. */
export interface AdmissionPlugin {
  readonly name: string
  mutate?(request: AdmissionRequest): void | Promise<void>
  validate?(request: AdmissionRequest): void | Promise<void>
  /** Asked after all have mutated: whether all are to do so once more. */
  again?(request: AdmissionRequest): boolean
}
