/** What a cluster costs that does nothing, all packaged components on: memory, and processor time over a minute. */
import { setTimeout as delay } from 'node:timers/promises'
import { withClients } from './http.ts'
import { insideBed } from './inside.ts'
import { processesNamed, untilDnsAnswers, untilNodeReady } from './node.ts'
import { cpuSeconds, residentMb, wakeUps } from './processes.ts'
import { startFloor, startNode } from './programs.ts'
import { report } from './row.ts'

/** By then the start is over: its memory is given back (bootstrap/memory.ts). */
const settleMs = 45_000
const watchedMs = 60_000

await insideBed(import.meta.filename, async directory => {
  const bare = await startFloor(directory)
  const server = await startNode(directory)
  await withClients(server.target, 1, ([http]) => untilNodeReady(http!))
  await untilDnsAnswers()
  await delay(settleMs)
  const [containerd] = processesNamed('containerd')
  const pids = [server.pid, bare.pid, containerd!]
  const before = pids.map(cpuSeconds)
  const wakeUpsBefore = wakeUps(server.pid)
  await delay(watchedMs)
  const wakeUpsPerSecond = ((wakeUps(server.pid) - wakeUpsBefore) * 1000) / watchedMs
  const shares = pids.map((pid, i) => ((cpuSeconds(pid) - before[i]!) * 100_000) / watchedMs)
  const [skiff = 0, node = 0, runtime = 0] = pids.map(residentMb)
  await server.stop()
  await bare.stop()
  const what = 'a bare Node HTTPS server'
  report({ figure: 'RSS, idle', unit: 'MB', skiff, floor: { value: node, what }, budget: { value: 150 } })
  report({ figure: '  containerd beside it', unit: 'MB', skiff: runtime })
  report({
    figure: 'CPU of a core, idle',
    unit: '%',
    skiff: shares[0]!,
    floor: { value: shares[1]!, what },
    budget: { value: 0.5 },
  })
  report({ figure: '  wake-ups of its threads', unit: '/s', skiff: wakeUpsPerSecond })
  report({ figure: '  containerd beside it', unit: '%', skiff: shares[2]! })
})
