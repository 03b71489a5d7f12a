/** Facts about the machine for the Node object and for pods' limits. */
import { readdir, readFile, statfs } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'

export interface Machine {
  readonly cpus: number
  readonly memoryBytes: number
  readonly diskBytes: number
  /** Page size as in resource names ("2Mi") to bytes in total. */
  readonly hugepages: { readonly [size: string]: number }
  readonly machineId: string
  readonly systemUuid: string
  readonly bootId: string
  readonly kernel: string
  readonly osImage: string
  /** Go's name. */
  readonly architecture: string
}

const architectures: { readonly [node: string]: string } = { x64: 'amd64', ia32: '386' }

const text = (path: string): Promise<string> =>
  readFile(path, 'utf8').then(
    content => content.trim(),
    () => '',
  )

/** `directory` lies on the file system pods use. */
export async function readMachine(directory: string): Promise<Machine> {
  const [memory, disk, hugepages, machineId, uuid, bootId, release_] = await Promise.all([
    text('/proc/meminfo'),
    statfs(directory),
    readHugepages(),
    text('/etc/machine-id'),
    text('/sys/class/dmi/id/product_uuid'),
    text('/proc/sys/kernel/random/boot_id'),
    text('/etc/os-release'),
  ])
  return {
    cpus: cpus().length,
    memoryBytes: Number(/^MemTotal:\s+(\d+)/m.exec(memory)?.[1] ?? 0) * 1024,
    diskBytes: disk.blocks * disk.bsize,
    hugepages,
    machineId,
    systemUuid: uuid || machineId,
    bootId,
    kernel: release(),
    osImage: /^PRETTY_NAME="?(.*?)"?$/m.exec(release_)?.[1] ?? 'Unknown',
    architecture: architectures[arch()] ?? arch(),
  }
}

async function readHugepages(): Promise<{ [size: string]: number }> {
  const root = '/sys/kernel/mm/hugepages'
  const result: { [size: string]: number } = {}
  for (const name of await readdir(root).catch(() => [])) {
    const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1])
    const count = Number(await text(`${root}/${name}/nr_hugepages`))
    result[pageSize(kilobytes)] = count * kilobytes * 1024
  }
  return result
}

/** 2048 is "2Mi". */
function pageSize(kilobytes: number): string {
  if (kilobytes % (1024 * 1024) === 0) return `${kilobytes / 1024 / 1024}Gi`
  return kilobytes % 1024 === 0 ? `${kilobytes / 1024}Mi` : `${kilobytes}Ki`
}
