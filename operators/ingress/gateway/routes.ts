/** HTTPRoutes of our Gateways as routers. */
import type { Sources } from '../sources.ts'
import type { GatewayResult, GatewaySources } from './sources.ts'

export function translateHttpRoutes(_: GatewaySources, __: Sources): GatewayResult {
  return { routers: [], certificates: [], classes: [], gateways: [], routes: [] }
}
