/** Database servers as children of a test: own folder, own user, own port; nothing is left of them. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../effects.ts'

/** The machine's time, for what waits for real servers. */
export const realClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, { signal, ref: false })
  },
}

export const silent = { info: () => undefined, warn: () => undefined }

export interface User {
  readonly uid?: number
  readonly gid?: number
}

/** Who the server runs as: `name` for root, who may not run it; ourselves otherwise. */
export function userFor(name: string): User {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** A new folder that `user` owns. */
export async function folderFor(prefix: string, { uid, gid }: User): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), prefix))
  if (uid !== undefined && gid !== undefined) await chown(dir, uid, gid)
  return dir
}

/** A program that is started, killed and started again, until its folder goes. */
export class ServerProcess {
  readonly dir: string
  readonly #start: () => readonly [program: string, args: readonly string[]]
  readonly #user: User
  readonly #ready: () => Promise<void>
  #child: ChildProcess | undefined
  #output = ''

  constructor(
    dir: string,
    user: User,
    start: () => readonly [program: string, args: readonly string[]],
    ready: () => Promise<void>,
  ) {
    this.dir = dir
    this.#user = user
    this.#start = start
    this.#ready = ready
  }

  get pid(): number {
    return this.#child!.pid!
  }

  /** Resolves once it answers. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const [program, args] = this.#start()
      this.#output = ''
      // It ends with the test, however that ends.
      const withUs = ['--pdeathsig', 'KILL', program, ...args]
      const child = spawn('setpriv', withUs, { ...this.#user, cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'] })
      this.#child = child
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (text: Buffer) => {
          this.#output += String(text)
        })
      if (await this.#answers(child)) return
      // What a killed server left behind may still be ending.
      if (attempt === 5) throw new Error(`${program} does not start:\n${this.#output.slice(-2000)}`)
      await sleep(200)
    }
  }

  /** Ends it by a signal and waits for its end. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  /** Stops it, with its children, where they are, or lets them go on. */
  freeze(frozen: boolean, pids: readonly number[] = this.#family()): void {
    for (const pid of pids) process.kill(pid, frozen ? 'SIGSTOP' : 'SIGCONT')
  }

  #family(): readonly number[] {
    const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8')
    return [this.pid, ...children.split(' ').filter(Boolean).map(Number)]
  }

  async destroy(): Promise<void> {
    await this.stop('SIGKILL')
    await rm(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }

  async #answers(child: ChildProcess): Promise<boolean> {
    for (let tries = 0; tries < 300 && child.exitCode === null && child.signalCode === null; tries++) {
      try {
        await this.#ready()
        return true
      } catch {
        await sleep(50)
      }
    }
    return false
  }
}
