/**
 * How lists and maps of the built-in kinds merge, read from the API server's own OpenAPI v3 documents
 * (x-kubernetes-patch-strategy and -merge-key).
 */
import type { Client, Resource } from '../../../bootstrap/client/client.ts'
import { groupPath } from '../../../bootstrap/client/paths.ts'

/** Merge rules of one type; what is not named is replaced (lists) or merged (maps). */
export interface PatchMeta {
  readonly replace: boolean
  readonly merge: boolean
  readonly retainKeys: boolean
  readonly mergeKey: string | undefined
  field(name: string): PatchMeta
  item(): PatchMeta
}

interface JsonSchema {
  readonly $ref?: string
  readonly allOf?: readonly JsonSchema[]
  readonly properties?: { readonly [name: string]: JsonSchema }
  readonly additionalProperties?: JsonSchema
  readonly items?: JsonSchema
  readonly 'x-kubernetes-patch-strategy'?: string
  readonly 'x-kubernetes-patch-merge-key'?: string
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[]
}

type Schemas = { readonly [name: string]: JsonSchema }

/** The groups client-go has types for: only their kinds are patched strategically (Helm's kubernetesNativeScheme). */
const builtIn = new Set([
  '',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apps',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'extensions',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'networking.k8s.io',
  'node.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'resource.k8s.io',
  'scheduling.k8s.io',
  'storage.k8s.io',
  'storagemigration.k8s.io',
])

export type PatchMetas = (resource: Resource) => Promise<PatchMeta | undefined>

/** Finds merge rules; undefined for custom resources and for what the server publishes no schema of. */
export function createPatchMetas(client: Client): PatchMetas {
  const documents = new Map<string, Promise<Schemas>>()
  const schemasOf = (path: string): Promise<Schemas> => {
    let known = documents.get(path)
    if (!known) {
      known = client
        .raw('GET', path)
        .then(document => (document as { components?: { schemas?: Schemas } }).components?.schemas ?? {})
      documents.set(path, known)
      known.catch(() => documents.delete(path))
    }
    return known
  }
  return async resource => {
    const { group, version, kind } = resource
    if (!builtIn.has(group)) return undefined
    const schemas = await schemasOf(`/openapi/v3${groupPath(resource)}`)
    const root = Object.values(schemas).find(schema =>
      schema['x-kubernetes-group-version-kind']?.some(
        known => known.group === group && known.version === version && known.kind === kind,
      ),
    )
    return root && metaOf(root, schemas)
  }
}

function metaOf(schema: JsonSchema, schemas: Schemas): PatchMeta {
  const strategies = schema['x-kubernetes-patch-strategy']?.split(',') ?? []
  const shape = resolved(schema, schemas)
  return {
    replace: strategies.includes('replace'),
    merge: strategies.includes('merge'),
    retainKeys: strategies.includes('retainKeys'),
    mergeKey: schema['x-kubernetes-patch-merge-key'],
    field: name => metaOf(shape.properties?.[name] ?? shape.additionalProperties ?? {}, schemas),
    item: () => metaOf(shape.items ?? {}, schemas),
  }
}

/** Follows references; the keywords beside one were read by the caller. */
function resolved(schema: JsonSchema, schemas: Schemas): JsonSchema {
  const ref = schema.$ref ?? schema.allOf?.[0]?.$ref
  if (ref === undefined) return schema
  return schemas[ref.slice(ref.lastIndexOf('/') + 1)] ?? {}
}
