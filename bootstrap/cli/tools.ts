/** `skiff kubectl|ctr|crictl`: the real programs, pointed at this machine's cluster. */
import { accessSync, constants, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../config/parse.ts'
import { homeOf } from './home.ts'

type Environment = { readonly [name: string]: string | undefined }

const kubeconfig = '/etc/rancher/k3s/k3s.yaml'
const containerdSocket = '/run/k3s/containerd/containerd.sock'

export async function runKubectl(args: readonly string[], host: NodeJS.Process): Promise<number> {
  const chosen = host.env.KUBECONFIG ?? kubeconfig
  return replaceBy('kubectl', args, { KUBECONFIG: chosen }, host)
}

export async function runCtr(args: readonly string[], host: NodeJS.Process): Promise<number> {
  return replaceBy('ctr', args, { CONTAINERD_ADDRESS: containerdSocket, CONTAINERD_NAMESPACE: 'k8s.io' }, host)
}

export async function runCrictl(args: readonly string[], host: NodeJS.Process): Promise<number> {
  return replaceBy('crictl', args, { CONTAINER_RUNTIME_ENDPOINT: `unix://${containerdSocket}` }, host)
}

/** Becomes `program`; only returns by throwing. Variables the user has set stay. */
function replaceBy(
  program: string,
  args: readonly string[],
  env: { readonly [name: string]: string },
  host: NodeJS.Process,
): number {
  const path = programsNamed(program, host.env).find(candidate => !isOurselves(candidate, host))
  if (path === undefined) throw new ConfigError(`${program} is not installed: ${advice(host)}`)
  const { SKIFF_ARGV0: _, SKIFF_FILE: __, SKIFF_HOME: ___, ...inherited } = host.env
  host.execve!(path, [program, ...args], { ...env, ...inherited })
  return 1
}

function advice({ env }: NodeJS.Process): string {
  return env.SKIFF_FILE === undefined
    ? 'install it, or run "make setup"'
    : 'install it (docs/install.md names packages)'
}

/** A link named kubectl that leads back to this program. */
function isOurselves(path: string, host: NodeJS.Process): boolean {
  const own = host.env.SKIFF_FILE ?? join(homeOf(host), 'bin/skiff')
  return realpathSync(path) === realpathOf(own)
}

function realpathOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined // it has been replaced or removed meanwhile
  }
}

/** Looks in SKIFF_TOOLS first (where the set-up put programs the distribution has none of), then in PATH. */
export function findProgram(name: string, env: Environment): string | undefined {
  return programsNamed(name, env)[0]
}

function programsNamed(name: string, env: Environment): string[] {
  const folders = [env.SKIFF_TOOLS ?? '', ...(env.PATH ?? '').split(':')].filter(folder => folder !== '')
  return folders.map(folder => join(folder, name)).filter(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
