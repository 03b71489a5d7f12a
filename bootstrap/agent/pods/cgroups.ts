/** The pods' own cgroups: cgroup v1 controllers, the unified hierarchy, or both side by side. */
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { mountsBelow } from '../mounts.ts'
import { cpuWeight, type PodCgroupLimits } from './qos.ts'

const managed = ['cpu', 'memory', 'pids', 'hugetlb']

export interface Cgroups {
  /** Controllers usable for pods. */
  readonly controllers: ReadonlySet<string>
  apply(cgroup: string, limits: PodCgroupLimits): Promise<void>
  remove(cgroup: string): Promise<void>
}

/** Finds out what this machine mounts. systemd leaves empty folders for controllers that the kernel does not have. */
export async function openCgroups(root = '/sys/fs/cgroup', mounts = mountsBelow): Promise<Cgroups> {
  const isUnified = await access(join(root, 'cgroup.controllers')).then(
    () => true,
    () => false,
  )
  if (isUnified) return unified(root)
  const mounted = (await mounts(root)).filter(point => dirname(point) === root).map(point => basename(point))
  const v1 = mounted.filter(name => name !== 'unified' && name !== 'systemd')
  return hierarchies(root, new Set(v1.flatMap(name => name.split(','))))
}

async function set(directory: string, file: string, value: string | number): Promise<void> {
  await writeFile(join(directory, file), String(value)).catch(error => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  })
}

function hierarchies(root: string, controllers: ReadonlySet<string>): Cgroups {
  const mounted = managed.filter(name => controllers.has(name))
  return {
    controllers,
    async apply(cgroup, limits) {
      for (const name of mounted) await mkdir(join(root, name, cgroup), { recursive: true })
      if (controllers.has('cpu')) {
        const cpu = join(root, 'cpu', cgroup)
        await set(cpu, 'cpu.shares', limits.cpuShares)
        if (limits.cpuQuota !== undefined) await set(cpu, 'cpu.cfs_quota_us', limits.cpuQuota)
      }
      if (controllers.has('memory') && limits.memoryLimit !== undefined)
        await set(join(root, 'memory', cgroup), 'memory.limit_in_bytes', limits.memoryLimit)
    },
    async remove(cgroup) {
      for (const name of await readdir(root)) await removeTree(join(root, name, cgroup))
    },
  }
}

async function unified(root: string): Promise<Cgroups> {
  const text = await readFile(join(root, 'cgroup.controllers'), 'utf8')
  const controllers = new Set(text.trim().split(/\s+/))
  const enable = [...managed, 'cpuset', 'io']
    .filter(name => controllers.has(name))
    .map(name => `+${name}`)
    .join(' ')
  return {
    controllers,
    async apply(cgroup, limits) {
      let directory = root
      await set(directory, 'cgroup.subtree_control', enable).catch(() => undefined)
      for (const part of cgroup.split('/').filter(name => name !== '')) {
        directory = join(directory, part)
        await mkdir(directory, { recursive: true })
        await set(directory, 'cgroup.subtree_control', enable).catch(() => undefined)
      }
      await set(directory, 'cpu.weight', cpuWeight(limits.cpuShares))
      if (limits.cpuQuota !== undefined) await set(directory, 'cpu.max', `${limits.cpuQuota} 100000`)
      if (limits.memoryLimit !== undefined) await set(directory, 'memory.max', limits.memoryLimit)
    },
    remove: cgroup => removeTree(join(root, cgroup)),
  }
}

/** Removes a cgroup and those below it; a missing or busy one is left alone. */
async function removeTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name))
  await rmdir(directory).catch(() => undefined)
}
