/** The contract of built-in modules that run as if they were containers (RuntimeClass `embedded`). */
import type { Client } from '../../client/client.ts'

export interface EmbeddedContext {
  /** command and args of the container, after the module's name. */
  readonly args: readonly string[]
  readonly env: { readonly [name: string]: string }
  readonly pod: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly nodeName: string
    readonly ips: readonly string[]
  }
  /** Acts as the pod's service account. It stops working when the container has ended, by itself or not. */
  readonly client: Client
  /** A certificate for a server of the module's own, signed by nobody but itself. PEM; names and addresses it is for. */
  certificate(names: readonly string[]): { readonly cert: string; readonly key: string }
  /** Where a path inside the container lies on the host, following its volume mounts; the path itself where none is. */
  hostPath(path: string): string
  stdout(text: string): void
  stderr(text: string): void
  /** Aborted for SIGTERM; the module then has the grace period to return. After that, its client no longer works. */
  readonly signal: AbortSignal
  /** Aborted when the container has ended, SIGKILL in other words: whatever the module still does is for nobody. */
  readonly ended?: AbortSignal
}

export interface EmbeddedModule {
  /**
   * Whether it may be a container of an ordinary pod, that is, of anybody's: it does nothing that its client's rights do not
   * allow, and leaves the machine alone.
   */
  readonly guest?: true
  /** Runs until done or aborted; resolves with the exit code. A throw is exit code 1 with the message on stderr. */
  run(context: EmbeddedContext): Promise<number>
}

/** Modules by name; a container's image `embedded/<name>` chooses one. Loaded on first use. */
export type EmbeddedModules = ReadonlyMap<string, () => Promise<EmbeddedModule>>
