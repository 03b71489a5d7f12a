/** How a Job renders charts. */
import { randomBytes } from 'node:crypto'
import { systemClock } from '../../../bootstrap/client/clock.ts'
import type { Logger } from '../../runtime/operator.ts'
import { validateValues } from '../chart/schema/validate.ts'
import type { EngineOptions } from '../release/engine.ts'
import { render } from '../render/render.ts'

export function renderer(log: Pick<Logger, 'warn'>): EngineOptions['render'] {
  const effects = {
    now: () => systemClock.now(),
    randomBytes,
    warn: (text: string) => log.warn({}, text),
    validate: validateValues,
  }
  return async (request, lookup) => render(request, lookup, effects)
}
