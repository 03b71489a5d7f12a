/**
 * Pod addresses of embedded pods. They come from the same host-local range as those of containers, so that the two never
 * meet, and lie on the bridge itself: what listens there is this process.
 */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cidrFamily } from '../../api/cidr.ts'
import { bridgeName, networkName } from '../network/cni.ts'
import type { Exec } from '../network/exec.ts'

export interface AddressPool {
  /** Fresh addresses for the sandbox `id`, one per family, the primary one first. */
  allocate(id: string): Promise<readonly string[]>
  release(id: string, ips: readonly string[]): Promise<void>
}

const owner = 'embedded-'

export class HostLocalPool implements AddressPool {
  readonly #exec: Exec
  readonly #pluginDir: string
  readonly #podCidrs: () => Promise<readonly string[]>
  readonly #stateDir: string

  /** `podCidrs` may wait until the node has them. */
  constructor(options: {
    exec: Exec
    pluginDir: string
    podCidrs: () => Promise<readonly string[]>
    stateDir?: string
  }) {
    this.#exec = options.exec
    this.#pluginDir = options.pluginDir
    this.#podCidrs = options.podCidrs
    this.#stateDir = options.stateDir ?? `/var/lib/cni/networks/${networkName}`
  }

  async allocate(id: string): Promise<readonly string[]> {
    const result = JSON.parse(await this.#plugin('ADD', id)) as { ips: { address: string }[] }
    const ips = result.ips.map(({ address }) => address.split('/')[0]!)
    for (const ip of ips) await this.#exec('ip', ['addr', 'replace', alone(ip), 'dev', bridgeName, ...withoutDoubt(ip)])
    return ips
  }

  async release(id: string, ips: readonly string[]): Promise<void> {
    for (const ip of ips) await this.#exec('ip', ['addr', 'del', alone(ip), 'dev', bridgeName]).catch(() => '')
    await this.#plugin('DEL', id)
  }

  /** Gives back what a process that is no more had taken: embedded pods end with their process. */
  async reclaim(): Promise<void> {
    for (const ip of await readdir(this.#stateDir).catch(() => [])) {
      const file = join(this.#stateDir, ip)
      const content = await readFile(file, 'utf8').catch(() => '')
      if (!content.startsWith(owner)) continue
      await rm(file, { force: true })
      await this.#exec('ip', ['addr', 'del', alone(ip), 'dev', bridgeName]).catch(() => '')
    }
  }

  async #plugin(command: 'ADD' | 'DEL', id: string): Promise<string> {
    const ranges = (await this.#podCidrs()).map(subnet => [{ subnet }])
    const ipam = { type: 'host-local', ranges }
    const config = JSON.stringify({ cniVersion: '0.4.0', name: networkName, type: 'host-local', ipam })
    const env = [
      `CNI_COMMAND=${command}`,
      `CNI_CONTAINERID=${owner}${id}`,
      'CNI_NETNS=none',
      'CNI_IFNAME=eth0',
      `CNI_PATH=${this.#pluginDir}`,
    ]
    return this.#exec('env', [...env, join(this.#pluginDir, 'host-local')], config)
  }
}

const alone = (ip: string): string => `${ip}/${cidrFamily(ip) === 'IPv6' ? 128 : 32}`

/** The kernel need not ask whether another machine has it: this node hands it out. */
const withoutDoubt = (ip: string): string[] => (cidrFamily(ip) === 'IPv6' ? ['nodad'] : [])
