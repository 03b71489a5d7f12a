/** Fills the default class into claims and ingresses (upstream: plugin/pkg/admission/storage/storageclass/setdefault, network/defaultingressclass). */
import type { Draft, KubeObject } from '../../api/object.ts'
import type { Ingress, PersistentVolumeClaim } from '../../api/types.gen.ts'
import { as, isFor, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin } from './plugin.ts'

const betaClass = 'volume.beta.kubernetes.io/storage-class'
const defaultStorage = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
]
const defaultIngress = 'ingressclass.kubernetes.io/is-default-class'

const defaults = (list: readonly KubeObject[], annotations: readonly string[]): KubeObject[] =>
  list.filter(object => annotations.some(annotation => object.metadata.annotations?.[annotation] === 'true'))

/** The newest first, then by name. */
const newest = (list: readonly KubeObject[]): KubeObject | undefined =>
  list.toSorted(
    ({ metadata: a }, { metadata: b }) =>
      (b.creationTimestamp ?? '').localeCompare(a.creationTimestamp ?? '') || (a.name! < b.name! ? -1 : 1),
  )[0]

/** The newest of the default storage classes goes into a claim that names none. */
export function defaultStorageClass({ reader }: AdmissionDeps): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, '', 'persistentvolumeclaims')) return
      const claim = as<Draft<PersistentVolumeClaim>>(request.object)
      if (claim.metadata.annotations?.[betaClass] !== undefined || claim.spec?.storageClassName !== undefined) return
      const name = newest(defaults(reader.list('storage.k8s.io', 'storageclasses'), defaultStorage))?.metadata.name
      if (name !== undefined) claim.spec = { ...claim.spec, storageClassName: name }
    },
  }
}

/** The newest default ingress class goes into an ingress that names none. */
export function defaultIngressClass({ reader }: AdmissionDeps): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, 'networking.k8s.io', 'ingresses')) return
      const ingress = as<Draft<Ingress>>(request.object)
      const legacy = ingress.metadata.annotations?.['kubernetes.io/ingress.class']
      if (legacy !== undefined || ingress.spec?.ingressClassName !== undefined) return
      const found = defaults(reader.list('networking.k8s.io', 'ingressclasses'), [defaultIngress])
      const name = newest(found)?.metadata.name
      if (name === undefined) return
      if (!ingress.spec) throw refuse(request, 'the ingress has no spec')
      ingress.spec.ingressClassName = name
    },
  }
}
