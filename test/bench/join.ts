/** Fifty agents that join one server at once: how long it takes, what it costs the server, what others notice of it. */
import { spawn } from 'node:child_process'
import { randomBytes, scrypt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { withClients } from './http.ts'
import { percentile, timed } from './measure.ts'
import { cpuSeconds, residentMb } from './processes.ts'
import { startApi, withDirectory } from './programs.ts'
import { report } from './row.ts'

const agents = 50
const watchedMs = 20_000

/** What alone the nodes' passwords cost: each is hashed once, as K3s hashes them. */
async function hashing(): Promise<number> {
  const hash = promisify(scrypt) as (...args: [Buffer, Buffer, number, object]) => Promise<Buffer>
  const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 }
  return await timed(() =>
    Promise.all(Array.from({ length: agents }, () => hash(randomBytes(16), randomBytes(8), 64, cost))),
  )
}

const floor = { value: await hashing(), what: `${agents} node passwords hashed` }
await withDirectory(async directory => {
  const server = await startApi(directory)
  const token = readFileSync(join(directory, 'data/server/token'), 'utf8').trim()
  const before = residentMb(server.pid)
  await withClients(server.target, 1, async ([http]) => {
    const latencies: number[] = []
    let watching = true
    const probe = async () => {
      while (watching) {
        latencies.push(await timed(() => http!.request('GET', '/api/v1/namespaces/default')))
        await delay(5)
      }
    }
    const probing = probe()
    const script = join(import.meta.dirname, 'simulated-agents.ts')
    const args = [script, server.target.server, token, String(agents), directory]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout! })
    let joined = 0
    let started = Number.NaN
    const all = new Promise<void>(resolve =>
      lines.on('line', line => {
        if (line === 'start') started = performance.now()
        else if (++joined === agents) resolve()
      }),
    )
    await all
    const joinMs = performance.now() - started
    watching = false
    await probing
    const cpu = cpuSeconds(server.pid)
    await delay(watchedMs)
    const share = ((cpuSeconds(server.pid) - cpu) * 100_000) / watchedMs
    report({ figure: `${agents} agents join at once, until all are registered`, unit: 'ms', skiff: joinMs, floor })
    report({ figure: '  p99 of a GET meanwhile', unit: 'ms', skiff: percentile(latencies, 0.99) })
    report({ figure: '  RSS of the server with them', unit: 'MB', skiff: residentMb(server.pid) })
    report({ figure: '  RSS before', unit: 'MB', skiff: before })
    report({ figure: '  CPU of a core with them, idle', unit: '%', skiff: share })
    child.kill()
    await once(child, 'exit')
  })
  await server.stop()
})
