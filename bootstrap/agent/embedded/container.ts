/** One embedded container: a module's run, from created over running to exited. */
import { assertNever } from '../../api/object.ts'
import type { ContainerConfig, RuntimeContainer, RuntimeContainerStatus } from '../runtime.ts'
import { leashed } from './leash.ts'
import { ContainerLog } from './logs.ts'
import type { EmbeddedContext, EmbeddedModule } from './module.ts'

type State =
  | { readonly kind: 'created' }
  | {
      readonly kind: 'running'
      readonly startedAt: number
      readonly stop: AbortController
      readonly ended: Promise<void>
    }
  | {
      readonly kind: 'exited'
      readonly startedAt: number
      readonly finishedAt: number
      readonly exitCode: number
      readonly message: string
    }

export interface EmbeddedContainerDeps {
  readonly load: () => Promise<EmbeddedModule>
  /** Everything of the module's context that the container does not know itself. */
  readonly context: Pick<EmbeddedContext, 'pod' | 'client' | 'certificate'>
  readonly logDirectory: string
  readonly now: () => number
  readonly exited: (id: string, exitCode: number) => void
}

export class EmbeddedContainer {
  readonly id: string
  readonly sandboxId: string
  readonly config: ContainerConfig
  readonly #deps: EmbeddedContainerDeps
  readonly #createdAt: number
  readonly #ended = new AbortController()
  #state: State = { kind: 'created' }

  constructor(id: string, sandboxId: string, config: ContainerConfig, deps: EmbeddedContainerDeps) {
    this.id = id
    this.sandboxId = sandboxId
    this.config = config
    this.#deps = deps
    this.#createdAt = deps.now()
  }

  start(): void {
    if (this.#state.kind !== 'created') throw new Error(`container ${this.id} was started already`)
    const stop = new AbortController()
    const startedAt = this.#deps.now()
    const ended = this.#run(stop.signal).then(({ exitCode, message }) => this.#end(exitCode, message))
    this.#state = { kind: 'running', startedAt, stop, ended }
  }

  /** Asks the module to end; one that does not within the time is cut off from the cluster, as a killed process would be. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.#state.kind !== 'running') return
    const { stop, ended } = this.#state
    stop.abort()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>(resolve => (timer = setTimeout(() => resolve('late'), timeoutMs)))
    if ((await Promise.race([ended, late])) === 'late') this.#end(137, '')
    clearTimeout(timer)
  }

  /** Only the first end counts: a module that was given up on may still return some day. */
  #end(exitCode: number, message: string): void {
    if (this.#state.kind !== 'running') return
    const { startedAt } = this.#state
    this.#state = { kind: 'exited', startedAt, finishedAt: this.#deps.now(), exitCode, message }
    this.#ended.abort()
    this.#deps.exited(this.id, exitCode)
  }

  summary(): RuntimeContainer {
    const { id, sandboxId, config } = this
    return {
      id,
      podSandboxId: sandboxId,
      metadata: config.metadata,
      image: config.image,
      imageRef: config.image.image,
      state: this.#criState(),
      createdAt: this.#createdAt * 1e6,
      labels: config.labels,
      annotations: config.annotations,
    }
  }

  status(): RuntimeContainerStatus {
    const state = this.#state
    const { podSandboxId: _, ...summary } = this.summary()
    const times = {
      startedAt: state.kind === 'created' ? 0 : state.startedAt * 1e6,
      finishedAt: state.kind === 'exited' ? state.finishedAt * 1e6 : 0,
    }
    const exitCode = state.kind === 'exited' ? state.exitCode : 0
    const reason = state.kind !== 'exited' ? '' : exitCode === 0 ? 'Completed' : 'Error'
    const message = state.kind === 'exited' ? state.message : ''
    return {
      ...summary,
      ...times,
      exitCode,
      reason,
      message,
      logPath: `${this.#deps.logDirectory}/${this.config.logPath}`,
    }
  }

  #criState(): RuntimeContainer['state'] {
    const { kind } = this.#state
    switch (kind) {
      case 'created':
        return 'CONTAINER_CREATED'
      case 'running':
        return 'CONTAINER_RUNNING'
      case 'exited':
        return 'CONTAINER_EXITED'
      default:
        return assertNever(kind)
    }
  }

  async #run(signal: AbortSignal): Promise<{ exitCode: number; message: string }> {
    const { config } = this
    const log = new ContainerLog(`${this.#deps.logDirectory}/${config.logPath}`, this.#deps.now)
    const context: EmbeddedContext = {
      ...this.#deps.context,
      client: leashed(this.#deps.context.client, this.#ended.signal),
      args: [...config.command, ...config.args],
      env: Object.fromEntries(config.envs.map(({ key, value }) => [key, Buffer.from(value).toString()])),
      hostPath: path => hostPathOf(config, path),
      stdout: text => log.write('stdout', text),
      stderr: text => log.write('stderr', text),
      signal,
      ended: this.#ended.signal,
    }
    try {
      const module = await this.#deps.load()
      return { exitCode: await module.run(context), message: '' }
    } catch (error) {
      if (signal.aborted) return { exitCode: 143, message: '' }
      const message = (error as Error).message
      log.write('stderr', `${message}\n`)
      return { exitCode: 1, message }
    } finally {
      log.close()
    }
  }
}

/** Follows the volume mounts, the longest matching one first. */
function hostPathOf(config: ContainerConfig, path: string): string {
  const mounts = config.mounts
    .map(({ containerPath, hostPath }) => ({
      at: containerPath.replace(/\/+$/, ''),
      hostPath: hostPath.replace(/\/+$/, ''),
    }))
    .filter(({ at }) => path === at || path.startsWith(`${at}/`))
  const mount = mounts.sort((a, b) => b.at.length - a.at.length)[0]
  return mount ? mount.hostPath + path.slice(mount.at.length) : path
}
