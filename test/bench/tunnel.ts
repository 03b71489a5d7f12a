/** What the way through an agent's tunnel costs, beside TLS straight to the same server; the agent is a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type LocalNode, localNodeConnect } from '../../bootstrap/streaming/local-node.ts'
import { startTunnelServer, TestCa } from '../../bootstrap/tunnel/testing/ends.ts'
import { report } from './row.ts'

const seconds = 3
const concurrency = 64
const what = 'TLS to the same server, without a tunnel'
const never = new AbortController().signal

const ca = new TestCa()
const server = await startTunnelServer(ca)
const serving = ca.issue('a', [], ['server'], ['a', '127.0.0.1'])
const settings = [server.address, JSON.stringify(ca.node('a')), JSON.stringify(serving)]
const agent = spawn(process.execPath, [join(import.meta.dirname, 'tunnel-process.ts'), ...settings], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  const port = Number((await once(agent.stdout, 'data'))[0])
  while (!server.tunnels.has('a')) await delay(5)
  const direct = localNodeConnect({ port, ca: ca.pem, serverName: 'a' })
  const dial = () => server.tunnels.dial('a', '127.0.0.1', port, never)
  const tunnelled = localNodeConnect({ port, ca: ca.pem, serverName: 'a', via: dial })
  await requests(tunnelled, 1)
  report({
    figure: 'tunnel, requests to a kubelet',
    unit: '/s',
    skiff: await requests(tunnelled, seconds),
    floor: { value: await requests(direct, seconds), what },
  })
  report({
    figure: 'tunnel, MB of one log',
    unit: '/s',
    skiff: await megabytes(tunnelled),
    floor: { value: await megabytes(direct), what },
  })
  report({ figure: 'tunnel, connected again after a loss', unit: 'ms', skiff: await reconnected() })
} finally {
  agent.kill('SIGKILL')
  await server.close()
}

async function requests(node: LocalNode, duration: number): Promise<number> {
  const until = performance.now() + duration * 1000
  let done = 0
  const worker = async () => {
    for (; performance.now() < until; done++) {
      const { body } = await node.request('', 'GET', '/', {}, never)
      await body.resume().toArray()
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return done / duration
}

async function megabytes(node: LocalNode): Promise<number> {
  const ending = new AbortController()
  const { body } = await node.request('', 'GET', '/flood', {}, ending.signal)
  let bytes = 0
  body.on('data', chunk => (bytes += chunk.length))
  body.on('error', () => {})
  await delay(500)
  const [before, began] = [bytes, performance.now()]
  await delay(seconds * 1000)
  const rate = (bytes - before) / 1e6 / ((performance.now() - began) / 1000)
  ending.abort()
  return rate
}

/** The median of a few; the server's end is closed, as by its restart. */
async function reconnected(): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    const back = new Promise<void>(resolve => {
      const unsubscribe = server.tunnels.subscribe(({ type }) => {
        if (type !== 'connected') return
        unsubscribe()
        resolve()
      })
    })
    await delay(5500)
    const began = performance.now()
    server.tunnels.disconnect('a')
    await back
    times.push(performance.now() - began)
  }
  return times.sort((a, b) => a - b)[2]!
}
