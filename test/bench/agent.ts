/** One agent on a machine of its own: from its start to a node that is Ready, and what it costs when there is little to do. */
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../testbed/cluster.ts'
import { startNodes } from '../testbed/nodes.ts'
import { median } from './measure.ts'
import { cpuSecondsOf, residentMb, residentMbOf } from './processes.ts'
import { startFloor, withDirectory } from './programs.ts'
import { report } from './row.ts'

const rounds = 3
const pods = 10
/** By then the start is over: its memory is given back (bootstrap/memory.ts). */
const settleMs = 45_000
const watchedMs = 60_000

const nodes = await startNodes({ servers: 1, agents: 1 })
const agent = nodes.agents[0]!
try {
  const joins: number[] = []
  for (let round = 0; round < rounds; round++) {
    await agent.stopServer()
    await nodes.first.kubectl(`delete node ${agent.nodeName}`)
    const started = performance.now()
    await agent.restart()
    joins.push(performance.now() - started)
  }
  report({ figure: 'agent: start to node Ready, as kubectl sees it', unit: 'ms', skiff: median(joins) })
  const scale = `apiVersion: v1
kind: List
items:
${Array.from({ length: pods }, (_, i) => pod(`pod-${i}`, agent)).join('')}`
  await nodes.first.apply(scale)
  await nodes.first.waitFor('--for=condition=Ready pod -l run=bench', 120)
  await delay(settleMs)
  const read = (file: string) => agent.exec(['cat', `/proc/${agent.pid}/${file}`])
  const before = cpuSecondsOf(await read('stat'))
  await delay(watchedMs)
  const share = ((cpuSecondsOf(await read('stat')) - before) * 100_000) / watchedMs
  const skiff = residentMbOf(await read('status'))
  await withDirectory(async directory => {
    const bare = await startFloor(directory)
    const floor = { value: residentMb(bare.pid), what: 'a bare Node HTTPS server' }
    report({ figure: `agent: RSS with ${pods} pods`, unit: 'MB', skiff, floor, budget: { value: 90 } })
    await bare.stop()
  })
  report({ figure: `agent: CPU of a core with ${pods} pods, idle`, unit: '%', skiff: share })
} finally {
  await nodes.destroy()
}

function pod(name: string, { nodeName }: Cluster): string {
  return `- apiVersion: v1
  kind: Pod
  metadata: { name: ${name}, labels: { run: bench } }
  spec:
    nodeName: ${nodeName}
    terminationGracePeriodSeconds: 0
    containers:
    - { name: web, image: 'web:1', imagePullPolicy: Never }
`
}
