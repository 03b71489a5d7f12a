/** Container runtimes besides runc that are installed on this machine, under the names K3s gives their RuntimeClasses. */
import { access, constants, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

export interface ContainerRuntime {
  readonly name: string
  /** containerd's runtime type, which names the shim. */
  readonly type: string
  /** The program the runc shim runs; shims of other runtimes are programs themselves. */
  readonly binary?: string
}

interface Candidate extends Omit<ContainerRuntime, 'binary'> {
  readonly program: string
}

const runcLike = (name: string, program: string): Candidate => ({ name, program, type: 'io.containerd.runc.v2' })
const shim = (name: string, version: 'v1' | 'v2'): Candidate => ({
  name,
  program: `containerd-shim-${name}-${version}`,
  type: `io.containerd.${name}.${version}`,
})

/** K3s' list (k3s-io/k3s pkg/agent/containerd/runtimes.go). */
const candidates: readonly Candidate[] = [
  runcLike('crun', 'crun'),
  runcLike('nvidia', 'nvidia-container-runtime'),
  runcLike('nvidia-cdi', 'nvidia-container-runtime.cdi'),
  runcLike('nvidia-experimental', 'nvidia-container-runtime-experimental'),
  shim('lunatic', 'v1'),
  shim('slight', 'v1'),
  shim('spin', 'v2'),
  shim('wws', 'v1'),
  shim('wasmedge', 'v1'),
  shim('wasmer', 'v1'),
  shim('wasmtime', 'v1'),
]

/** Where the GPU operator and the kwasm operator install; theirs go before what a package manager installed. */
const operatorFolders = ['/usr/local/nvidia/toolkit', '/opt/kwasm/bin']
const usualFolders = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin']

/** The folders runtimes are looked for in, `path` being the PATH variable; containerd finds its shims there, too. */
export function runtimeFolders(path: string): readonly string[] {
  const own = path.split(delimiter).filter(folder => folder !== '')
  return [...new Set([...operatorFolders, ...own, ...usualFolders])]
}

/** The runtimes that are there, in a fixed order. */
export async function findRuntimes(folders: readonly string[]): Promise<readonly ContainerRuntime[]> {
  const found = await Promise.all(
    candidates.map(async ({ name, type, program }) => {
      const binary = await firstExecutable(folders, program)
      if (binary === undefined) return []
      return [{ name, type, ...(type === 'io.containerd.runc.v2' ? { binary } : {}) }]
    }),
  )
  return found.flat()
}

async function firstExecutable(folders: readonly string[], program: string): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, program)
    const usable = await Promise.all([stat(path), access(path, constants.X_OK)]).then(
      ([found]) => found.isFile(),
      () => false,
    )
    if (usable) return path
  }
  return undefined
}
