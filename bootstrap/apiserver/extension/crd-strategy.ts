/** The behaviour of CustomResourceDefinition itself. */
import type { KubeObject } from '../../api/object.ts'
import type { CustomResourceDefinition } from '../../api/types.gen.ts'
import type { Mutable, Strategy } from '../kinds/kind.ts'
import { approvalErrors, crdErrors, crdUpdateErrors } from './crd-validation.ts'

/** Holds a definition until its instances are deleted. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

type Changeable<T> = T extends readonly (infer Item)[]
  ? Changeable<Item>[]
  : T extends object
    ? { -readonly [K in keyof T]: Changeable<T[K]> }
    : T
type CrdDraft = Changeable<CustomResourceDefinition>

const crdOf = (object: KubeObject) => object as unknown as CustomResourceDefinition
const draftOf = (draft: Mutable) => draft as unknown as CrdDraft

export const customResourceDefinitionStrategy: Strategy = {
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults(draft) {
    const { spec } = draftOf(draft)
    if (!spec?.names) return
    const { names } = spec
    if (names.kind) {
      names.singular ||= names.kind.toLowerCase()
      names.listKind ||= `${names.kind}List`
    }
    spec.conversion ??= { strategy: 'None' }
    const clientConfig = spec.conversion.webhook?.clientConfig
    if (clientConfig?.service) clientConfig.service.port ??= 443
  },
  prepareForCreate(draft) {
    const crd = draftOf(draft)
    crd.status = { storedVersions: [] }
    recordStorageVersion(crd)
  },
  prepareForUpdate: draft => recordStorageVersion(draftOf(draft)),
  /** A deletion only marks; the controller of definitions adds the finalizer and deletes the instances first. */
  gracefulDelete: { seconds: () => 1 },
  validate: object => [...crdErrors(crdOf(object)), ...newErrors(crdOf(object))],
  validateUpdate: (object, old) => [...crdUpdateErrors(crdOf(object), crdOf(old))],
  validateStatusUpdate: object => [...crdErrors(crdOf(object))],
}

/** A definition that was never judged yet is a new one. */
function newErrors(crd: CustomResourceDefinition) {
  return crd.status?.conditions === undefined ? approvalErrors(crd) : []
}

function recordStorageVersion(crd: CrdDraft): void {
  const storage = crd.spec?.versions?.find(version => version.storage)?.name
  if (storage === undefined) return
  crd.status ??= {}
  const stored = (crd.status.storedVersions ??= [])
  if (!stored.includes(storage)) stored.push(storage)
}
