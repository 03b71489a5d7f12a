/** The settings in use: the last good ones, from files beside each other or from the ConfigMap itself. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Informers } from '../../bootstrap/client/informer.ts'
import { type ConfigMap, configMaps } from '../../bootstrap/client/resources.ts'
import { watchFolders } from '../runtime/watch-folders.ts'
import { parseConfig, SettingsError, type StorageConfig } from './config.ts'
import { parseHelperPod, type Scripts } from './helper-pod.ts'

export interface Settings {
  readonly config: StorageConfig
  readonly scripts: Scripts
}

/** Told of every change: settings that are used from now on, or what is wrong with those that are not. */
export type SettingsChange = { readonly kind: 'used' } | { readonly kind: 'refused'; readonly problem: string }

const keys = ['config.json', 'setup', 'teardown', 'helperPod.yaml'] as const
type Key = (typeof keys)[number]

const safetyNetMs = 30_000
const settleMs = 100

export class SettingsKeeper {
  readonly #told: (change: SettingsChange) => void
  #current: Settings | undefined
  #seen = ''
  #problem = 'no valid config available'

  constructor(told: (change: SettingsChange) => void) {
    this.#told = told
  }

  /** Throws SettingsError while there never were good ones. */
  current(): Settings {
    if (!this.#current) throw new SettingsError(this.#problem)
    return this.#current
  }

  /** Takes up what `read` gives for each key (or throws about), if it is another text than the last time. */
  offer(read: (key: Key) => string): void {
    try {
      const [config, setup, teardown, helperPod] = keys.map(read) as [string, string, string, string]
      const seen = [config, setup, teardown, helperPod].join('\0')
      if (seen === this.#seen) return
      this.#seen = seen
      const parsed = parseConfig(config)
      parseHelperPod(helperPod)
      this.#current = { config: parsed, scripts: { setup, teardown, helperPod } }
      this.#problem = ''
      this.#told({ kind: 'used' })
    } catch (error) {
      const consequence = this.#current ? 'the last good settings stay' : 'there are none yet'
      const problem = `${(error as Error).message} (${consequence})`
      // What cannot be read at all is looked for again and again, and said once.
      const again = problem === this.#problem
      this.#problem = problem
      if (!again) this.#told({ kind: 'refused', problem })
    }
  }
}

/** Follows config.json and the files beside it until the signal aborts. */
export function followFiles(keeper: SettingsKeeper, configPath: string, signal: AbortSignal): void {
  const folder = dirname(configPath)
  const look = () => keeper.offer(key => textOf(key === 'config.json' ? configPath : join(folder, key)))
  look()
  watchFolders([folder], settleMs, look, signal)
  if (signal.aborted) return
  const net = setInterval(look, safetyNetMs).unref()
  signal.addEventListener('abort', () => clearInterval(net), { once: true })
}

/** Follows the ConfigMap over the API, for a provisioner that runs outside of its pod. */
export function followConfigMap(keeper: SettingsKeeper, informers: Informers, namespace: string, name: string): void {
  const offer = ({ data = {} }: ConfigMap) =>
    keeper.offer(key => {
      const text = data[key]
      if (text === undefined) throw new SettingsError(`the ConfigMap ${namespace}/${name} has no ${key}`)
      return text
    })
  const ours = ({ metadata }: ConfigMap) => metadata.namespace === namespace
  informers.get(configMaps, { fieldSelector: `metadata.name=${name}` }).subscribe({
    added: map => void (ours(map) && offer(map)),
    updated: map => void (ours(map) && offer(map)),
  })
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new SettingsError(`cannot read ${path.split('/').at(-1)}: ${(error as NodeJS.ErrnoException).code}`)
  }
}
