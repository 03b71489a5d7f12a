/** Statuses of GatewayClasses, Gateways and HTTPRoutes, where they differ from what the objects say. */
import type { Service } from '../../../bootstrap/client/resources.ts'
import type { Settings } from '../settings.ts'
import type { StatusUpdate } from '../status-writer.ts'
import type { GatewayResult } from './sources.ts'

export function gatewayStatuses(
  _result: GatewayResult,
  _settings: Settings,
  _service: (name: string | undefined) => Service | undefined,
  _now: number,
): StatusUpdate[] {
  return []
}
