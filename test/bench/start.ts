/** From the process's start to an API that answers, on a fresh machine and again. */
import { spawnSync } from 'node:child_process'
import { median, repeat, timed } from './measure.ts'
import { startApi, startFloor, withDirectory } from './programs.ts'
import { report } from './row.ts'

const rounds = 7

const boots = await repeat(rounds, () =>
  withDirectory(async directory => {
    const first = await startApi(directory)
    await first.stop()
    const second = await startApi(directory)
    await second.stop()
    return [first.readyMs, second.readyMs]
  }),
)
const bare = await withDirectory(directory =>
  repeat(rounds, async () => {
    const floor = await startFloor(directory)
    await floor.stop()
    return floor.readyMs
  }),
)
const node = await repeat(rounds, () => timed(() => spawnSync(process.execPath, ['-e', '0'])))

const budget = { value: 800 }
const floor = { value: median(bare), what: 'a bare Node HTTPS server answering' }
report({ figure: 'start to API ready, first boot', unit: 'ms', skiff: median(boots.map(([a]) => a!)), floor, budget })
report({
  figure: 'start to API ready, later boots',
  unit: 'ms',
  skiff: median(boots.map(([, b]) => b!)),
  floor,
  budget,
})
report({
  figure: '  the bare server itself',
  unit: 'ms',
  skiff: floor.value,
  floor: { value: median(node), what: 'node -e 0' },
})
