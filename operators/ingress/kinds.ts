/** Resources of Traefik's and the Gateway API's groups. */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Resource } from '../../bootstrap/client/client.ts'
import type * as gateway from './gateway/types.ts'
import type * as traefik from './traefik/types.ts'

const ofTraefik = <T extends KubeObject>(resource: string, kind: string): Resource<T> => ({
  group: 'traefik.io',
  version: 'v1alpha1',
  resource,
  kind,
  namespaced: true,
})

export const ingressRoutes = ofTraefik<traefik.IngressRoute>('ingressroutes', 'IngressRoute')
export const ingressRouteTcps = ofTraefik<traefik.IngressRouteTcp>('ingressroutetcps', 'IngressRouteTCP')
export const ingressRouteUdps = ofTraefik<KubeObject>('ingressrouteudps', 'IngressRouteUDP')
export const middlewares = ofTraefik<traefik.Middleware>('middlewares', 'Middleware')
export const middlewareTcps = ofTraefik<KubeObject>('middlewaretcps', 'MiddlewareTCP')
export const serversTransportTcps = ofTraefik<KubeObject>('serverstransporttcps', 'ServersTransportTCP')
export const traefikServices = ofTraefik<traefik.TraefikService>('traefikservices', 'TraefikService')
export const tlsOptions = ofTraefik<traefik.TlsOption>('tlsoptions', 'TLSOption')
export const tlsStores = ofTraefik<traefik.TlsStore>('tlsstores', 'TLSStore')
export const serversTransports = ofTraefik<traefik.ServersTransport>('serverstransports', 'ServersTransport')

const ofGateway = <T extends KubeObject>(
  resource: string,
  kind: string,
  namespaced: boolean,
  version = 'v1',
): Resource<T> => ({ group: 'gateway.networking.k8s.io', version, resource, kind, namespaced })

export const gatewayClasses = ofGateway<gateway.GatewayClass>('gatewayclasses', 'GatewayClass', false)
export const gateways = ofGateway<gateway.Gateway>('gateways', 'Gateway', true)
export const httpRoutes = ofGateway<gateway.HttpRoute>('httproutes', 'HTTPRoute', true)
export const referenceGrants = ofGateway<gateway.ReferenceGrant>('referencegrants', 'ReferenceGrant', true, 'v1beta1')
