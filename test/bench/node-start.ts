/** From the process's start to a node that is Ready and a cluster DNS that answers: on a fresh machine, and again. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { CriClient } from '../../bootstrap/agent/cri/client.ts'
import { withClients } from './http.ts'
import { insideBed } from './inside.ts'
import { processesNamed, untilDnsAnswers, untilNodeReady } from './node.ts'
import { startNode } from './programs.ts'
import { report } from './row.ts'

interface Boot {
  /** Only telling on a first boot: later the node is known as Ready from before. */
  readonly nodeMs: number
  readonly dnsMs: number
}

async function boot(directory: string): Promise<Boot> {
  const server = await startNode(directory)
  const since = () => performance.now() - server.startedAt
  const dns = untilDnsAnswers().then(since)
  const nodeMs = await withClients(server.target, 1, async ([http]) => untilNodeReady(http!).then(since))
  const dnsMs = await dns
  await server.stop()
  return { nodeMs, dnsMs }
}

/** Starts containerd alone, with Skiff's configuration on directories of its own, until its CRI answers. */
async function rawContainerd(directory: string): Promise<number> {
  const socket = '/run/bench-containerd/containerd.sock'
  const configuration = join(directory, 'containerd.toml')
  const text = readFileSync(join(directory, 'data/agent/etc/containerd/config.toml'), 'utf8')
  const moved = text.replaceAll('/run/k3s/containerd', '/run/bench-containerd')
  writeFileSync(configuration, moved.replaceAll(join(directory, 'data/agent/containerd'), join(directory, 'raw')))
  const started = performance.now()
  const child = spawn('containerd', ['--config', configuration], { stdio: 'ignore' })
  const client = new CriClient(socket)
  while (!(await client.version().catch(() => undefined))) await delay(2)
  const ms = performance.now() - started
  client.close()
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
  return ms
}

/** Ends what outlives Skiff, as a reboot would. */
async function endContainerd(): Promise<void> {
  for (const pid of processesNamed('containerd')) process.kill(pid, 'SIGKILL')
  while (processesNamed('containerd').length > 0) await delay(10)
  rmSync('/run/k3s/containerd/containerd.pid', { force: true })
}

await insideBed(import.meta.filename, async directory => {
  const first = await boot(directory)
  const again = await boot(directory)
  await endContainerd()
  const cold = await boot(directory)
  await endContainerd()
  const floor = { value: await rawContainerd(directory), what: 'raw containerd until its CRI answers' }
  const budget = { value: 3000 }
  report({ figure: 'start to node Ready, first boot, images imported', unit: 'ms', skiff: first.nodeMs, floor, budget })
  report({ figure: 'start to CoreDNS answering, first boot', unit: 'ms', skiff: first.dnsMs, floor, budget })
  report({ figure: '  restart beside a running containerd', unit: 'ms', skiff: again.dnsMs, floor })
  report({ figure: '  later boot, containerd too', unit: 'ms', skiff: cold.dnsMs, floor })
})
