/** From a file renamed into server/manifests to its object in a watch. */
import { mkdirSync, renameSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { withClients } from './http.ts'
import { median, repeat, timed } from './measure.ts'
import { configMap, configMapsPath } from './objects.ts'
import { startApi, withDirectory } from './programs.ts'
import { report } from './row.ts'
import { untilEvent } from './until.ts'

const rounds = 20
const settleMs = 300

/** How long this machine takes to tell of a renamed file. */
function noticed(directory: string, from: string, name: string): Promise<number> {
  return new Promise(resolve => {
    const started = performance.now()
    const watcher = watch(directory, () => {
      resolve(performance.now() - started)
      watcher.close()
    })
    renameSync(from, join(directory, name))
  })
}

await withDirectory(async directory => {
  const server = await startApi(directory)
  const manifests = join(directory, 'data/server/manifests')
  const staged = join(directory, 'staged.yaml')
  const times = await withClients(server.target, 1, ([http]) =>
    repeat(rounds, async i => {
      const name = `bench-${i}`
      const object = configMap(name).replace('"metadata":{', '"metadata":{"namespace":"default",')
      writeFileSync(staged, object)
      await delay(settleMs)
      const seen = untilEvent(http!, `${configMapsPath}?fieldSelector=metadata.name%3D${name}`, () => true)
      await http!.request('GET', '/readyz')
      return await timed(() => {
        renameSync(staged, join(manifests, `${name}.yaml`))
        return seen
      })
    }),
  )
  await server.stop()
  const watched = join(directory, 'watched')
  mkdirSync(watched)
  const floor = await repeat(rounds, async i => {
    writeFileSync(staged, '')
    return await noticed(watched, staged, `${i}.yaml`)
  })
  report({
    figure: 'manifest dropped to object visible',
    unit: 'ms',
    skiff: median(times),
    floor: { value: median(floor), what: 'the notice of fs.watch alone' },
    budget: { value: 200 },
  })
})
