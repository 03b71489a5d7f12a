/** Answers per second of the DNS module on its own, asked by dnsperf, beside a socket that only sends back what it gets. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freeUdpPort } from '../../bootstrap/client/testing/ports.ts'
import { report } from './row.ts'

const seconds = 5
const budget = 30_000
const echo = `
const socket = require('node:dgram').createSocket({ type: 'udp4', lookup: (address, _, callback) => callback(null, address, 4) })
socket.on('message', (packet, peer) => { packet[2] |= 0x80; socket.send(packet, peer.port, peer.address) })
socket.bind(Number(process.argv[1]), '127.0.0.1', () => console.log('Running'))
`

if (spawnSync('dnsperf', ['-h']).error) {
  console.error('bench dns: skipped, dnsperf is not installed')
  process.exit(0)
}

const folder = mkdtempSync(join(tmpdir(), 'skiff-bench-dns-'))
try {
  const port = await freeUdpPort()
  mkdirSync(join(folder, 'custom'))
  writeFileSync(join(folder, 'NodeHosts'), '192.0.2.2 node-1\n')
  writeFileSync(join(folder, 'Corefile'), corefile(port))
  const addresses = list(name => `web-${name}.shop.svc.cluster.local A`)
  const module = [join(import.meta.dirname, 'dns-process.ts'), folder]
  const floor = await measured(['-e', echo, '--', String(port)], port, addresses)
  const skiff = await measured(module, port, addresses)
  const what = 'a bare node:dgram socket that echoes'
  report({
    figure: 'DNS, answers of the cluster',
    unit: '/s',
    skiff: skiff.rate,
    floor: { value: floor.rate, what },
    budget: { value: budget },
  })
  const paced = await measured(module, port, addresses, budget)
  const pacedFloor = await measured(['-e', echo, '--', String(port)], port, addresses, budget)
  report({
    figure: 'DNS, p99 at 30,000/s',
    unit: 'ms',
    skiff: paced.p99,
    floor: { value: pacedFloor.p99, what },
    budget: { value: 2 },
  })
} finally {
  rmSync(folder, { recursive: true })
}

function corefile(port: number): string {
  return `.:${port} {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      fallthrough
    }
    prometheus :${port + 1}
    cache 30
    loadbalance
    import /etc/coredns/custom/*.override
    forward . 127.0.0.1:9
}
`
}

function list(line: (index: number) => string): string {
  const path = join(folder, 'questions')
  writeFileSync(path, Array.from({ length: 1000 }, (_, index) => `${line(index)}\n`).join(''))
  return path
}

/** Runs a server on one core and asks it from the other; `rate` paces the questions. */
async function measured(program: readonly string[], port: number, questions: string, rate?: number) {
  const server = spawn('taskset', ['-c', '0', process.execPath, ...program], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    let output = ''
    for await (const [chunk] of onData(server.stdout)) {
      output += chunk
      if (output.includes('Running')) break
    }
    const pace = rate === undefined ? [] : ['-v', '-Q', String(rate)]
    const ask = (length: number, more: readonly string[]): string =>
      execFileSync(
        'taskset',
        [
          '-c',
          '1',
          'dnsperf',
          '-s',
          '127.0.0.1',
          '-p',
          String(port),
          '-d',
          questions,
          '-l',
          String(length),
          '-c',
          '8',
          '-q',
          '64',
          ...more,
        ],
        { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] },
      )
    // The first second is that of the compiler.
    ask(1, [])
    const text = ask(seconds, pace)
    return { rate: Number(/Queries per second:\s+([\d.]+)/.exec(text)![1]), p99: p99Of(text) }
  } finally {
    server.kill()
    await once(server, 'exit')
  }
}

async function* onData(stream: NodeJS.ReadableStream): AsyncGenerator<[string]> {
  for await (const chunk of stream) yield [String(chunk)]
}

/** Milliseconds, from lines "> NOERROR name A seconds"; NaN where dnsperf was not asked for them. */
function p99Of(text: string): number {
  const all = [...text.matchAll(/^> \w+ \S+ \w+ ([\d.]+)$/gm)].map(([, time]) => Number(time)).sort((a, b) => a - b)
  return (all[Math.floor(all.length * 0.99)] ?? Number.NaN) * 1000
}
