/** The settings as files: read again when they change, the last good ones kept when they are bad. */
import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseConfig, SettingsError, type StorageConfig } from './config.ts'
import { parseHelperPod, type Scripts } from './helper-pod.ts'

export interface Settings {
  readonly config: StorageConfig
  readonly scripts: Scripts
}

/** Told of every change: settings that are used from now on, or what is wrong with those that are not. */
export type SettingsChange = { readonly kind: 'used' } | { readonly kind: 'refused'; readonly problem: string }

const safetyNetMs = 30_000
const settleMs = 100

export class SettingsFiles {
  readonly #configPath: string
  readonly #told: (change: SettingsChange) => void
  #current: Settings | undefined
  #seen = ''
  #problem = 'no valid config available'

  /** The other files lie beside config.json. */
  constructor(configPath: string, told: (change: SettingsChange) => void) {
    this.#configPath = configPath
    this.#told = told
  }

  /** Throws SettingsError while there never were good ones. */
  current(): Settings {
    if (!this.#current) throw new SettingsError(this.#problem)
    return this.#current
  }

  /** Reads now and on every change until the signal aborts. */
  follow(signal: AbortSignal): void {
    this.#refresh()
    let soon: NodeJS.Timeout | undefined
    const changed = () => {
      soon ??= setTimeout(() => {
        soon = undefined
        this.#refresh()
      }, settleMs)
    }
    const watcher = this.#watch(changed)
    const net = setInterval(() => this.#refresh(), safetyNetMs).unref()
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(net)
        clearTimeout(soon)
        watcher?.close()
      },
      { once: true },
    )
  }

  #watch(changed: () => void): FSWatcher | undefined {
    try {
      const watcher = watch(dirname(this.#configPath), changed)
      watcher.on('error', () => {})
      return watcher
    } catch {
      return undefined
    }
  }

  #refresh(): void {
    const folder = dirname(this.#configPath)
    try {
      const text = readFileSync(this.#configPath, 'utf8')
      const [setup, teardown, helperPod] = ['setup', 'teardown', 'helperPod.yaml'].map(name =>
        textOf(join(folder, name)),
      ) as [string, string, string]
      const seen = [text, setup, teardown, helperPod].join('\0')
      if (seen === this.#seen) return
      this.#seen = seen
      const config = parseConfig(text)
      parseHelperPod(helperPod)
      this.#current = { config, scripts: { setup, teardown, helperPod } }
      this.#told({ kind: 'used' })
    } catch (error) {
      const problem =
        error instanceof SettingsError ? error.message : `cannot read the settings: ${(error as Error).message}`
      if (!(error instanceof SettingsError) && this.#problem === problem) return
      this.#problem = problem
      this.#told({ kind: 'refused', problem })
    }
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new SettingsError(`cannot read ${path.split('/').at(-1)}: ${(error as NodeJS.ErrnoException).code}`)
  }
}
