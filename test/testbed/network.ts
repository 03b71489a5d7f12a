/**
 * A network that several test beds share: a bridge in a namespace of its own, which ends with this process. The bridge's
 * own address, 198.51.100.1, is the default route of all and the machine outside the cluster; nothing leads further.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Output, type RunOptions, run } from './bed.ts'

const script = `
ip link set lo up
ip link add bridge type bridge
ip addr add 198.51.100.1/24 dev bridge
ip addr add 2001:db8:100::1/64 dev bridge nodad
ip link set bridge up
echo ready
exec sleep infinity`

export class Network {
  /** The process that holds the namespace. */
  readonly pid: number
  readonly #holder: ChildProcess

  private constructor(holder: ChildProcess) {
    this.#holder = holder
    this.pid = holder.pid!
  }

  static async create(): Promise<Network> {
    const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--net', 'sh', '-ec', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    holder.stderr!.on('data', data => (stderr += data))
    await new Promise<void>((resolve, reject) => {
      holder.stdout!.once('data', () => resolve())
      holder.once('exit', code => reject(new Error(`no network (exit ${code}): ${stderr}`)))
    })
    return new Network(holder)
  }

  /** The command line that runs `command` at 198.51.100.1, with the files of this machine. */
  enter(command: readonly string[]): [string, string[]] {
    return ['/usr/bin/nsenter', ['--target', String(this.pid), '--net', ...command]]
  }

  run(command: readonly string[], options: RunOptions = {}): Promise<Output> {
    return run(this.enter(command), options)
  }

  /** Starts a long-running program there; it ends with this process at the latest. */
  spawn(command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program, args] = this.enter(['setpriv', '--pdeathsig', 'KILL', ...command])
    return spawn(program, args, options)
  }

  /** To be called after its beds are gone. */
  async destroy(): Promise<void> {
    const ended = once(this.#holder, 'exit')
    if (this.#holder.exitCode === null && this.#holder.kill('SIGKILL')) await ended
  }
}
