/**
 * What a server tells the nodes that join it: GET /v1-k3s/config. Field names and forms are those of K3s' control
 * configuration as Go writes it in JSON (k3s-io/k3s pkg/daemons/config/types.go, `Control`).
 */
import { isIP } from 'node:net'
import { addressBytes, addressText } from '../pki/certificate.ts'

/** Go's net.IPNet: an address, and its mask as base64. */
export interface IpNet {
  readonly IP: string
  readonly Mask: string
}

/** What servers of one cluster must agree on. */
export interface CriticalConfig {
  readonly ClusterDNS: string
  readonly ClusterDNSs: readonly string[]
  readonly ClusterDomain: string
  readonly ClusterIPRange: IpNet
  readonly ClusterIPRanges: readonly IpNet[]
  readonly ServiceIPRange: IpNet
  readonly ServiceIPRanges: readonly IpNet[]
  readonly DisableCCM: boolean
  readonly DisableHelmController: boolean
  readonly DisableNPC: boolean
  readonly DisableServiceLB: boolean
  readonly EncryptSecrets: boolean
  readonly EncryptProvider: string
  readonly EmbeddedRegistry: boolean
  readonly FlannelBackend: string
  readonly FlannelIPv6Masq: boolean
  readonly FlannelExternalIP: boolean
  readonly EgressSelectorMode: string
  readonly SupervisorMetrics: boolean
}

export interface ControlConfig extends CriticalConfig {
  readonly AdvertiseIP: string
  readonly AdvertisePort: number
  readonly HTTPSPort: number
  readonly SupervisorPort: number
  readonly APIServerPort: number
  /** Base and number of node ports. */
  readonly ServiceNodePortRange: { readonly Base: number; readonly Size: number }
  readonly DisableAPIServer: boolean
  readonly DisableETCD: boolean
  readonly DisableKubeProxy: boolean
  readonly DisableScheduler: boolean
  readonly ServiceLBNamespace: string
  readonly SystemDefaultRegistry: string
  readonly ServerNodeName: string
  /** The secret of an encrypting overlay that K3s once had; empty. */
  readonly IPSECPSK: string
}

/** "10.42.0.0/16" as Go's net.IPNet. */
export function ipNet(cidr: string): IpNet {
  const [address = '', bits = ''] = cidr.split('/')
  const bytes = addressBytes(address)
  const mask = maskOf(Number(bits), bytes.length)
  const network = Buffer.from(bytes.map((byte, at) => byte & mask[at]!))
  return { IP: addressText(network), Mask: mask.toString('base64') }
}

/** The inverse of ipNet. Throws an Error in one line for what is no network. */
export function cidrOf(net: IpNet): string {
  const mask = Buffer.from(net.Mask, 'base64')
  const bits = [...mask].map(byte => byte.toString(2).padStart(8, '0')).join('')
  const ones = bits.indexOf('0') < 0 ? bits.length : bits.indexOf('0')
  const family = isIP(net.IP)
  if (family === 0 || bits.length !== (family === 4 ? 32 : 128) || bits.includes('1', ones))
    throw new Error(`the server's configuration names a network that is none: ${JSON.stringify(net)}`)
  return `${net.IP}/${ones}`
}

function maskOf(ones: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => 0xff & (0xff00 >> Math.min(8, Math.max(0, ones - at * 8)))))
}
