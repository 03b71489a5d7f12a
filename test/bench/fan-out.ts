/** Events delivered per second to 1,000 watchers. */
import type { ClientHttp2Stream } from 'node:http2'
import { performance } from 'node:perf_hooks'
import { type Http, withClients } from './http.ts'
import { rate } from './measure.ts'
import { configMap, configMapsPath } from './objects.ts'
import { startApi, startFloor, withDirectory } from './programs.ts'
import { report } from './row.ts'
import { longestStall, stallMonitor } from './stalls.ts'

const watchers = 1000
const connections = 10
const writers = 64
const events = 1000
const objectBytes = 400

interface Seen {
  events: number
  bytes: number
}

/** Opens the watchers; resolves once every response has begun. */
async function watchAll(all: readonly Http[], path: string): Promise<ClientHttp2Stream[]> {
  const streams = Array.from({ length: watchers }, (_, i) => all[i % connections]!.stream(path))
  await Promise.all(streams.map(stream => new Promise(resolve => stream.once('response', resolve))))
  return streams
}

/** Counts the lines that arrive until every watcher has had `events` of them. */
function delivered(streams: readonly ClientHttp2Stream[]): Promise<Seen> {
  const seen: Seen = { events: 0, bytes: 0 }
  return new Promise(resolve => {
    const count = (chunk: Buffer) => {
      seen.bytes += chunk.length
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) seen.events++
      if (seen.events >= watchers * events) resolve(seen)
    }
    for (const stream of streams) stream.on('data', count)
  })
}

await withDirectory(async directory => {
  const server = await startApi(directory, { env: stallMonitor(directory) })
  const skiff = await withClients(server.target, connections + writers, async all => {
    const revision = JSON.parse(String((await all[0]!.request('GET', configMapsPath)).body)).metadata.resourceVersion
    const done = delivered(await watchAll(all, `${configMapsPath}?watch=1&resourceVersion=${revision}`))
    await longestStall(server.pid, directory)
    const started = performance.now()
    const write = (i: number, client: number) =>
      all[connections + client]!.create(configMapsPath, configMap(`fan-${i}`, objectBytes))
    const [seen] = await Promise.all([done, rate(writers, events, write)])
    const seconds = (performance.now() - started) / 1000
    return { ...seen, perSecond: seen.events / seconds, stallMs: await longestStall(server.pid, directory) }
  })
  await server.stop()
  const bare = await startFloor(directory, stallMonitor(directory))
  const bytes = Math.round(skiff.bytes / skiff.events)
  const floor = await withClients(bare.target, connections + 1, async all => {
    const done = delivered(await watchAll(all, '/watch'))
    const started = performance.now()
    await Promise.all([done, all[connections]!.request('GET', `/fan?events=${events}&size=${bytes}`)])
    const perSecond = (watchers * events * 1000) / (performance.now() - started)
    return { perSecond, stallMs: await longestStall(bare.pid, directory) }
  })
  await bare.stop()
  const what = 'a bare Node HTTP/2 server that writes the same frames one by one'
  report({
    figure: `watch fan-out, ${watchers} watchers, ${bytes} bytes`,
    unit: '/s',
    skiff: skiff.perSecond,
    floor: { value: floor.perSecond, what },
    budget: { value: 200_000 },
  })
  report({
    figure: '  longest event-loop stall',
    unit: 'ms',
    skiff: skiff.stallMs,
    floor: { value: floor.stallMs, what },
  })
})
