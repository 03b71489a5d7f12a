/** The allocator where other servers allocate, too: what memory says is free is claimed in the datastore before it is used. */
import { errors } from '../../api/errors.ts'
import type { Draft, KubeObject } from '../../api/object.ts'
import type { ServiceSpec } from '../../api/types.gen.ts'
import type { Clock } from '../../datastore/effects.ts'
import type { Mutable } from '../kinds/kind.ts'
import type { WriteHook } from '../verbs/call.ts'
import { copyOf } from '../verbs/copy.ts'
import type { ServiceAllocator } from './allocator.ts'
import { type Claim, type Claims, claimsOf } from './claims.ts'

const attempts = 16
/** Another server may be about to let go of what was asked for by name. */
const patientAttempts = 5
const patienceMs = 50
const never = new AbortController().signal

export class SharedAllocator implements WriteHook {
  readonly #memory: ServiceAllocator
  readonly #claims: Claims
  readonly #clock: Clock

  constructor(memory: ServiceAllocator, claims: Claims, clock: Clock) {
    this.#memory = memory
    this.#claims = claims
    this.#clock = clock
  }

  async before(draft: Mutable, old: KubeObject | undefined, dryRun: boolean): Promise<() => Promise<void>> {
    const asked = copyOf((draft.spec ?? {}) as object) as Draft<ServiceSpec>
    const named = new Set(claimsOf({ ...(draft as KubeObject), spec: asked }))
    const before = new Set(claimsOf(old))
    const blocked: Claim[] = []
    try {
      for (let attempt = 1; attempt <= attempts; attempt++) {
        draft.spec = copyOf(asked)
        const undo = this.#memory.before(draft, old)
        if (dryRun) return async () => undo()
        const added = [...new Set(claimsOf(draft))].filter(claim => !before.has(claim))
        const taken = await this.#take(added, draft, undo)
        if (taken.length === 0) {
          return async () => {
            undo()
            await this.#claims.release(added)
          }
        }
        const awaited = attempt < patientAttempts ? taken.filter(claim => named.has(claim)) : []
        if (awaited.length > 0) await this.#clock.sleep(patienceMs, never)
        // The next try goes past these, or is refused for them.
        for (const claim of taken) if (!awaited.includes(claim) && this.#memory.block(claim)) blocked.push(claim)
      }
      throw errors.internal('failed to allocate a serviceIP or nodePort: others have taken what was free')
    } finally {
      for (const claim of blocked) this.#memory.unblock(claim)
    }
  }

  /** Those that are another's already; then none is kept, in memory neither. */
  async #take(added: readonly Claim[], draft: Mutable, undo: () => void): Promise<readonly Claim[]> {
    let taken: readonly Claim[] | undefined
    try {
      taken = await this.#claims.take(added, draft)
      return taken
    } finally {
      if (taken?.length !== 0) undo()
    }
  }

  async after(old: KubeObject | undefined, now: KubeObject | undefined): Promise<void> {
    this.#memory.after(old, now)
    const kept = new Set(claimsOf(now))
    await this.#claims.release(claimsOf(old).filter(claim => !kept.has(claim)))
  }
}
