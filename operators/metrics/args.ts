/** The flags of metrics-server that mean something here; its other known flags are accepted without effect. */
import { parseDuration } from '../../bootstrap/api/time.ts'

export interface Settings {
  readonly port: number
  readonly resolutionMs: number
  readonly requestTimeoutMs: number
  /** Node address types, the preferred one first. */
  readonly addressTypes: readonly string[]
  readonly useNodeStatusPort: boolean
  readonly kubeletPort: number
  readonly insecureKubelet: boolean
  /** Files; empty: the service account's. */
  readonly kubeletCa: string
  readonly kubeletCertificate: string
  readonly kubeletKey: string
  /** Label selector of the nodes to look at. */
  readonly nodeSelector: string
}

const withoutEffect =
  /^(cert-dir|tls-.*|authentication-.*|authorization-.*|requestheader-.*|client-ca-file|bind-address|http2-.*|v|vmodule|logging-format|log-.*|profiling|audit-.*|permit-.*|disable-.*)$/

/** Throws, naming the flag, for one that is unknown or has a bad value. */
export function parseArgs(args: readonly string[]): Settings {
  const given = new Map<string, string>()
  for (const arg of args) {
    const [, name, value = 'true'] = /^--?([^=]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === undefined)
      throw new Error(`unexpected argument ${JSON.stringify(arg)}: flags have the form --name=value`)
    given.set(name, value)
  }
  const take = (name: string, fallback: string) => {
    const value = given.get(name) ?? fallback
    given.delete(name)
    return value
  }
  const duration = (name: string, fallback: string, least: number) => {
    const text = take(name, fallback)
    const ms = parseDuration(text)
    if (ms === undefined || ms < least) {
      throw new Error(`--${name}=${text}: must be a duration of at least ${least / 1000}s`)
    }
    return ms
  }
  const port = (name: string, fallback: string) => {
    const text = take(name, fallback)
    if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 65_535) {
      throw new Error(`--${name}=${text}: must be a port`)
    }
    return Number(text)
  }
  const settings: Settings = {
    port: port('secure-port', '443'),
    resolutionMs: duration('metric-resolution', '60s', 10_000),
    requestTimeoutMs: duration('kubelet-request-timeout', '10s', 1),
    addressTypes: take(
      'kubelet-preferred-address-types',
      'Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP',
    ).split(','),
    useNodeStatusPort: take('kubelet-use-node-status-port', 'false') === 'true',
    kubeletPort: port('kubelet-port', '10250'),
    insecureKubelet: take('kubelet-insecure-tls', 'false') === 'true',
    kubeletCa: take('kubelet-certificate-authority', ''),
    kubeletCertificate: take('kubelet-client-certificate', ''),
    kubeletKey: take('kubelet-client-key', ''),
    nodeSelector: take('node-selector', ''),
  }
  const unknown = [...given.keys()].find(name => !withoutEffect.test(name))
  if (unknown !== undefined) throw new Error(`unknown flag: --${unknown}`)
  return settings
}
