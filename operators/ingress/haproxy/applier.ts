/**
 * Brings the running HAProxy to the plane that is wanted, by the smallest step that does. Wishes that come while a step
 * is under way are merged: only the latest counts. A configuration that HAProxy refuses never replaces one that serves.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assertNever } from '../../../bootstrap/api/object.ts'
import type { Owner } from '../model/model.ts'
import { diff } from './diff.ts'
import { configName, promote, updatePlane, writePlane } from './files.ts'
import type { Plane, Slots } from './plane.ts'
import { assignAll } from './slots.ts'
import { runCommands, runMapChanges, type Send } from './socket.ts'
import type { Checked } from './supervisor.ts'

export interface ApplierOptions {
  /** Where `current` and `next` are. */
  readonly folder: string
  readonly send: Send
  readonly load: () => Promise<void>
  readonly check: (config: string) => Promise<Checked>
  readonly log: (line: string) => void
  readonly now: () => number
}

/** What the running process serves. */
type State =
  | { readonly type: 'nothing' }
  /** Files of an earlier life serve; what is in them is not known. */
  | { readonly type: 'inherited' }
  | { readonly type: 'serving'; readonly plane: Plane; readonly slots: Slots }

export type Outcome =
  | { readonly type: 'unchanged' }
  | { readonly type: 'patched' }
  | { readonly type: 'reloaded'; readonly reason: string }
  /** Nothing has changed. */
  | { readonly type: 'refused'; readonly faults: readonly Fault[] }

/** Whether every address the configuration listens at is one of these: a pod that starts again may have another. */
function listensAt(config: string, addresses: readonly string[]): boolean {
  const bound = Array.from(config.matchAll(/^\s*bind (\S+):\d+/gm), ([, host = '']) => host.replace(/^\[|\]$/g, ''))
  return bound.length > 0 && bound.every(host => addresses.includes(host))
}

/** What HAProxy does not accept, and whose it is where that is known. */
export interface Fault {
  readonly owner: Owner | undefined
  readonly message: string
}

export class Applier {
  readonly #options: ApplierOptions
  #state: State = { type: 'nothing' }
  reloads = 0
  patches = 0

  constructor(options: ApplierOptions) {
    this.#options = options
  }

  get serving(): boolean {
    return this.#state.type !== 'nothing'
  }

  /** Serves what was last good in an earlier life, if there is such a thing, and that life had one of these addresses. */
  async inherit(addresses: readonly string[]): Promise<boolean> {
    const { folder, check, load } = this.#options
    const config = join(folder, 'current', configName)
    const text = await readFile(config, 'utf8').catch(() => '')
    if (!listensAt(text, addresses)) return false
    const checked = await check(config).catch(() => undefined)
    if (!checked?.ok) return false
    await load()
    this.#state = { type: 'inherited' }
    return true
  }

  /** Not to be called again before it has resolved. */
  async apply(plane: Plane): Promise<Outcome> {
    const state = this.#state
    switch (state.type) {
      case 'nothing':
      case 'inherited':
        return await this.#reload(plane, undefined, 'first configuration')
      case 'serving':
        return await this.#step(state.plane, state.slots, plane)
      default:
        return assertNever(state)
    }
  }

  async #step(before: Plane, slots: Slots, plane: Plane): Promise<Outcome> {
    const change = diff(before, slots, plane)
    switch (change.type) {
      case 'none':
        this.#state = { type: 'serving', plane, slots }
        return { type: 'unchanged' }
      case 'reload':
        return await this.#reload(plane, slots, change.reason)
      case 'patch': {
        const { send, folder, log, now } = this.#options
        try {
          await runCommands(send, change.commands)
          await runMapChanges(send, change.maps)
        } catch (error) {
          log(`changing the running process failed, reloading instead: ${(error as Error).message}`)
          return await this.#reload(plane, slots, 'a command failed')
        }
        const next = assignAll(plane, slots)
        this.patches++
        this.#state = { type: 'serving', plane, slots: next }
        await updatePlane(join(folder, 'current'), before, plane, next, now)
        return { type: 'patched' }
      }
      default:
        return assertNever(change)
    }
  }

  async #reload(plane: Plane, before: Slots | undefined, reason: string): Promise<Outcome> {
    const { folder, load } = this.#options
    const slots = assignAll(plane, before)
    const next = join(folder, 'next')
    const faults = await this.#faults(next, plane, slots)
    if (faults.length > 0) return { type: 'refused', faults }
    await promote(next, join(folder, 'current'))
    await load()
    this.reloads++
    this.#state = { type: 'serving', plane, slots }
    return { type: 'reloaded', reason }
  }

  /** Whether HAProxy would accept it; nothing is changed. */
  async accepts(plane: Plane): Promise<boolean> {
    return (await this.#faults(join(this.#options.folder, 'trial'), plane, assignAll(plane, undefined))).length === 0
  }

  async #faults(folder: string, plane: Plane, slots: Slots): Promise<Fault[]> {
    const rendered = await writePlane(folder, plane, slots, this.#options.now)
    const { ok, faults } = await this.#options.check(join(folder, configName))
    if (ok) return []
    const known = faults.map(({ line, message }) => ({
      owner: line === undefined ? undefined : rendered.ownerOf(line),
      message,
    }))
    return known.length > 0 ? known : [{ owner: undefined, message: 'no reason given' }]
  }
}
