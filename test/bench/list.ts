/** LIST of 10,000 whole pods: the time until the last byte, and how long the server does nothing else meanwhile. */
import { type Http, withClients } from './http.ts'
import { median, rate, repeat, timed } from './measure.ts'
import { pod, podsPath } from './objects.ts'
import { startApi, startFloor, withDirectory } from './programs.ts'
import { report } from './row.ts'
import { longestStall, stallMonitor } from './stalls.ts'
import { untilAccount } from './until.ts'

const pods = 10_000
const fillBytes = 3300
const rounds = 7

/** The body's size. Chunks are dropped as they come, so that the client costs as little as it can. */
function download(http: Http, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = http.stream(path)
    let bytes = 0
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length))
    stream.once('end', () => resolve(bytes))
    stream.once('error', reject)
  })
}

await withDirectory(async directory => {
  const server = await startApi(directory, { env: stallMonitor(directory) })
  const measured = await withClients(server.target, 16, async all => {
    await untilAccount(all[0]!)
    await rate(16, pods, (i, client) => all[client]!.create(podsPath, pod(`bench-${i}`, fillBytes)))
    const size = await download(all[0]!, podsPath)
    await longestStall(server.pid, directory)
    const times = await repeat(rounds, () => timed(() => download(all[0]!, podsPath)))
    const stallMs = await longestStall(server.pid, directory)
    return { size, ms: median(times), stallMs }
  })
  await server.stop()
  const bare = await startFloor(directory, stallMonitor(directory))
  const path = `/bytes?size=${measured.size}`
  const floorMs = await withClients(bare.target, 1, async ([http]) =>
    median(await repeat(rounds, () => timed(() => download(http!, path)))),
  )
  const bareStallMs = await longestStall(bare.pid, directory)
  await bare.stop()
  const { size, ms, stallMs } = measured
  const floor = { value: floorMs, what: 'the same bytes from a bare Node HTTP/2 server' }
  const megabytes = Math.round(size / 1e6)
  report({ figure: `LIST of 10,000 pods, ${megabytes} MB`, unit: 'ms', skiff: ms, floor, budget: { value: 100 } })
  report({
    figure: '  longest event-loop stall',
    unit: 'ms',
    skiff: stallMs,
    floor: { ...floor, value: bareStallMs },
    budget: { value: 20 },
  })
})
