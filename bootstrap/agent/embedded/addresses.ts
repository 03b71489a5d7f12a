/**
 * Pod addresses of embedded pods. They come from the same host-local range as those of containers, so that the two never
 * meet, and lie on the bridge itself: what listens there is this process.
 */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { bridgeName, networkName } from '../network/cni.ts'
import type { Exec } from '../network/exec.ts'

export interface AddressPool {
  /** A fresh address for the sandbox `id`. */
  allocate(id: string): Promise<string>
  release(id: string, ip: string): Promise<void>
}

const owner = 'embedded-'

export class HostLocalPool implements AddressPool {
  readonly #exec: Exec
  readonly #pluginDir: string
  readonly #podCidr: () => Promise<string>
  readonly #stateDir: string

  /** `podCidr` may wait until the node has one. */
  constructor(options: { exec: Exec; pluginDir: string; podCidr: () => Promise<string>; stateDir?: string }) {
    this.#exec = options.exec
    this.#pluginDir = options.pluginDir
    this.#podCidr = options.podCidr
    this.#stateDir = options.stateDir ?? `/var/lib/cni/networks/${networkName}`
  }

  async allocate(id: string): Promise<string> {
    const result = JSON.parse(await this.#plugin('ADD', id)) as { ips: { address: string }[] }
    const ip = result.ips[0]!.address.split('/')[0]!
    await this.#exec('ip', ['addr', 'replace', `${ip}/32`, 'dev', bridgeName])
    return ip
  }

  async release(id: string, ip: string): Promise<void> {
    await this.#exec('ip', ['addr', 'del', `${ip}/32`, 'dev', bridgeName]).catch(() => '')
    await this.#plugin('DEL', id)
  }

  /** Gives back what a process that is no more had taken: embedded pods end with their process. */
  async reclaim(): Promise<void> {
    for (const ip of await readdir(this.#stateDir).catch(() => [])) {
      const file = join(this.#stateDir, ip)
      const content = await readFile(file, 'utf8').catch(() => '')
      if (!content.startsWith(owner)) continue
      await rm(file, { force: true })
      await this.#exec('ip', ['addr', 'del', `${ip}/32`, 'dev', bridgeName]).catch(() => '')
    }
  }

  async #plugin(command: 'ADD' | 'DEL', id: string): Promise<string> {
    const ipam = { type: 'host-local', ranges: [[{ subnet: await this.#podCidr() }]] }
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
