/**
 * Faults of the network between test beds: cuts in one or both directions, loss, thin lines. They are rules on the ports of
 * the network's bridge, so whatever travels is hit alike: ARP, IPv4, IPv6, an overlay's packets. Connections are not reset; what
 * was sent is gone, as with a pulled cable.
 */
import type { Bed } from './bed.ts'
import type { Network } from './network.ts'

/** A machine, or the one outside (198.51.100.1). */
export type Place = Bed | 'outside'

interface Fault {
  readonly from: Place | 'all'
  readonly to: Place | 'all'
  /** Of 100 frames, how many are lost. */
  readonly percent: number
}

export class Links {
  readonly #network: Network
  #faults: readonly Fault[] = []
  readonly #thin = new Set<Bed>()

  constructor(network: Network) {
    this.#network = network
  }

  /** Nothing passes between the two any more, or only from `b` to `a` with `oneWay`. */
  cut(a: Place, b: Place, { oneWay = false } = {}): Promise<void> {
    return this.#add({ from: a, to: b, percent: 100 }, ...(oneWay ? [] : [{ from: b, to: a, percent: 100 }]))
  }

  /** The machine is alone: its cable is pulled. */
  isolate(bed: Bed): Promise<void> {
    return this.#add({ from: bed, to: 'all', percent: 100 }, { from: 'all', to: bed, percent: 100 })
  }

  /** Nothing passes between machines of different groups. What is in no group talks to all. */
  async partition(...groups: readonly (readonly Place[])[]): Promise<void> {
    const others = (group: readonly Place[]) => groups.filter(one => one !== group).flat()
    await this.#add(
      ...groups.flatMap(group => group.flatMap(from => others(group).map(to => ({ from, to, percent: 100 })))),
    )
  }

  /** Loses that share of the frames between the two, at random. */
  lose(a: Place, b: Place, percent: number): Promise<void> {
    return this.#add({ from: a, to: b, percent }, { from: b, to: a, percent })
  }

  /** What the machine receives comes through a thin line: it queues, up to 400 ms, then is lost. */
  async thin(bed: Bed, kilobits: number): Promise<void> {
    this.#thin.add(bed)
    const shape = ['tbf', 'rate', `${kilobits}kbit`, 'burst', '16kbit', 'latency', '400ms']
    await this.#do(['tc', 'qdisc', 'replace', 'dev', bed.port, 'root', ...shape])
  }

  /** All is well again. */
  async heal(): Promise<void> {
    this.#faults = []
    await this.#write()
    for (const bed of this.#thin) await this.#network.run(['tc', 'qdisc', 'del', 'dev', bed.port, 'root'])
    this.#thin.clear()
  }

  async #add(...faults: readonly Fault[]): Promise<void> {
    this.#faults = [...this.#faults, ...faults]
    await this.#write()
  }

  /** All rules change in one moment. */
  async #write(): Promise<void> {
    const chains = (['forward', 'input', 'output'] as const).map(hook => {
      const rules = this.#faults.flatMap(fault => rule(hook, fault))
      return `chain ${hook} { type filter hook ${hook} priority 0; ${rules.map(text => `${text}; `).join('')}}`
    })
    await this.#do(
      ['nft', '-f', '-'],
      `table bridge faults\ndelete table bridge faults\ntable bridge faults {\n${chains.join('\n')}\n}\n`,
    )
  }

  async #do(command: readonly string[], input = ''): Promise<void> {
    const { code, stderr } = await this.#network.run(command, { input })
    if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  }
}

/** Frames between machines are forwarded; those from and to the machine outside are the bridge's own. */
function rule(hook: 'forward' | 'input' | 'output', { from, to, percent }: Fault): string[] {
  const inside = { forward: [true, true], input: [true, false], output: [false, true] }[hook]
  const applies = (place: Place | 'all', machine: boolean) => place === 'all' || (place !== 'outside') === machine
  if (!applies(from, inside[0]!) || !applies(to, inside[1]!)) return []
  const words = [
    ...(typeof from === 'string' ? [] : [`iifname "${from.port}"`]),
    ...(typeof to === 'string' ? [] : [`oifname "${to.port}"`]),
    ...(percent < 100 ? [`numgen random mod 100 < ${percent}`] : []),
    'drop',
  ]
  return [words.join(' ')]
}
