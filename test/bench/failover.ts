/**
 * How long clients behind a TCP load balancer go without an acknowledged write when the server whose etcd leads is lost: by
 * kill -9, by a pulled cable. The floor is etcd alone: how long its own members go without a write when their leader is lost so.
 */

import type { ChildProcess } from 'node:child_process'
import { type Ha, startHa } from '../e2e/ha-fixture.ts'
import { Bed } from '../testbed/bed.ts'
import { Links } from '../testbed/links.ts'
import { Network } from '../testbed/network.ts'
import { report } from './row.ts'

const flags = ['--disable', 'coredns,local-storage,metrics-server,servicelb']
const patienceMs = 500
const watchedMs = 15_000
const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/** Writes without pause, two at a time; the longest time without an answer while `fault` and what follows takes place. */
async function longestGap(write: (n: number) => Promise<boolean>, fault: () => Promise<unknown>): Promise<number> {
  const acknowledged: number[] = []
  let running = true
  const client = async (name: number) => {
    for (let n = 0; running; n++) {
      const late = pause(patienceMs).then(() => false)
      if (await Promise.race([write(n * 8 + name).catch(() => false), late])) acknowledged.push(performance.now())
      else await pause(10)
    }
  }
  const clients = [0, 1, 2, 3].map(client)
  await pause(1000)
  await fault()
  await pause(watchedMs)
  running = false
  await Promise.all(clients)
  return Math.max(...acknowledged.slice(1).map((at, index) => at - acknowledged[index]!))
}

async function leads(bed: Bed): Promise<boolean> {
  const { stdout } = await bed.run(['curl', '-sm', '1', 'http://127.0.0.1:2381/metrics'])
  return /^etcd_server_is_leader 1$/m.test(stdout)
}

async function leaderOf<T>(all: readonly T[], bedOf: (one: T) => Bed): Promise<T> {
  for (;;) {
    for (const one of all) if (await leads(bedOf(one))) return one
    await pause(100)
  }
}

async function skiff(): Promise<{ killed: number; cut: number }> {
  const ha: Ha = await startHa({ servers: 3, flags })
  try {
    const { nodes, links, balanced } = ha
    const leader = () => leaderOf(nodes.servers, server => server.bed)
    const write = (run: string) => async (n: number) => (await balanced.create(`${run}-${n}`, 'x')).type === 'done'
    const first = await leader()
    const killed = await longestGap(write('killed'), () => first.kill9())
    await first.restart()
    await ha.ready(nodes.servers.indexOf(first))
    const second = await leader()
    const cut = await longestGap(write('cut'), () => links.isolate(second.bed))
    return { killed, cut }
  } finally {
    await ha.destroy()
  }
}

/** Three members of etcd as Skiff configures them, without Skiff; each write goes to one that is not the leader. */
async function etcdAlone(): Promise<{ killed: number; cut: number }> {
  const network = await Network.create()
  const links = new Links(network)
  const writers: ChildProcess[] = []
  const beds = await Promise.all([11, 12, 13].map(host => Bed.create({ network: { network, host } })))
  try {
    const cluster = beds.map(bed => `${bed.hostname}=http://${bed.address}:2380`).join(',')
    const start = (bed: Bed) =>
      bed.spawn(
        [
          ...['etcd', '--name', bed.hostname, '--data-dir', `${bed.dir}/data/etcd`, '--log-level', 'error'],
          ...['--heartbeat-interval', '500', '--election-timeout', '5000', '--initial-cluster', cluster],
          ...[
            '--listen-client-urls',
            `http://${bed.address}:2379`,
            '--advertise-client-urls',
            `http://${bed.address}:2379`,
          ],
          ...[
            '--listen-peer-urls',
            `http://${bed.address}:2380`,
            '--initial-advertise-peer-urls',
            `http://${bed.address}:2380`,
          ],
          ...['--listen-metrics-urls', 'http://127.0.0.1:2381'],
        ],
        { stdio: 'ignore' },
      )
    const members = new Map(beds.map(bed => [bed, start(bed)]))
    const leader = () => leaderOf(beds, bed => bed)
    const writeTo = (bed: Bed) => {
      const script = `
        const ask = n => fetch('http://${bed.address}:2379/v3/kv/put', { method: 'POST', signal: AbortSignal.timeout(${patienceMs}),
          body: JSON.stringify({ key: Buffer.from('k' + n).toString('base64'), value: 'eA==' }) }).then(r => r.ok, () => false)
        require('node:readline').createInterface({ input: process.stdin }).on('line', async n => console.log(n, await ask(n)))`
      const child = network.spawn([process.execPath, '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
      writers.push(child)
      const waiting = new Map<string, (ok: boolean) => void>()
      child.stdout!.on('data', data => {
        for (const line of String(data).trim().split('\n')) {
          const [n, ok] = line.split(' ') as [string, string]
          waiting.get(n)?.(ok === 'true')
        }
      })
      return (n: number) => {
        child.stdin!.write(`${n}\n`)
        return new Promise<boolean>(resolve => waiting.set(String(n), resolve))
      }
    }
    const first = await leader()
    const killed = await longestGap(writeTo(beds.find(bed => bed !== first)!), async () =>
      members.get(first)!.kill('SIGKILL'),
    )
    await first.run(['pkill', '-KILL', 'etcd'])
    start(first)
    await pause(3000)
    const second = await leader()
    const cut = await longestGap(writeTo(beds.find(bed => bed !== second)!), () => links.isolate(second))
    return { killed, cut }
  } finally {
    for (const writer of writers) writer.kill()
    await Promise.all(beds.map(bed => bed.destroy()))
    await network.destroy()
  }
}

const floor = await etcdAlone()
const ours = await skiff()
const what = 'three members of etcd with the same timeouts, lost in the same way'
report({
  figure: 'writes stop, leading server killed',
  unit: 'ms',
  skiff: ours.killed,
  floor: { value: floor.killed, what },
})
report({
  figure: 'writes stop, leading server cut off',
  unit: 'ms',
  skiff: ours.cut,
  floor: { value: floor.cut, what },
})
