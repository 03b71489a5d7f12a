/** Machines as network namespaces on one bridge, each with a pod behind cni0: what an overlay has to connect. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Exec } from '../../bootstrap/agent/network/exec.ts'
import { hostExec } from '../../bootstrap/agent/network/exec.ts'
import { gatewayOf, prepareBridge } from '../../bootstrap/agent/network/host.ts'
import type { Backend, BackendDeps } from '../../bootstrap/agent/network/overlay/backend.ts'
import { masqueradeScript } from '../../bootstrap/agent/network/overlay/masquerade.ts'
import { Overlay } from '../../bootstrap/agent/network/overlay/overlay.ts'
import { nthAddress } from '../../bootstrap/api/cidr.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import type { Informers } from '../../bootstrap/client/informer.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { nodes } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'

export const clusterCidrs = ['10.42.0.0/16', 'fd00:42::/56']

/** A network of its own, and files of its own below /run, as long as its process lives. */
class Namespace {
  readonly holder: ChildProcess
  readonly #pid: Promise<number>

  constructor() {
    const unshared = ['--net', '--mount', '--propagation', 'private', 'sh', '-ec']
    const script = 'mount -t tmpfs tmpfs /run; echo; exec sleep infinity'
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    this.holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...unshared, script], { stdio: [...stdio] })
    this.#pid = new Promise((resolve, reject) => {
      this.holder.stdout!.once('data', () => {
        this.holder.stdout!.destroy()
        resolve(this.holder.pid!)
      })
      this.holder.once('exit', code => reject(new Error(`no namespace: exit ${code}`)))
    })
  }

  /** Runs a program inside; rejects with its standard error. */
  readonly exec: Exec = async (program, args, input) =>
    hostExec('nsenter', [`--target=${await this.#pid}`, '--net', '--mount', program, ...args], input)

  async sh(script: string): Promise<string> {
    return this.exec('sh', ['-ec', script])
  }

  async pid(): Promise<number> {
    return this.#pid
  }

  end(): void {
    this.holder.kill('SIGKILL')
  }
}

export class Machine {
  readonly net = new Namespace()
  readonly pod = new Namespace()
  readonly name: string
  readonly index: number
  readonly ips: string[]
  readonly subnets: readonly string[]
  /** Every program that the overlay has run. */
  readonly commands: string[] = []
  readonly warnings: string[] = []
  #stop = new AbortController()
  overlay!: Overlay

  constructor(index: number, families: 1 | 2) {
    this.name = `n${index}`
    this.index = index
    this.ips = [`192.0.2.${index}`, `2001:db8::${index}`].slice(0, families)
    this.subnets = [`10.42.${index}.0/24`, `fd00:42:0:${index}::/64`].slice(0, families)
  }

  get podIps(): string[] {
    return this.subnets.map(subnet => nthAddress(subnet, 2))
  }

  /** Interfaces, bridge and pod, without an overlay. */
  async build(hub: Namespace, mtu: number): Promise<void> {
    const port = `p${this.index}`
    await hub.sh(`ip link add ${port} type veth peer name eth0 netns ${await this.net.pid()}
      ip link set ${port} master hub up`)
    await this.net.sh(`ip link set lo up; ip link set eth0 up
      ${this.ips.map(ip => `ip addr add ${ip}/${ip.includes(':') ? '64 nodad' : '24'} dev eth0`).join('\n')}
      echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
      ip link add vpod type veth peer name eth0 netns ${await this.pod.pid()}`)
    await prepareBridge(this.net.exec, { podCidrs: this.subnets, serviceCidrs: [], nodeIps: this.ips, mtu })
    await this.net.sh('ip link set vpod master cni0 up')
    await this.pod.sh(`ip link set lo up; ip link set eth0 mtu ${mtu} up
      ${this.subnets.map(subnet => `ip addr add ${nthAddress(subnet, 2)}/${subnet.split('/')[1]} dev eth0${subnet.includes(':') ? ' nodad' : ''}`).join('\n')}
      ${this.subnets.map(subnet => `ip route add default via ${gatewayOf(subnet).split('/')[0]}`).join('\n')}`)
  }

  async start(backendOf: (deps: BackendDeps) => Backend, client: MemoryClient, runDir: string): Promise<void> {
    this.#stop = new AbortController()
    const { signal } = this.#stop
    const note = (fields: object, message: string) => void this.warnings.push(`${message} ${JSON.stringify(fields)}`)
    const log = { debug: () => {}, info: () => {}, warn: note, error: note }
    const exec: Exec = (program, args, input = '') => {
      this.commands.push(`${[program, ...args].join(' ')}${input === '' ? '' : ` <<< ${input}`}`)
      return this.net.exec(program, args, input)
    }
    const effects = { clock: systemClock, log, random: Math.random }
    const informers: Informers = createInformers(client, { ...effects, signal })
    await exec(
      'nft',
      ['-f', '-'],
      masqueradeScript({ clusterCidrs: clusterCidrs.slice(0, this.subnets.length), ipv6: false }),
    )
    this.overlay = new Overlay(
      {
        node: this.name,
        clusterCidrs: clusterCidrs.slice(0, this.subnets.length),
        nodeIps: () => this.ips,
        externalIps: [],
        useExternalIps: false,
        iface: undefined,
      },
      {
        ...effects,
        backend: backendOf({ exec, log, bytes: randomBytes, runDir: join(runDir, this.name) }),
        nodes: informers.get(nodes),
        client,
        exec,
      },
    )
    this.overlay.start(signal)
    this.overlay.use(this.subnets)
  }

  /** As if the program had ended: the kernel's state stays. */
  stop(): void {
    this.#stop.abort()
  }

  async end(): Promise<void> {
    this.stop()
    // A program that stands in for the kernel ends with its device.
    for (const device of ['flannel-wg', 'flannel-wg-v6'])
      await this.net.exec('ip', ['link', 'del', device]).catch(() => undefined)
    this.net.end()
    this.pod.end()
  }
}

export class Machines {
  readonly client = new MemoryClient()
  readonly hub = new Namespace()
  readonly all: Machine[] = []
  readonly runDir = mkdtempSync(join(tmpdir(), 'skiff-overlay-'))
  readonly #backendOf: (deps: BackendDeps) => Backend
  readonly #families: 1 | 2

  constructor(backendOf: (deps: BackendDeps) => Backend, families: 1 | 2) {
    this.#backendOf = backendOf
    this.#families = families
  }

  async build(count: number, mtu: number): Promise<void> {
    await this.hub.sh('ip link add hub type bridge mcast_snooping 0; ip link set hub up')
    for (let index = 1; index <= count; index++) await this.add(index, mtu)
  }

  async add(index: number, mtu: number): Promise<Machine> {
    const machine = new Machine(index, this.#families)
    this.all.push(machine)
    await machine.build(this.hub, mtu)
    const spec = { podCIDR: machine.subnets[0]!, podCIDRs: [...machine.subnets] }
    await this.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: machine.name }, spec })
    await this.start(machine)
    return machine
  }

  start(machine: Machine): Promise<void> {
    return machine.start(this.#backendOf, this.client, this.runDir)
  }

  async destroy(): Promise<void> {
    await Promise.all(this.all.map(machine => machine.end()))
    this.hub.end()
    rmSync(this.runDir, { recursive: true, force: true })
  }
}

/** Tries until the check holds; its last failure is thrown after ten seconds. */
export async function eventually<T>(check: () => Promise<T>): Promise<T> {
  const end = Date.now() + 10_000
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise(resolve => setTimeout(resolve, 30))
    }
  }
}

export const hasPrograms = (...programs: string[]): boolean =>
  programs.every(program => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0)
