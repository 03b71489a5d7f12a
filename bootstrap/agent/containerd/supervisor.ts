/**
 * Owns the containerd process: writes its configuration, adopts a live one left by an earlier run or starts another, and
 * restarts it when it dies. It runs in its own process group and outlives Skiff, as its containers do.
 */
import { spawn } from 'node:child_process'
import { access, mkdir, open, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../../client/clock.ts'
import { backoffMs } from '../../client/clock.ts'
import { ConfigError } from '../../config/parse.ts'
import { CriClient } from '../cri/client.ts'
import { unmountBelow } from '../mounts.ts'
import { commandLine, run, signalProcess } from '../process.ts'
import { type ContainerdConfig, containerdToml } from './config.ts'
import { chooseSnapshotter, lacksSysResource } from './host.ts'
import { hostsFiles, type Registries, registryAuths } from './registries.ts'
import { findRuntimes, runtimeFolders } from './runtimes.ts'

export interface ContainerdOptions {
  /** <data-dir>/agent */
  readonly agentDir: string
  /** Where the socket, state and pid file live: /run/k3s/containerd. */
  readonly runDir: string
  readonly snapshotter: string
  readonly sandboxImage: string
  readonly cniBinDir: string
  readonly cniConfDir: string
  readonly registries: Registries
  readonly disableDefaultRegistryEndpoint?: boolean
  readonly systemdCgroup?: boolean
  readonly selinux?: boolean
  readonly nonrootDevices?: boolean
  /** Of pods without a RuntimeClass; runc. */
  readonly defaultRuntime?: string
}

export interface ContainerdDeps {
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  readonly random: () => number
}

export class Containerd {
  readonly socket: string
  /** True when a live process of an earlier run was taken over. */
  adopted = false
  readonly #options: ContainerdOptions
  readonly #deps: ContainerdDeps
  readonly #watching = new AbortController()
  readonly #pidFile: string
  readonly #configFile: string
  #pid = 0

  constructor(options: ContainerdOptions, deps: ContainerdDeps) {
    this.#options = options
    this.#deps = deps
    this.socket = join(options.runDir, 'containerd.sock')
    this.#pidFile = join(options.runDir, 'containerd.pid')
    this.#configFile = join(options.agentDir, 'etc/containerd/config.toml')
  }

  /** Resolves with a connected client once CRI answers. Throws one clear line when containerd is not installed. */
  async start(): Promise<CriClient> {
    const binary = await findProgram('containerd')
    if (!binary) throw new Error('containerd not found in PATH: install containerd or set --container-runtime-endpoint')
    const changed = await this.#writeConfiguration(binary)
    const running = await this.#runningPid()
    if (running !== undefined && !changed) {
      this.#pid = running
      this.adopted = true
      void this.#watchAdopted(binary, running)
    } else {
      if (running !== undefined) await this.#terminate(running)
      await this.#spawn(binary, 0)
    }
    const client = new CriClient(this.socket)
    try {
      await this.#untilReady(client)
    } catch (error) {
      client.close()
      throw error
    }
    return client
  }

  /** Leaves the process running; only stops watching it. */
  release(): void {
    this.#watching.abort()
  }

  /** Stops containerd itself; shims and containers stay. */
  async stop(): Promise<void> {
    this.release()
    if (this.#pid !== 0) await this.#terminate(this.#pid)
    await rm(this.#pidFile, { force: true })
  }

  /** Removes every pod, then containerd, its shims and its mounts. */
  async killAll(client: CriClient): Promise<void> {
    const sandboxes = await client.listPodSandboxes().catch(() => [])
    for (const { id } of sandboxes) {
      await client.stopPodSandbox(id).catch(() => undefined)
      await client.removePodSandbox(id).catch(() => undefined)
    }
    client.close()
    await this.stop()
    for (const pid of await shimsOf(this.socket)) signalProcess(pid, 'SIGKILL')
    await unmountBelow(this.#options.runDir)
    await unmountBelow(join(this.#options.agentDir, 'containerd'))
  }

  async #writeConfiguration(binary: string): Promise<boolean> {
    const { agentDir, runDir, registries } = this.#options
    const certsDir = join(agentDir, 'etc/containerd/certs.d')
    const root = join(agentDir, 'containerd')
    for (const directory of [root, this.#options.cniConfDir, join(agentDir, 'etc/containerd')])
      await mkdir(directory, { recursive: true })
    await mkdir(runDir, { recursive: true, mode: 0o711 })
    await rm(certsDir, { recursive: true, force: true })
    for (const [host, text] of hostsFiles(registries, this.#options.disableDefaultRegistryEndpoint)) {
      await mkdir(join(certsDir, host), { recursive: true })
      await writeFile(join(certsDir, host, 'hosts.toml'), text)
    }
    const config: ContainerdConfig = {
      majorVersion: await majorVersion(binary),
      root,
      state: join(runDir, 'state'),
      socket: this.socket,
      snapshotter: await chooseSnapshotter(this.#options.snapshotter, root),
      sandboxImage: this.#options.sandboxImage,
      cniConfDir: this.#options.cniConfDir,
      cniBinDir: this.#options.cniBinDir,
      certsDir,
      systemdCgroup: this.#options.systemdCgroup ?? false,
      restrictOomScoreAdj: await lacksSysResource(),
      selinux: this.#options.selinux ?? false,
      nonrootDevices: this.#options.nonrootDevices ?? false,
      ...(await this.#runtimes()),
      auths: registryAuths(registries),
    }
    const text = containerdToml(config)
    const before = await readFile(this.#configFile, 'utf8').catch(() => '')
    if (before !== text) await writeFile(this.#configFile, text, { mode: 0o600 })
    return before !== text
  }

  async #runtimes(): Promise<Pick<ContainerdConfig, 'runtimes' | 'defaultRuntime'>> {
    const runtimes = await findRuntimes(runtimeFolders(process.env.PATH ?? ''))
    const names = ['runc', ...runtimes.map(({ name }) => name)]
    for (const { name, binary } of runtimes)
      this.#deps.log.info({ runtime: name, ...(binary ? { binary } : {}) }, 'found a container runtime')
    const { defaultRuntime = 'runc' } = this.#options
    if (!names.includes(defaultRuntime))
      throw new ConfigError(
        `--default-runtime ${defaultRuntime} is not installed on this machine: there is ${names.join(', ')}`,
      )
    return { runtimes, defaultRuntime }
  }

  async #runningPid(): Promise<number | undefined> {
    const pid = Number(await readFile(this.#pidFile, 'utf8').catch(() => ''))
    const command = pid > 0 ? await commandLine(pid) : undefined
    return command?.includes(this.#configFile) ? pid : undefined
  }

  async #spawn(binary: string, attempt: number): Promise<void> {
    const logFile = await open(join(this.#options.agentDir, 'containerd/containerd.log'), 'a')
    const child = spawn(binary, ['--config', this.#configFile], {
      detached: true,
      stdio: ['ignore', logFile.fd, logFile.fd],
      env: containerdEnvironment(process.env),
    })
    await logFile.close()
    child.unref()
    child.on('error', error => this.#deps.log.warn({ error: error.message }, 'containerd could not be started'))
    if (child.pid === undefined) return
    this.#pid = child.pid
    await writeFile(this.#pidFile, String(child.pid))
    const startedAt = this.#deps.clock.now()
    child.on('exit', (code, signal) => void this.#restart(binary, { code, signal }, startedAt, attempt))
  }

  async #restart(binary: string, exit: object, startedAt: number, attempt: number): Promise<void> {
    if (this.#watching.signal.aborted) return
    const { clock, random, log } = this.#deps
    const next = clock.now() - startedAt > 60_000 ? 0 : attempt + 1
    log.warn({ ...exit }, 'containerd exited; starting it again')
    try {
      await clock.sleep(backoffMs(next, 100, 10_000, random), this.#watching.signal)
    } catch {
      return
    }
    await this.#spawn(binary, next)
  }

  /** Another process's child sends no exit event, so its end is looked for. */
  async #watchAdopted(binary: string, pid: number): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#watching
    while (!signal.aborted && signalProcess(pid, 0)) await clock.sleep(2000, signal).catch(() => undefined)
    await this.#restart(binary, { pid }, 0, 0)
  }

  async #terminate(pid: number): Promise<void> {
    signalProcess(pid, 'SIGTERM')
    for (let waited = 0; signalProcess(pid, 0) && waited < 10_000; waited += 20) await delay(20)
    signalProcess(pid, 'SIGKILL')
  }

  async #untilReady(client: CriClient): Promise<void> {
    const deadline = this.#deps.clock.now() + 60_000
    for (;;) {
      try {
        await client.ready(1000)
        await client.version()
        return
      } catch (error) {
        if (this.#deps.clock.now() > deadline)
          throw new Error(
            `containerd did not become ready: see ${join(this.#options.agentDir, 'containerd/containerd.log')}`,
            {
              cause: error,
            },
          )
        await this.#deps.clock.sleep(20, this.#watching.signal)
      }
    }
  }
}

/** CONTAINERD_X=v reaches containerd as X=v. */
function containerdEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const passed = Object.entries(env).filter(([key]) => key.startsWith('CONTAINERD_') && key !== 'CONTAINERD_LOG_LEVEL')
  // Shims of runtimes are looked for in PATH.
  const PATH = runtimeFolders(env.PATH ?? '').join(delimiter)
  return { ...env, PATH, ...Object.fromEntries(passed.map(([key, value]) => [key.slice('CONTAINERD_'.length), value])) }
}

/** The program's path in PATH, if it is there. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/bin']) {
    const path = join(directory, name)
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return undefined
}

async function majorVersion(binary: string): Promise<number> {
  const text = await run(binary, ['--version'])
  return Number(/\sv?(\d+)\.\d+/.exec(text)?.[1] ?? 1)
}

/** Shims of the containerd behind `socket`; another node's on the same machine live in another mount namespace. */
async function shimsOf(socket: string): Promise<number[]> {
  const ownNamespace = await readlink('/proc/self/ns/mnt')
  const shims: number[] = []
  for (const name of await readdir('/proc')) {
    const command = /^\d+$/.test(name) ? await commandLine(Number(name)) : undefined
    if (!command?.[0]?.includes('containerd-shim') || command[command.indexOf('-address') + 1] !== socket) continue
    const namespace = await readlink(`/proc/${name}/ns/mnt`).catch(() => undefined)
    if (namespace === ownNamespace) shims.push(Number(name))
  }
  return shims
}
