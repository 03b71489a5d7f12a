/** The wireguard-native backend (flannel-io/flannel pkg/backend/wireguard). */
import type { Backend, BackendDeps } from './backend.ts'

export function wireguard(_deps: BackendDeps): Backend {
  throw new Error('--flannel-backend=wireguard-native is not supported by this version yet')
}
