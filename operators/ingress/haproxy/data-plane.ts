/** HAProxy as this operator sees it: give it routing, it serves it. One routing is applied at a time, the latest next. */
import type { Model, Problem } from '../model/model.ts'
import type { Settings } from '../settings.ts'
import { inSlices, paced, patience } from '../slices.ts'
import type { Applier, Fault, Outcome } from './applier.ts'
import { type BackendTexts, compile, ownerKey } from './compile.ts'
import type { Surface } from './surface.ts'

export interface DataPlaneOptions {
  readonly applier: Pick<Applier, 'apply' | 'accepts'>
  readonly settings: Settings
  readonly surface: Surface
  readonly log: (line: string) => void
  readonly now: () => number
  /** Called after each routing: what of it could not be served. */
  readonly applied: (model: Model, problems: readonly Problem[], outcome: Outcome) => void
}

/** More objects than this at fault at once, and the rest waits for the next change. */
const attempts = 20

export class DataPlane {
  readonly #options: DataPlaneOptions
  #wanted: Model | undefined
  #working: Promise<void> | undefined
  /** Refused objects in the version that was refused, so that a corrected one gets its chance. */
  readonly #texts: BackendTexts = new Map()
  readonly #refused = new Map<string, { version: string; message: string }>()

  constructor(options: DataPlaneOptions) {
    this.#options = options
  }

  /** Resolves once this routing or a later one is served. */
  serve(model: Model): Promise<void> {
    this.#wanted = model
    this.#working ??= this.#work().finally(() => (this.#working = undefined))
    return this.#working
  }

  /** Resolves when nothing is being applied. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working
  }

  async #work(): Promise<void> {
    let skipped = 0
    while (this.#wanted) {
      const model = this.#wanted
      this.#wanted = undefined
      skipped = (await this.#apply(model, skipped)) === 'skipped' ? skipped + 1 : 0
    }
  }

  /** `skipped`: how many routings before it were given up for newer ones. */
  async #apply(model: Model, skipped: number): Promise<'applied' | 'skipped'> {
    const { applier, settings, surface, log, applied, now } = this.#options
    for (let attempt = 1; ; attempt++) {
      const steps = compile(model, settings, surface, this.#refusals(model), this.#texts)
      const compiled = await inSlices(steps, { now, stale: () => this.#wanted !== undefined && skipped < patience })
      if (!compiled) return 'skipped'
      const { plane, problems } = compiled
      const outcome = await applier.apply(plane)
      if (outcome.type === 'refused') {
        log(`haproxy refuses the configuration: ${outcome.faults[0]?.message}`)
        if ((await this.#blame(model, outcome.faults)) && attempt < attempts) continue
        log('keeping the last good configuration')
      } else if (outcome.type === 'reloaded') log(`serving a new configuration: ${outcome.reason}`)
      applied(model, problems, outcome)
      return 'applied'
    }
  }

  /** Remembers whose fault it is. False when nobody is found. */
  async #blame(model: Model, faults: readonly Fault[]): Promise<boolean> {
    const before = this.#refused.size
    const put = (key: string, message: string) => this.#refused.set(key, { version: versionOf(model, key), message })
    for (const { owner, message } of faults)
      if (owner && !this.#refused.has(ownerKey(owner))) put(ownerKey(owner), message)
    if (this.#refused.size > before) return true
    const keys = [...new Set(model.routers.map(({ owner }) => ownerKey(owner)))].filter(key => !this.#refused.has(key))
    for (const key of await this.#culprits(model, keys, keys)) put(key, faults[0]?.message ?? '')
    return this.#refused.size > before
  }

  /** Halves the objects until those that HAProxy does not accept are left. */
  async #culprits(model: Model, keys: readonly string[], all: readonly string[]): Promise<string[]> {
    const { applier, settings, surface, now } = this.#options
    const others = all.filter(key => !keys.includes(key))
    const refusals = new Map([...this.#refusals(model), ...others.map((key): [string, string] => [key, ''])])
    if (keys.length === 0) return []
    const { plane } = await paced(compile(model, settings, surface, refusals), now)
    if (await applier.accepts(plane)) return []
    if (keys.length === 1) return [...keys]
    const middle = Math.ceil(keys.length / 2)
    return [
      ...(await this.#culprits(model, keys.slice(0, middle), all)),
      ...(await this.#culprits(model, keys.slice(middle), all)),
    ]
  }

  #refusals(model: Model): Map<string, string> {
    const refusals = new Map<string, string>()
    for (const [key, { version, message }] of this.#refused) {
      if (versionOf(model, key) === version) refusals.set(key, message)
      else this.#refused.delete(key)
    }
    return refusals
  }
}

/** Changes with all that an object makes of its routes, middlewares included, but not with endpoints. */
function versionOf(model: Model, key: string): string {
  const mine = model.routers.filter(({ owner }) => ownerKey(owner) === key)
  return JSON.stringify(
    mine.map(router => ({ ...router, owner: undefined })),
    (name, value) => (name === 'endpoints' ? undefined : value),
  )
}
