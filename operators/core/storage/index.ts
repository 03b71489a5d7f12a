import type { Operator } from '../../runtime/operator.ts'
import { volumeBinder } from './binder.ts'
import { ephemeralVolumes } from './ephemeral.ts'
import { attributesClassProtection, claimProtection, volumeProtection } from './protection.ts'
import { volumePhase } from './volume-phase.ts'

export const storageOperators: readonly Operator[] = [
  volumeBinder,
  volumePhase,
  claimProtection,
  volumeProtection,
  attributesClassProtection,
  ephemeralVolumes,
]
