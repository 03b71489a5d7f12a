/** The node's CNI configuration: K3s' network cbr0 on the bridge cni0, addresses from the node's pod CIDR. */
import { accessSync, constants, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cidrFamily } from '../../api/cidr.ts'

export interface CniOptions {
  /** One per family. */
  readonly podCidrs: readonly string[]
  readonly mtu: number
}

export const bridgeName = 'cni0'
export const networkName = 'cbr0'

/**
 * The conflist K3s calls 10-flannel.conflist, with the standard bridge plugin in flannel's place. The bridge's addresses are
 * the agent's business (host.ts): the plugin would take those of embedded pods off it.
 */
export function conflist({ podCidrs, mtu }: CniOptions): string {
  const routes = podCidrs.map(cidr => ({ dst: cidrFamily(cidr) === 'IPv6' ? '::/0' : '0.0.0.0/0' }))
  const bridge = {
    type: 'bridge',
    bridge: bridgeName,
    hairpinMode: true,
    ipMasq: false,
    mtu,
    ipam: { type: 'host-local', ranges: podCidrs.map(subnet => [{ subnet }]), routes },
  }
  const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: true }
  return `${JSON.stringify({ cniVersion: '0.4.0', name: networkName, plugins: [bridge, portmap] }, null, 2)}\n`
}

/**
 * Writes the configuration into `dir` unless it is there already; containerd picks it up by itself. `file` is one of the
 * user's to be used in place of ours; throws when it cannot be read.
 */
export function writeConflist(dir: string, options: CniOptions, file?: string): void {
  const path = join(dir, '10-flannel.conflist')
  const text = file === undefined ? conflist(options) : readFileSync(file, 'utf8')
  if (readOr(path, '') === text) return
  mkdirSync(dir, { recursive: true })
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return fallback
  }
}

/** The first folder that has the plugins this configuration needs; undefined when none has. */
export function findPlugins(folders: readonly string[]): string | undefined {
  return folders.find(folder =>
    ['bridge', 'host-local', 'portmap', 'loopback'].every(plugin => executable(join(folder, plugin))),
  )
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
