/** What must hold before a server changes anything: each mistake is one ConfigError that says what would be right. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join, parse } from 'node:path'
import { findProgram } from './cli/tools.ts'
import type { AgentConfig } from './config/agent-config.ts'
import { ConfigError } from './config/parse.ts'
import type { NodeConfig, ServerConfig } from './config/server-config.ts'
import { wantsEtcd } from './embedded-etcd.ts'
import { etcdFiles } from './etcd/files.ts'
import { etcdPorts } from './etcd/settings.ts'
import { groupId } from './kubeconfig.ts'
import { readRegistries } from './registries.ts'
import { readPassphrase } from './snapshots/passphrase.ts'

/** What upstream's kubelet listens on. */
const kubeletPort = 10250

/** Checks clock, rights, data-dir, port, container runtime, registries.yaml and the passphrase of snapshots. */
export async function preflight(config: ServerConfig, host: Host): Promise<void> {
  checkMachine(config, host)
  if (config.kubeconfig.path !== undefined) checkFolder(dirname(config.kubeconfig.path), '--write-kubeconfig')
  if (config.kubeconfig.group !== undefined) groupId(config.kubeconfig.group, readFileSync('/etc/group', 'utf8'))
  if (!config.disableAgent) checkRuntime(config, host)
  await readRegistries(config.privateRegistry)
  await readPassphrase(config.etcd.snapshotPassphraseFile).catch((error: Error) => {
    throw new ConfigError(error.message)
  })
  await checkPort(config.bindAddress, config.httpsPort, 'stop it or use --https-listen-port')
  if (!config.disableAgent) await checkPort('0.0.0.0', kubeletPort, 'stop it')
  if (wantsEtcd(config)) await checkEtcdPorts(config)
}

/** Those that the embedded etcd listens on; one of an earlier run may still be about to end, and is waited for later. */
async function checkEtcdPorts({ dataDir, etcd, nodeIps }: ServerConfig): Promise<void> {
  if (etcd.args.some(arg => /^-*listen-/.test(arg))) return
  const [own, loopback] = [nodeIps[0]!, '127.0.0.1']
  const { client, peer, metrics } = etcdPorts
  const earlier = etcdFiles(dataDir).config
  for (const [host, port] of [
    [own, client],
    [own, peer],
    [loopback, client],
    [loopback, metrics],
  ] as const)
    await checkPort(host, port, 'the embedded etcd needs it; stop it', pid => commandLine(pid).includes(earlier))
}

/** The same for a node without a server, as far as it concerns it. */
export async function preflightNode(config: AgentConfig, host: Host): Promise<void> {
  checkMachine(config, host)
  checkRuntime(config, host)
  await readRegistries(config.privateRegistry)
  await checkPort('0.0.0.0', kubeletPort, 'stop it')
  if (!config.disableApiserverLb) await checkPort('127.0.0.1', config.lbServerPort, 'stop it or use --lb-server-port')
}

interface Host {
  readonly env: NodeJS.ProcessEnv
  readonly now: number
}

function checkMachine({ dataDir }: NodeConfig, { now }: Host): void {
  if (now < Date.UTC(1980, 0, 1)) throw new ConfigError("server time isn't set properly: set the clock of this machine")
  checkFolder(dataDir, '--data-dir')
}

function checkRuntime({ containerRuntimeEndpoint }: NodeConfig, { env }: Host): void {
  if (containerRuntimeEndpoint !== undefined) return
  const missing = ['containerd', 'runc'].find(program => findProgram(program, env) === undefined)
  if (missing !== undefined)
    throw new ConfigError(
      `${missing} is not installed: install it, run "make setup", or use --container-runtime-endpoint`,
    )
}

/** Access rights alone do not tell: a folder may lie where the kernel lets nobody make one (/proc). */
function checkFolder(path: string, flag: string): void {
  let at = path
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  if (!statSync(at).isDirectory()) throw new ConfigError(`${flag} ${path}: ${at} is not a directory`)
  try {
    rmdirSync(mkdtempSync(join(at, '.skiff-')))
  } catch (error) {
    throw new ConfigError(
      `${flag} ${path}: ${at} is not writable (${(error as NodeJS.ErrnoException).code}): choose another directory or run as root`,
    )
  }
}

/** `allowed` says of a process that it may have the port. */
async function checkPort(
  host: string,
  port: number,
  remedy: string,
  allowed: (pid: string) => boolean = () => false,
): Promise<void> {
  const failure = await listenFailure(host, port)
  if (failure === undefined) return
  if (failure.code !== 'EADDRINUSE') throw new ConfigError(`cannot listen on ${host}:${port}: ${failure.message}`)
  const pid = portHolder(port)
  if (pid !== undefined && allowed(pid)) return
  // Who had it may have ended just now.
  if (pid === undefined && (await listenFailure(host, port)) === undefined) return
  const holder = pid === undefined ? '' : ` by ${programOf(pid)} (pid ${pid})`
  throw new ConfigError(`port ${port} is already in use${holder}: ${remedy}`)
}

function listenFailure(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', resolve)
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)))
  })
}

/** Its program's name; of Node.js' programs that of the script, for their process is called after a thread. */
function programOf(pid: string): string {
  const [program = '', ...args] = commandLine(pid).split('\0')
  const script = basename(program) === 'node' ? args.find(arg => /\.[cm]?[jt]s$/.test(arg)) : undefined
  return parse(script ?? program).name || 'another process'
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** The process that listens on a TCP port, as far as /proc tells. */
function portHolder(port: number): string | undefined {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].filter(existsSync).flatMap(table =>
    readFileSync(table, 'utf8')
      .split('\n')
      .slice(1)
      .map(line => line.trim().split(/\s+/))
      .filter(fields => fields[1]?.endsWith(`:${wanted}`) && fields[3] === '0A')
      .map(fields => fields[9]),
  )
  return readdirSync('/proc').find(name => /^\d+$/.test(name) && holdsSocket(name, inodes))
}

function holdsSocket(pid: string, inodes: readonly (string | undefined)[]): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(fd => {
      const target = linkTarget(`/proc/${pid}/fd/${fd}`)
      return inodes.some(inode => target === `socket:[${inode}]`)
    })
  } catch {
    return false // the process ended, or is not ours to look into
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
