/** A disk of its own for a folder of a test bed: a file with a file system in it, so that it can be full or stand still. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Bed } from './bed.ts'

export class Disk {
  readonly #bed: Bed
  readonly #path: string
  readonly #image: string
  #freezer: ChildProcess | undefined

  private constructor(bed: Bed, path: string, image: string) {
    this.#bed = bed
    this.#path = path
    this.#image = image
  }

  /** Makes a disk of that size and mounts it at the folder, which is made if need be. What the folder held is hidden. */
  static async create(bed: Bed, path: string, megabytes: number): Promise<Disk> {
    const image = join(bed.dir, `disk-${path.replaceAll('/', '-')}`)
    mkdirSync(path, { recursive: true })
    const disk = new Disk(bed, path, image)
    await disk.#do(['truncate', '-s', `${megabytes}M`, image])
    await disk.#do(['mkfs.ext4', '-q', '-m', '0', image])
    await disk.mount()
    return disk
  }

  /** Again, after the machine lost power. */
  async mount(): Promise<void> {
    await this.#do(['mount', '-o', 'loop', this.#image, this.#path])
  }

  /** No byte is left. */
  async fill(): Promise<void> {
    await this.#bed.run(['sh', '-c', `cat /dev/zero >'${this.#path}/ballast' 2>/dev/null; sync -f '${this.#path}'`])
  }

  /** There is room again. */
  async empty(): Promise<void> {
    await this.#do(['rm', '-f', join(this.#path, 'ballast')])
  }

  /**
   * Every write waits, until `resume`. What waits cannot even be killed; so this ends by itself, at the latest, when the test
   * does.
   */
  async stall(): Promise<void> {
    const script = `fsfreeze -f '${this.#path}' && echo frozen; read _; fsfreeze -u '${this.#path}'`
    // Only the mounts are those of the machine: it must outlive it.
    const freezer = spawn('nsenter', ['--target', this.#bed.pid, '--mount', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    await once(freezer.stdout!, 'data')
    this.#freezer = freezer
  }

  async resume(): Promise<void> {
    const freezer = this.#freezer
    if (!freezer) return
    this.#freezer = undefined
    const ended = once(freezer, 'exit')
    freezer.stdin!.end()
    await ended
  }

  async #do(command: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#bed.run(command)
    if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  }
}
