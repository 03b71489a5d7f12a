/** The overlay of this node, as its flags ask for: chosen, cleared of what another one left, and started. */
import { randomBytes } from 'node:crypto'
import { cidrFamily } from '../../../api/cidr.ts'
import type { BackendName } from './backend.ts'
import { type Backend, type BackendDeps, backendNames } from './backend.ts'
import { acceptForwarding } from './forward.ts'
import { masqueradeScript, noMasqueradeScript } from './masquerade.ts'
import { forgetNetConf, lastBackend, writeNetConf, writeSubnetEnv } from './net-conf.ts'
import { Overlay, type OverlayDeps, type OverlayOptions } from './overlay.ts'

export interface OverlaySettings extends OverlayOptions {
  readonly backend: string
  readonly dataDir: string
  /** --flannel-ipv6-masq */
  readonly ipv6Masquerade: boolean
  /** /run/flannel */
  readonly runDir?: string
}

export interface RunningOverlay {
  /** The node's pod networks are known. Resolves with the MTU that pods get. */
  use(subnets: readonly string[]): Promise<number>
  /** The machine's devices or addresses may have changed. */
  recheck(): void
}

/** Undefined for "none". Throws a ConfigError when the machine cannot do what was asked for. */
export async function startOverlay(
  settings: OverlaySettings,
  deps: Omit<OverlayDeps, 'backend'>,
  signal: AbortSignal,
): Promise<RunningOverlay | undefined> {
  const { clusterCidrs, dataDir, runDir = '/run/flannel' } = settings
  const backendDeps = { exec: deps.exec, log: deps.log, bytes: randomBytes, runDir }
  const backend = isBackend(settings.backend) ? await backendOf(settings.backend, backendDeps) : undefined
  await backend?.check?.()
  await leaveOthers(backend, settings, backendDeps)
  if (!backend) return undefined
  writeNetConf(dataDir, clusterCidrs, backend.type)
  await deps.exec('nft', ['-f', '-'], masqueradeScript({ clusterCidrs, ipv6: settings.ipv6Masquerade }))
  const overlay = new Overlay(settings, { ...deps, backend })
  overlay.start(signal)
  const accept = () =>
    acceptForwarding(deps.exec, clusterCidrs).catch(error =>
      deps.log.warn({ error: (error as Error).message }, 'cannot let pods through the firewall of this machine'),
    )
  void accept()
  return {
    async use(subnets) {
      const mtu = await overlay.mtu(subnets)
      writeSubnetEnv(runDir, { clusterCidrs, subnets, mtu })
      overlay.use(subnets)
      return mtu
    },
    recheck() {
      overlay.recheck()
      void accept()
    },
  }
}

const isBackend = (name: string): name is BackendName => (backendNames as readonly string[]).includes(name)

async function backendOf(name: BackendName, deps: BackendDeps): Promise<Backend> {
  switch (name) {
    case 'vxlan':
      return (await import('./vxlan.ts')).vxlan(deps)
    case 'host-gw':
      return (await import('./host-gw.ts')).hostGateway(deps)
    case 'wireguard-native':
      return (await import('./wireguard.ts')).wireguard(deps)
  }
}

/** What the backend of an earlier start made would lead packets astray. Without a word of it nothing is touched. */
async function leaveOthers(
  backend: Backend | undefined,
  { clusterCidrs, dataDir }: OverlaySettings,
  deps: BackendDeps,
): Promise<void> {
  const last = lastBackend(dataDir)
  if (last === undefined || last === backend?.type) return
  for (const name of backendNames) {
    const other = await backendOf(name, deps)
    if (other.type !== last) continue
    deps.log.info({ backend: last }, 'removing what the former overlay backend made')
    for (const cluster of clusterCidrs) await other.remove({ family: cidrFamily(cluster)!, cluster })
  }
  if (backend) return
  await deps.exec('nft', ['-f', '-'], noMasqueradeScript(clusterCidrs))
  forgetNetConf(dataDir)
}
