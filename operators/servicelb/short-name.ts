/**
 * Guides still say `kubectl logs daemonset/svclb-traefik`, the name before K3s added the start of the uid. For services beside
 * the balancers, where it is unambiguous, a DaemonSet of that name selects the same pods and never has any of its own.
 */
import type { DaemonSet, Service } from '../../bootstrap/client/resources.ts'
import type { BalancerOptions } from './daemon-set.ts'
import { serviceNameLabel, serviceNamespaceLabel } from './service.ts'

export const shortName = ({ metadata }: Service): string => `svclb-${metadata.name}`

export function hasShortName({ metadata }: Service, { namespace }: Pick<BalancerOptions, 'namespace'>): boolean {
  return metadata.namespace === namespace
}

/** `set` is the service's real one. */
export function shortNamed(service: Service, set: DaemonSet): DaemonSet {
  const { [serviceNameLabel]: name = '', [serviceNamespaceLabel]: namespace = '' } = set.metadata.labels ?? {}
  const matchLabels = { [serviceNameLabel]: name, [serviceNamespaceLabel]: namespace }
  const { containers = [] } = set.spec.template.spec ?? {}
  return {
    ...set,
    metadata: { ...set.metadata, name: shortName(service) },
    spec: {
      selector: { matchLabels },
      template: {
        metadata: { labels: matchLabels },
        spec: {
          nodeSelector: { 'svccontroller.k3s.cattle.io/alias-of': set.metadata.name ?? '' },
          containers: containers.map(({ name, image }) => ({ name, image })),
        },
      },
    },
  }
}
