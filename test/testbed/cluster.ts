/**
 * A cluster for a test: `skiff server` on a machine of its own (bed.ts), driven by kubectl as a user drives it. The node is
 * 198.51.100.10; an external client lives at 198.51.100.1. Several can exist at once; destroy() leaves nothing behind.
 * It runs what `node scripts/build.ts` has built last. nodes.ts makes clusters of several machines.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Bed, type Output, type RunOptions } from './bed.ts'
import { writeImages } from './images.ts'
import { kubectls, newestKubectl } from './tools.ts'

export { canRunClusters, tracesOf } from './bed.ts'

export const nodeAddress = '198.51.100.10'
export const outsideAddress = '198.51.100.1'

export interface ClusterOptions {
  /** Further flags of `skiff server`. */
  readonly flags?: readonly string[]
  /** A folder whose programs come first, e.g. that of another containerd. */
  readonly path?: string
  /** Only the API: no node, so nothing to wait for but the API. */
  readonly disableAgent?: boolean
  /** The packaged ingress, which takes ports 80 and 443 of the node; off unless told. */
  readonly traefik?: boolean
  /** Files in server/manifests before the start. */
  readonly manifests?: { readonly [file: string]: string }
  /** Variables of the process. */
  readonly env?: NodeJS.ProcessEnv
  /** A machine of one's own making; a new one unless told. */
  readonly bed?: Bed
  /** Runs `skiff agent` instead, with its flags; what asks the API asks this server. */
  readonly agentOf?: Cluster
  /** The program to run, e.g. a release file (release.ts); that of the source tree unless told. */
  readonly program?: string
  /** Runs it as a service does that starts it again, so many seconds after it has ended: 5 in K3s' unit. Once, unless told. */
  readonly restartSeconds?: number
  /** Where the processes' stderr goes besides, as it comes. */
  readonly logFile?: string
}

export interface KubectlOptions extends RunOptions {
  /** "1.27" or the path of a kubectl; the newest at hand unless told. */
  readonly kubectl?: string
}

const skiff = join(import.meta.dirname, '../../bin/skiff')
const serviceScript = join(import.meta.dirname, 'service.sh')
const upMessage = 'skiff is up and running'
const stopLimitMs = 5000
/** The server's processes count in the machine's cgroups, as on a machine that boots them. */
const asService = [
  'for procs in /sys/fs/cgroup/init/cgroup.procs /sys/fs/cgroup/*/init/cgroup.procs; do',
  '[ ! -f "$procs" ] || echo 0 >"$procs"; done; echo $$ >&3; exec 3>&-; exec "$@"',
].join(' ')

/** A server with its images imported and, unless it has no agent, its node Ready. Throws with the log when it does not start. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const bed = options.bed ?? (await Bed.create())
  const cluster = new Cluster(bed, options)
  try {
    mkdirSync(cluster.file('agent/images'), { recursive: true })
    if (!options.agentOf) mkdirSync(cluster.file('server/manifests'), { recursive: true })
    if (!options.disableAgent) await writeImages(cluster.file('agent/images'))
    for (const [name, text] of Object.entries(options.manifests ?? {})) cluster.writeManifest(name, text)
    await cluster.restart()
    return cluster
  } catch (error) {
    await cluster.destroy()
    throw error
  }
}

export class Cluster {
  readonly bed: Bed
  readonly #options: ClusterOptions
  #server: ChildProcess | undefined
  #pid = ''
  #log = ''
  #ended: Promise<string> = Promise.resolve('nothing has been started')

  constructor(bed: Bed, options: ClusterOptions) {
    this.bed = bed
    this.#options = options
  }

  get #program(): string {
    return this.#options.program ?? skiff
  }

  get nodeName(): string {
    return this.bed.hostname
  }

  /** A path below the data-dir. */
  file(path: string): string {
    return join(this.bed.dir, 'data', path)
  }

  /** Drops or replaces a file in server/manifests. */
  writeManifest(name: string, text: string): void {
    writeFileSync(this.file(`server/manifests/${name}`), text)
  }

  /** The administrator's kubeconfig, for clients run inside. */
  kubeconfig(): string {
    return readFileSync(join(this.bed.dir, 'rancher/k3s/k3s.yaml'), 'utf8')
  }

  /** The servers' stderr since the cluster was made. */
  logs(): string {
    return this.#log
  }

  /** Starts the server again (or for the first time) on the same machine and data-dir; resolves when its node is Ready. */
  async restart(): Promise<void> {
    const { disableAgent = false } = this.#options
    const { up, ended } = this.launch()
    await Promise.race([up, ended.then(message => Promise.reject(new Error(message)))])
    if (!disableAgent) await this.waitFor(`--for=condition=Ready node/${this.nodeName}`)
  }

  /**
   * Starts the process and waits for nothing. `up`: it says that it runs (an agent: at once, it says nothing of the kind);
   * `ended`: what to say of its end, when it ends.
   */
  launch(): { readonly up: Promise<void>; readonly ended: Promise<string> } {
    const server = this.#spawn(this.#arguments())
    this.#server = server
    const from = this.#log.length
    server.stdio[3]!.on('data', data => (this.#pid += data))
    this.#pid = ''
    const up = new Promise<void>(resolve => {
      if (this.#options.agentOf) resolve()
      server.stderr!.on('data', data => {
        this.#log += data
        if (this.#options.logFile !== undefined) appendFileSync(this.#options.logFile, data)
        if (this.#log.includes(upMessage, from)) resolve()
      })
    })
    const ended = once(server, 'exit').then(
      ([code, signal]) =>
        `the process on ${this.nodeName} ended with ${code ?? signal}: ${this.#log.slice(from).slice(-3000)}`,
    )
    this.#ended = ended
    return { up, ended }
  }

  /** Resolves when what was launched last has ended, with what to say of it. */
  get ended(): Promise<string> {
    return this.#ended
  }

  #arguments(): string[] {
    const { flags = [], disableAgent = false, traefik = false, agentOf } = this.#options
    if (agentOf) return ['agent', '--data-dir', this.file(''), ...flags]
    const off = [...(disableAgent ? ['--disable-agent'] : []), ...(traefik ? [] : ['--disable', 'traefik'])]
    return ['server', '--data-dir', this.file(''), ...off, ...flags]
  }

  #spawn(args: readonly string[]): ChildProcess {
    const { path, env, restartSeconds } = this.#options
    const service = restartSeconds === undefined ? [] : [serviceScript, String(restartSeconds)]
    return this.bed.spawn(['sh', '-c', asService, 'sh', ...service, this.#program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...env, ...(path === undefined ? {} : { PATH: `${path}:${process.env.PATH}` }) },
    })
  }

  /** The process, as its machine numbers it. */
  get pid(): string {
    return this.#pid.trim()
  }

  /** Runs `skiff` with other arguments on the cluster's machine. */
  skiff(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    return this.bed.run([this.#program, ...args], options)
  }

  /** Asks the server to end; resolves with the milliseconds it took. Throws when it takes over 5 s or fails. */
  async stopServer(): Promise<number> {
    const asked = performance.now()
    const [code] = await this.#end('TERM')
    const ms = performance.now() - asked
    if (ms > stopLimitMs || code !== 0)
      throw new Error(`the server took ${Math.round(ms)} ms to end, with ${code}: ${this.#log.slice(-2000)}`)
    return ms
  }

  /** Ends the server without warning. */
  async kill9(): Promise<void> {
    await this.#end('KILL')
  }

  /** The machine loses power and starts again, and so does the server. */
  async reboot(): Promise<void> {
    await this.powerOff()
    await this.bed.powerOn()
    await this.restart()
  }

  async powerOff(): Promise<void> {
    this.#server = undefined
    await this.bed.powerOff()
  }

  async #end(signal: string): Promise<[code: number | null, signal: string | null]> {
    const server = this.#server
    if (!server) throw new Error('no server runs')
    this.#server = undefined
    const ended = once(server, 'exit') as Promise<[number | null, string | null]>
    await this.exec(['kill', `-${signal}`, this.pid])
    return ended
  }

  /** Runs a command on the node; resolves with its standard output. Throws when it fails. */
  async exec(command: readonly string[], options: RunOptions = {}): Promise<string> {
    return succeeded(command, await this.bed.run(command, options))
  }

  /** Runs a command on the external client's machine; resolves with its standard output. Throws when it fails. */
  async fromOutside(command: readonly string[], options: RunOptions = {}): Promise<string> {
    return succeeded(command, await this.bed.runOutside(command, options))
  }

  /** kubectl's standard output. A text is split at spaces. Throws with its standard error when it fails. */
  async kubectl(args: string | readonly string[], options: KubectlOptions = {}): Promise<string> {
    return succeeded(['kubectl', ...words(args)], await this.tryKubectl(args, options))
  }

  /** kubectl with whatever comes of it. */
  tryKubectl(args: string | readonly string[], options: KubectlOptions = {}): Promise<Output> {
    if (this.#options.agentOf) return this.#options.agentOf.tryKubectl(args, options)
    const { env, ...rest } = options
    const full = this.kubectlCommand(args, options)
    return this.bed.run(full, { ...rest, env: { ...this.#kubectlEnvironment(), ...env } })
  }

  /** A kubectl that runs on: logs -f, port-forward, watch. */
  spawnKubectl(args: string | readonly string[], options: KubectlOptions = {}, spawn: SpawnOptions = {}): ChildProcess {
    return this.bed.spawn(this.kubectlCommand(args, options), { env: this.#kubectlEnvironment(), ...spawn })
  }

  kubectlCommand(args: string | readonly string[], { kubectl }: KubectlOptions): string[] {
    return [kubectl === undefined ? newestKubectl() : (kubectls().get(kubectl) ?? kubectl), ...words(args)]
  }

  #kubectlEnvironment(): NodeJS.ProcessEnv {
    return { KUBECONFIG: '/etc/rancher/k3s/k3s.yaml' }
  }

  apply(yaml: string, options: KubectlOptions = {}): Promise<string> {
    return this.kubectl('apply -f -', { ...options, input: yaml })
  }

  /** One object, or a list, as JSON: `get('pods -n x')`. */
  async get<T>(args: string): Promise<T> {
    return JSON.parse(await this.kubectl(['get', ...words(args), '-o', 'json'])) as T
  }

  /**
   * `kubectl wait` in its own words, e.g. "--for=condition=Ready pod/a -n x"; waits for the object to appear first. Throws
   * with the cluster's state after 60 s.
   */
  async waitFor(condition: string, timeoutSeconds = 60): Promise<void> {
    const subject = words(condition).filter(word => !word.startsWith('--for'))
    const wait = (goal: string[]) =>
      this.tryKubectl(['wait', ...goal, `--timeout=${timeoutSeconds}s`], { timeoutMs: 600_000 })
    const isDeletion = condition.includes('--for=delete')
    const appeared = isDeletion || condition.includes('-l ') ? undefined : await wait(['--for=create', ...subject])
    const result = appeared && appeared.code !== 0 ? appeared : await wait(words(condition))
    if (result.code !== 0) throw new Error(`kubectl wait ${condition}: ${result.stderr}\n${await this.describe()}`)
  }

  /** Repeats `attempt` until it passes; for what the API cannot be watched for. Throws its last error after the time. */
  async eventually<T>(attempt: () => Promise<T>, timeoutSeconds = 30, everyMs = 100): Promise<T> {
    const deadline = performance.now() + timeoutSeconds * 1000
    for (;;) {
      try {
        return await attempt()
      } catch (error) {
        if (performance.now() > deadline) throw error
        await new Promise(resolve => setTimeout(resolve, everyMs))
      }
    }
  }

  /** The cluster's state as text, for messages of failed tests. */
  async describe(): Promise<string> {
    const parts = ['get nodes,pods -A -o wide', 'get events -A --sort-by=.lastTimestamp']
    const texts = await Promise.all(parts.map(part => this.tryKubectl(part)))
    return [...texts.map(text => text.stdout.slice(-6000)), this.#log.slice(-4000)].join('\n')
  }

  /** Ends everything that runs because of the cluster and removes its traces. */
  async destroy(): Promise<void> {
    await this.bed.destroy()
  }
}

function words(text: string | readonly string[]): string[] {
  return typeof text === 'string' ? text.split(' ').filter(word => word !== '') : [...text]
}

function succeeded(command: readonly string[], output: Output): string {
  if (output.code === 0) return output.stdout
  throw new Error(`${command.join(' ')} ended with ${output.code}: ${output.stderr}${output.stdout}`)
}
