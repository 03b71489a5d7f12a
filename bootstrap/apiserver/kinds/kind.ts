/** A kind is data: what makes it different from every other kind. REST, discovery, tables, apply and protobuf derive from it. */
import type { FieldError } from '../../api/errors.ts'
import type { Draft, KubeObject } from '../../api/object.ts'
import type { UserInfo } from '../auth/user.ts'
import type { Schema } from '../schema/schema.ts'

/** A mutable object of unknown shape; kinds cast it to their own Draft<Pod> etc. */
export type Mutable = Draft<KubeObject> & { [field: string]: unknown }

export interface Clock {
  now(): number
}

/** What a strategy may know about the request. */
export interface WriteContext {
  readonly user: UserInfo
  readonly clock: Clock
  readonly namespace: string
  readonly dryRun: boolean
  /** Adds a Warning header to the response. */
  warn(text: string): void
}

export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  readonly format?: string
  readonly description?: string
  /** 0 is shown always, 1 only with -o wide. */
  readonly priority?: number
  /** The cell for one object. `now` is epoch milliseconds, for ages. */
  readonly cell: (object: KubeObject, now: number) => string | number | boolean | null
}

export interface Table {
  readonly columns: readonly Column[]
  /** Row conditions, e.g. Completed for finished pods. */
  readonly conditions?: (
    object: KubeObject,
  ) => readonly { type: string; status: string; reason?: string; message?: string }[]
}

export interface Scale {
  /** Dotted paths, e.g. "spec.replicas". */
  readonly specReplicas: string
  readonly statusReplicas: string
  /** The selector as a label-selector string. */
  readonly selector: (object: KubeObject) => string
}

export interface GracefulDelete {
  /** Seconds before the object really goes; 0 deletes at once. `asked` is DeleteOptions.gracePeriodSeconds. */
  readonly seconds: (object: KubeObject, asked: number | undefined) => number
}

/**
 * The behaviour of a kind, every part optional. Drafts are changed in place. Order on create: defaults, (mutating admission),
 * prepareForCreate, validate. On update: defaults, (mutating admission), prepareForUpdate, validate, validateUpdate.
 */
export interface Strategy {
  defaults?(draft: Mutable): void
  /** Resets what clients may not set (status), fills what the server sets. Upstream: registry/.../strategy.go. */
  prepareForCreate?(draft: Mutable, context: WriteContext): void
  prepareForUpdate?(draft: Mutable, old: KubeObject, context: WriteContext): void
  validate?(object: KubeObject): readonly FieldError[]
  /** What only holds on create, after `validate`. */
  validateCreate?(object: KubeObject): readonly FieldError[]
  validateUpdate?(object: KubeObject, old: KubeObject): readonly FieldError[]
  /** Runs for PUT/PATCH of /status after the spec and metadata were restored from `old`. */
  prepareForStatusUpdate?(draft: Mutable, old: KubeObject, context: WriteContext): void
  validateStatusUpdate?(object: KubeObject, old: KubeObject): readonly FieldError[]
  /** Default: spec differs. Also called for annotations-sensitive kinds (Deployment). Kinds without generation return false. */
  bumpsGeneration?(object: KubeObject, old: KubeObject): boolean
  /** metadata.generation starts at 1 on create; false for kinds that have none (ConfigMap, Secret, ...). */
  readonly hasGeneration?: boolean
  /** Field-selector fields beyond metadata.name and metadata.namespace. */
  fields?(object: KubeObject): { readonly [field: string]: string }
  /** Names of those fields, also when an object has no value for one. */
  readonly fieldNames?: readonly string[]
  readonly table?: Table
  /** The kind has /status. Default: the resource facts say so. */
  readonly scale?: Scale
  readonly gracefulDelete?: GracefulDelete
  /** Update without resourceVersion is allowed (default true), as is create by update (default false). */
  readonly allowUnconditionalUpdate?: boolean
  readonly allowCreateOnUpdate?: boolean
  /** Validates metadata.name; default DNS-1123 subdomain. Returns upstream's detail texts. */
  validateName?(name: string): readonly string[]
  /** 'Orphan' for ReplicationController and Job in old versions; default 'Background'. */
  readonly defaultPropagation?: 'Background' | 'Orphan'
  /** Answers POST without storing anything (reviews). */
  readonly virtual?: boolean
  /** Deprecation or usage warnings for create and update. */
  warnings?(object: KubeObject, old: KubeObject | undefined): readonly string[]
}

/** One served resource: identity (from the facts tables or a CRD), schema and behaviour. */
export interface Kind {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly listKind: string
  /** Plural, e.g. "pods". */
  readonly resource: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly namespaced: boolean
  readonly verbs: readonly string[]
  /** "status", "scale", "log", ... */
  readonly subresources: readonly Subresource[]
  readonly schema: Schema
  readonly strategy: Strategy
  /** Where objects of this kind are stored; versions of one kind share it. */
  readonly storage: { readonly group: string; readonly resource: string; readonly version: string }
  /** To and from the stored version; absent when this is the stored version or only apiVersion differs. */
  readonly convert?: { toStored(object: KubeObject): KubeObject; fromStored(object: KubeObject): KubeObject }
  readonly custom: boolean
}

export interface Subresource {
  readonly name: string
  readonly kind: string
  readonly group?: string
  readonly version?: string
  readonly verbs: readonly string[]
}
