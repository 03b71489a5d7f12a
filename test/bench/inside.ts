/** Figures that need a node run on a machine of their own (test/testbed): their file starts itself again inside one. */
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Bed, canRunClusters } from '../testbed/bed.ts'
import { writeImages } from '../testbed/images.ts'

/** What runs inside counts in the machine's own cgroups. */
const enterCgroups = [
  'for procs in /sys/fs/cgroup/init/cgroup.procs /sys/fs/cgroup/*/init/cgroup.procs; do',
  '[ ! -f "$procs" ] || echo 0 >"$procs"; done; exec "$@"',
].join(' ')

/** Runs `measure` inside a bed whose directory it is given; data/agent/images there holds the test images. */
export async function insideBed(file: string, measure: (directory: string) => Promise<void>): Promise<void> {
  const inside = process.env.SKIFF_BENCH_BED
  if (inside !== undefined) return await measure(inside)
  if (!canRunClusters) throw new Error('this figure needs root and containerd')
  const bed = await Bed.create()
  try {
    const images = join(bed.dir, 'data/agent/images')
    mkdirSync(images, { recursive: true })
    await writeImages(images)
    const child = bed.spawn(['sh', '-c', enterCgroups, 'sh', process.execPath, file], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { SKIFF_BENCH_BED: bed.dir },
    })
    const [code] = await once(child, 'exit')
    if (code !== 0) process.exitCode = 1
  } finally {
    await bed.destroy()
  }
}
