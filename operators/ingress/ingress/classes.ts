/** Which Ingresses are ours: by class, default class, or the annotation of old. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Ingress, IngressClass } from '../../../bootstrap/client/resources.ts'

export const controllerName = 'traefik.io/ingress-controller'
const annotation = 'kubernetes.io/ingress.class'
const defaultClass = 'ingressclass.kubernetes.io/is-default-class'

/**
 * With a class configured, only Ingresses of that name are ours. Without, those of any class of our controller, those
 * annotated "traefik", and those that name nothing.
 */
export function isOurs(ingress: Ingress, classes: readonly IngressClass[], configured: string | undefined): boolean {
  const name = ingress.spec?.ingressClassName
  const annotated = ingress.metadata.annotations?.[annotation]
  if (annotated !== undefined) return annotated === (configured ?? 'traefik')
  if (name != null) {
    const own = classes.find(({ metadata }) => metadata.name === name)?.spec?.controller === controllerName
    return own && (configured === undefined || name === configured)
  }
  if (configured !== undefined) return false
  // Another controller's default class takes those that name none; admission usually writes it down.
  const standard = classes.find(({ metadata }) => metadata.annotations?.[defaultClass] === 'true')
  return standard === undefined || standard.spec?.controller === controllerName
}

/** Routes of Traefik's own kinds say their class by annotation or, of late, by field. */
export function isOurRoute({ metadata, ...rest }: KubeObject, configured: string | undefined): boolean {
  const { spec } = rest as { readonly spec?: { readonly ingressClassName?: string } }
  const name = spec?.ingressClassName || metadata.annotations?.[annotation]
  return configured ? name === configured : !name || name === 'traefik'
}
