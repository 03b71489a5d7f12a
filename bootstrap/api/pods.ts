/** What a Pod says of itself. */
import type { Pod } from './types.gen.ts'

/** All containers have ended for good. */
export function isTerminal({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}
