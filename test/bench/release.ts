/** The release file: its build and size, what unpacking takes, what its commands and its server take beside a source tree's. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sourceVersion } from '../../bootstrap/version.ts'
import { buildReleaseFile } from '../testbed/release.ts'
import { median, repeat, timed } from './measure.ts'
import { startApi, withDirectory } from './programs.ts'
import { report } from './row.ts'

const rounds = 7
const sources = join(import.meta.dirname, '../../bin/skiff')

await withDirectory(async directory => {
  const file = join(directory, 'release/k3s')
  const env = { ...process.env, K3S_DATA_DIR: join(directory, 'unpacked') }
  const version = (program: string) => timed(() => spawnSync(program, ['--version'], { env }))

  await buildReleaseFile(sourceVersion, file)
  const buildMs = await timed(() => buildReleaseFile(sourceVersion, file))
  report({ figure: 'release: build, the runtime compressed before', unit: 'ms', skiff: buildMs })
  report({ figure: 'release: the file', unit: 'MB', skiff: statSync(file).size / 1e6, budget: { value: 80 } })

  const unpacking = await repeat(3, () => {
    rmSync(env.K3S_DATA_DIR, { recursive: true, force: true })
    return version(file)
  })
  const floor = await repeat(3, () => plainUnpacking(file, join(directory, 'floor')))
  report({
    figure: 'release: first --version, unpacking',
    unit: 'ms',
    skiff: median(unpacking),
    floor: { value: median(floor), what: 'tail, gzip and tar of the same bytes, and a sync' },
  })

  const node = await repeat(rounds, () => timed(() => spawnSync(process.execPath, ['-e', '0'])))
  report({
    figure: 'release: --version',
    unit: 'ms',
    skiff: median(await repeat(rounds, () => version(file))),
    floor: { value: median(node), what: 'node -e 0' },
    budget: { value: 300 },
  })
  report({ figure: '  of a source tree', unit: 'ms', skiff: median(await repeat(rounds, () => version(sources))) })

  for (const [figure, program] of [
    ['release: start to API ready, first boot', file],
    ['  of a source tree', sources],
  ] as const) {
    const starts = await repeat(rounds, round => firstBoot(program, join(directory, `${round}`), env))
    report({ figure, unit: 'ms', skiff: median(starts), budget: { value: 800 } })
  }
})

async function firstBoot(program: string, directory: string, env: NodeJS.ProcessEnv): Promise<number> {
  mkdirSync(directory)
  const server = await startApi(directory, { program, env })
  await server.stop()
  rmSync(directory, { recursive: true })
  return server.readyMs
}

function plainUnpacking(file: string, to: string): Promise<number> {
  mkdirSync(to)
  const script = 'tail -c +$(sed -n "s/^offset=//p" "$1" | head -n 1) "$1" | gzip -dc | tar -x -C "$2"; sync -f "$2"'
  return timed(() => {
    const { status } = spawnSync('sh', ['-c', script, 'sh', file, to])
    if (status !== 0) throw new Error('the floor of unpacking failed')
  }).finally(() => rmSync(to, { recursive: true }))
}
