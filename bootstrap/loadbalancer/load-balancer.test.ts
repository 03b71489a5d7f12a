import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { connectTcp } from './dial.ts'
import { type LoadBalancer, startLoadBalancer } from './load-balancer.ts'

/** A server that greets with its name and then echoes. */
class Greeter {
  readonly #server: Server
  readonly sockets = new Set<Socket>()
  /** Connections there ever were. */
  total = 0
  address = ''

  constructor(name: string) {
    this.#server = createServer(socket => {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.sockets.delete(socket))
      this.total++
      socket.write(`${name}\n`)
      socket.pipe(socket)
    })
  }

  async start(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.address = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    for (const socket of this.sockets) socket.destroy()
    await once(this.#server, 'close')
  }
}

let folder: string
let greeters: Greeter[]
let running: LoadBalancer | undefined
let holes: Set<string>
const log = { info: () => {}, warn: () => {}, debug: () => {} }

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-lb-'))
  greeters = []
  holes = new Set()
})
afterEach(async () => {
  await running?.close()
  await Promise.all(greeters.map(greeter => greeter.stop()))
  rmSync(folder, { recursive: true })
})

async function greeter(name: string): Promise<Greeter> {
  const made = await new Greeter(name).start()
  greeters.push(made)
  return made
}

const stateFile = () => join(folder, 'k3s-agent-load-balancer.json')

async function balance(server: string): Promise<LoadBalancer> {
  running = await startLoadBalancer(
    { name: 'k3s-agent-load-balancer', serverUrl: `https://${server}`, port: 0, stateFile: stateFile() },
    {
      log,
      clock: { now: () => Date.now() },
      random: () => 0,
      // A hole swallows what is sent, as a dropped packet does.
      connect: address => (holes.has(address) ? new Socket() : connectTcp(address)),
      times: { patienceMs: 60, limitMs: 200 },
    },
  )
  return running
}

/** Who answers a new connection; "refused" when nobody does. The connection is kept. */
async function ask(balancer: LoadBalancer): Promise<{ answer: string; socket: Socket; closed: Promise<unknown> }> {
  const socket = connect(balancer.port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  const answer = await Promise.race([once(socket, 'data').then(([data]) => String(data).trim()), closed.then(() => '')])
  return { answer: answer || 'refused', socket, closed }
}

test('connections stay with one server until it ends, and then go to another', async () => {
  const [one, two] = [await greeter('one'), await greeter('two')]
  const balancer = await balance(one.address)
  balancer.setServers([one.address, two.address])
  const first = await ask(balancer)
  expect((await ask(balancer)).answer).toBe(first.answer)
  const [used, other] = first.answer === 'one' ? [one, two] : [two, one]
  await used.stop()
  await first.closed
  expect((await ask(balancer)).answer).toBe(other === one ? 'one' : 'two')
})

test('a server that swallows everything is passed over', async () => {
  const [one, two] = [await greeter('one'), await greeter('two')]
  const balancer = await balance(one.address)
  balancer.setServers([one.address, two.address])
  const { answer } = await ask(balancer)
  const [used, other] = answer === 'one' ? [one, 'two'] : [two, 'one']
  holes.add(used.address)
  const next = await ask(balancer)
  expect(next.answer).toBe(other)
})

test('bytes without an answer have the server tried, and its connections cut when it is gone', async () => {
  const [one, two] = [await greeter('one'), await greeter('two')]
  const balancer = await balance(one.address)
  balancer.setServers([one.address, two.address])
  const first = await ask(balancer)
  const used = first.answer === 'one' ? one : two
  for (const socket of used.sockets) socket.unpipe()
  holes.add(used.address)
  first.socket.write('is anybody there?')
  await first.closed
  expect((await ask(balancer)).answer).not.toBe(first.answer)
})

test('a server that is only silent keeps its connections', async () => {
  const one = await greeter('one')
  const balancer = await balance(one.address)
  const { socket } = await ask(balancer)
  for (const each of one.sockets) each.unpipe()
  socket.write('take your time')
  while (one.total < 2) await new Promise(resolve => setTimeout(resolve, 10))
  for (const each of one.sockets) each.write('here I am')
  expect(String((await once(socket, 'data'))[0])).toBe('here I am')
})

test('health told by others moves new connections, and a server that is taken off the list loses its old ones', async () => {
  const [one, two] = [await greeter('one'), await greeter('two')]
  const balancer = await balance(one.address)
  balancer.setServers([one.address, two.address])
  const first = await ask(balancer)
  const [used, other] = first.answer === 'one' ? [one, two] : [two, one]
  balancer.setHealth(used.address, false)
  await first.closed
  const second = await ask(balancer)
  expect(second.answer).not.toBe(first.answer)
  balancer.setServers([used.address])
  // The configured URL is never forgotten: it loses its connections once a listed server has answered.
  expect((await ask(balancer)).answer).toBe(first.answer)
  await second.closed
  expect(other.sockets.size).toBe(0)
})

test('a server that takes connections and answers nothing is given up, unless it is the only one', async () => {
  const [one, two] = [await greeter('one'), await greeter('two')]
  const balancer = await balance(one.address)
  const alone = await ask(balancer)
  balancer.giveUp()
  expect((await ask(balancer)).answer).toBe('one')
  expect(alone.socket.closed).toBe(false)
  balancer.setServers([one.address, two.address])
  balancer.giveUp()
  await alone.closed
  expect((await ask(balancer)).answer).toBe('two')
})

test('the configured URL is the last resort', async () => {
  const [given, listed] = [await greeter('given'), await greeter('listed')]
  const balancer = await balance(given.address)
  expect((await ask(balancer)).answer).toBe('given')
  balancer.setServers([listed.address])
  expect((await ask(balancer)).answer).toBe('listed')
  await listed.stop()
  expect((await ask(balancer)).answer).toBe('given')
})

describe('when no server answers', () => {
  test('clients are turned away, and all is well when one is back', async () => {
    const one = await greeter('one')
    const balancer = await balance(one.address)
    await one.stop()
    const turnedAway = await Promise.all(Array.from({ length: 200 }, () => ask(balancer)))
    expect(new Set(turnedAway.map(({ answer }) => answer))).toEqual(new Set(['refused']))
    expect(balancer.trouble).toBe(`no server answers (${one.address}: connect ECONNREFUSED ${one.address})`)
    const back = new Greeter('one again')
    greeters.push(await back.start(Number(one.address.split(':')[1])))
    let answer = 'refused'
    while (answer === 'refused') ({ answer } = await ask(balancer))
    expect(answer).toBe('one again')
    expect(balancer.trouble).toBeUndefined()
  })

  test('few wait for one that swallows everything', async () => {
    const one = await greeter('one')
    const balancer = await balance(one.address)
    holes.add(one.address)
    const clients = await Promise.all(Array.from({ length: 300 }, () => ask(balancer)))
    expect(clients.every(({ answer }) => answer === 'refused')).toBe(true)
    expect(one.sockets.size).toBe(0)
  })
})

test("the servers' addresses outlive a restart, under the same URL only", async () => {
  const [one, two] = [await greeter('one'), await greeter('two')]
  const balancer = await balance(one.address)
  balancer.setServers([two.address])
  const written = () => (existsSync(stateFile()) ? JSON.parse(readFileSync(stateFile(), 'utf8')) : {})
  while (written().ServerAddresses?.[0] !== two.address) await new Promise(resolve => setTimeout(resolve, 5))
  expect(written()).toEqual({ ServerURL: `https://${one.address}`, ServerAddresses: [two.address] })
  await balancer.close()
  const again = await balance(one.address)
  expect(again.addresses).toEqual([two.address])
  await again.close()
  expect((await balance('127.0.0.1:1')).addresses).toEqual(['127.0.0.1:1'])
  await running?.close()
  writeFileSync(stateFile(), 'half a fi')
  expect((await balance(one.address)).addresses).toEqual([one.address])
})

test('a closed balancer has written its last', async () => {
  const balancer = await balance('127.0.0.1:1')
  balancer.setServers(['127.0.0.1:2'])
  const closed = balancer.close()
  balancer.setServers(['127.0.0.1:3'])
  await closed
  expect(JSON.parse(readFileSync(stateFile(), 'utf8')).ServerAddresses).toEqual(['127.0.0.1:2'])
  expect(readdirSync(folder)).toEqual(['k3s-agent-load-balancer.json'])
})

test.each([
  ['lb.example:443', 'lb.example:443'],
  ['[fd00::1]:6443', '[fd00::1]:6443'],
])('the address of https://%s is %s', async (server, address) => {
  expect((await balance(server)).addresses).toEqual([address])
})

test('metrics bear the names of K3s', async () => {
  const one = await greeter('one')
  const balancer = await balance(one.address)
  await ask(balancer)
  const lines = balancer.metrics.flatMap(metric => [...metric.lines()])
  const labels = `name="k3s-agent-load-balancer",server="${one.address}"`
  expect(lines).toContain(`k3s_loadbalancer_server_connections{${labels}} 1`)
  expect(lines).toContain(`k3s_loadbalancer_server_health{${labels}} 7`)
  expect(lines).toContain(
    'k3s_loadbalancer_dial_duration_seconds_count{name="k3s-agent-load-balancer",status="success"} 1',
  )
})
