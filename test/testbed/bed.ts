/** A machine of its own inside this one: namespaces, cgroups and file layers that leave nothing behind. See bed.sh. */
import { type ChildProcess, execFile, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Network } from './network.ts'

/** Whether this machine can hold test beds: root, containerd and the tools of `make setup`. */
export const canRunClusters = process.getuid?.() === 0 && spawnSync('containerd', ['--version']).status === 0

/** Whether beds can have systemd as their first process. */
export const canRunSystemd = canRunClusters && existsSync('/lib/systemd/systemd')

export interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Written to standard input. */
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
  /** Ends the command; 60 s unless told. */
  readonly timeoutMs?: number
}

export interface BedOptions {
  /** The network it is attached to, and its place there: 198.51.100.HOST. Without, it is alone at 198.51.100.10. */
  readonly network?: { readonly network: Network; readonly host: number }
  /** Its host name; that of its cgroups unless told. */
  readonly hostname?: string
  /** Its first process is systemd, for services that are installed on it. */
  readonly systemd?: boolean
}

const prefix = 'skiff-bed-'
let count = 0

export class Bed {
  /** The name of its cgroups and, unless told otherwise, its host name. */
  readonly name: string
  readonly hostname: string
  readonly address: string
  /** Its state on this machine's disk: data/ kubelet/ pods/ containers/ cni/ rancher/ layers/. */
  readonly dir: string
  readonly network: Network | undefined
  readonly #host: number
  readonly #systemd: boolean
  #holder!: ChildProcess
  #pid = ''
  #outside = ''

  private constructor(name: string, dir: string, { hostname, network, systemd = false }: BedOptions) {
    this.name = name
    this.dir = dir
    this.hostname = hostname ?? name
    this.network = network?.network
    this.#host = network?.host ?? 10
    this.#systemd = systemd
    this.address = `198.51.100.${this.#host}`
  }

  /** Makes the machine; removes those whose maker was killed first. */
  static async create(options: BedOptions = {}): Promise<Bed> {
    sweep()
    const name = `${prefix}${process.pid}-${++count}`
    const dir = mkdtempSync(join(tmpdir(), `${name}-`))
    mkdirSync(join(dir, 'home'))
    const bed = new Bed(name, dir, options)
    await bed.#boot()
    return bed
  }

  /** Its first process, as this machine numbers it. */
  get pid(): string {
    return this.#pid
  }

  /** The name of its port on the network's bridge. */
  get port(): string {
    return `port${this.#host}`
  }

  async #boot(): Promise<void> {
    const isolate = ['--mount', '--propagation', 'private', '--net', '--uts', '--pid', '--fork', '--kill-child']
    const script = join(import.meta.dirname, 'bed.sh')
    const place = this.network ? [String(this.#host), String(this.network.pid)] : []
    const command = ['unshare', ...isolate, script, this.name, this.dir, this.hostname, ...place]
    const holder = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(this.#systemd ? { INIT: 'systemd' } : {}) },
    })
    let stderr = ''
    holder.stderr!.on('data', data => (stderr += data))
    const pids = await new Promise<string>((resolve, reject) => {
      holder.stdout!.once('data', data => resolve(String(data).trim()))
      holder.once('exit', code => reject(new Error(`no test bed (exit ${code}): ${stderr}`)))
    })
    this.#holder = holder
    ;[this.#pid, this.#outside] = pids.split(' ') as [string, string]
  }

  /** Power off and on again: everything ends without warning, what is on disk stays. */
  async reboot(): Promise<void> {
    await this.powerOff()
    await this.powerOn()
  }

  powerOn(): Promise<void> {
    return this.#boot()
  }

  /** The command line that runs `command` inside, e.g. to look around by hand. */
  enter(command: readonly string[], net = '--net'): [string, string[]] {
    return ['/usr/bin/nsenter', ['--target', this.#pid, '--mount', net, '--uts', '--pid', '--cgroup', ...command]]
  }

  /** Runs a command inside as the node would; never throws for its exit code. */
  run(command: readonly string[], options: RunOptions = {}): Promise<Output> {
    return run(this.enter(command), { ...options, env: this.#environment(options.env) })
  }

  /** Starts a long-running command inside; it ends when the process returned here is killed. */
  spawn(command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program, args] = this.enter(['setpriv', '--pdeathsig', 'KILL', ...command])
    return spawn(program, args, { ...options, env: this.#environment(options.env) })
  }

  /** Runs a command on the external client's machine, 198.51.100.1. */
  runOutside(command: readonly string[], options: RunOptions = {}): Promise<Output> {
    return run(this.#enterOutside(command), { ...options, env: this.#environment(options.env) })
  }

  /** Starts a long-running command on the external client's machine. */
  spawnOutside(command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program, args] = this.#enterOutside(['setpriv', '--pdeathsig', 'KILL', ...command])
    return spawn(program, args, { ...options, env: this.#environment(options.env) })
  }

  #enterOutside(command: readonly string[]): [string, string[]] {
    return this.network
      ? this.enter(command, `--net=/proc/${this.network.pid}/ns/net`)
      : this.enter(['nsenter', `--net=/proc/${this.#outside}/ns/net`, ...command])
  }

  /** Ends everything inside and removes every trace. */
  async destroy(): Promise<void> {
    await this.powerOff()
    removeTraces(this.name, this.dir)
  }

  /** Everything ends without warning; what is on disk stays. */
  async powerOff(): Promise<void> {
    const ended = new Promise(resolve => this.#holder.once('exit', resolve))
    if (this.#holder.exitCode === null && this.#holder.kill('SIGKILL')) await ended
    await untilGone(this.#pid)
    for (const cgroup of cgroups(this.name)) removeCgroup(cgroup)
  }

  /** Neither the user's kubectl cache nor their kubeconfig counts inside. */
  #environment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const { KUBECONFIG: _, ...inherited } = process.env
    return { ...inherited, HOME: join(this.dir, 'home'), ...env }
  }
}

/** Runs a program to its end; a failure to start it is thrown. */
export function run([program, args]: readonly [string, readonly string[]], options: RunOptions = {}): Promise<Output> {
  return new Promise((resolve, reject) => {
    const settings = { timeout: options.timeoutMs ?? 60_000, maxBuffer: 64 << 20, env: options.env }
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      if (error && typeof error.code === 'string') return reject(error)
      resolve({ code: error ? (typeof error.code === 'number' ? error.code : 137) : 0, stdout, stderr })
    })
    child.stdin!.on('error', () => undefined) // it may end without reading
    child.stdin!.end(options.input ?? '')
  })
}

/** What is left of test beds on this machine: processes, cgroups, folders, mounts. */
export function tracesOf(name: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(line => line.includes(name))
  const processes = readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && cgroupOf(pid).includes(name))
  return [...mounts, ...processes.map(pid => `process ${pid}`), ...cgroups(name), ...folders(name)]
}

function cgroupOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  } catch {
    return ''
  }
}

/** A killed pid namespace is gone, with all its processes, once its first process is. */
async function untilGone(pid: string): Promise<void> {
  while (cgroupOf(pid) !== '') await new Promise(resolve => setTimeout(resolve, 10))
}

function hierarchies(): string[] {
  const table = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return table.filter(line => / - cgroup2? /.test(line)).map(line => line.split(' ')[4]!)
}

function cgroups(name: string): string[] {
  return hierarchies().flatMap(root => entriesOf(root, name))
}

function folders(name: string): string[] {
  return entriesOf(tmpdir(), name)
}

/** Paths in `folder` that belong to the bed `name`, or to every bed for the prefix. */
function entriesOf(folder: string, name: string): string[] {
  const start = name.endsWith('-') ? name : `${name}-`
  return readdirSync(folder)
    .filter(entry => entry === name || entry.startsWith(start))
    .map(entry => join(folder, entry))
}

function removeTraces(name: string, dir: string): void {
  for (const cgroup of cgroups(name)) removeCgroup(cgroup)
  rmSync(dir, { recursive: true, force: true })
}

function removeCgroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeCgroup(join(path, entry.name))
  rmdirSync(path)
}

/** Removes what beds of killed test runs left; their processes ended with them. */
function sweep(): void {
  for (const path of [...cgroups(prefix), ...folders(prefix)]) {
    const maker = new RegExp(`${prefix}(\\d+)-`).exec(path)?.[1]
    if (maker === undefined || cgroupOf(maker) !== '') continue
    if (path.startsWith(tmpdir())) rmSync(path, { recursive: true, force: true })
    else removeCgroup(path)
  }
}
