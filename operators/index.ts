/** Everything that runs on the kernel, in one place: the only file that knows all operators. */
import { join } from 'node:path'
import type { EmbeddedModules } from '../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../bootstrap/client/clock.ts'
import { createInformers } from '../bootstrap/client/informers.ts'
import type { Kernel, Userland } from '../bootstrap/userland.ts'
import { addonOperator } from './addon/operator.ts'
import { coreOperators } from './core/index.ts'
import { schedulerOperator } from './core/scheduler/index.ts'
import { nodeHosts } from './coredns/node-hosts.ts'
import { nodeIpam } from './nodes/ipam.ts'
import { controlPlaneRole } from './nodes/roles.ts'
import { ensureCrds } from './runtime/crds.ts'
import { createEventRecorder } from './runtime/events.ts'
import { operatorMetrics } from './runtime/metrics.ts'
import type { Cluster, Operator } from './runtime/operator.ts'
import { runOperators } from './runtime/run.ts'

const embeddedModules: EmbeddedModules = new Map([
  ['coredns', async () => (await import('./coredns/module.ts')).corednsModule],
])

function operators({ config, caPem, home }: Kernel): Operator[] {
  return [
    ...coreOperators({ ca: caPem }),
    ...(config.disableScheduler ? [] : [schedulerOperator()]),
    nodeIpam(config.clusterCidrs[0]!),
    ...(config.disableAgent ? [] : [controlPlaneRole(config.nodeName)]),
    ...(config.disabled.has('coredns') ? [] : [nodeHosts]),
    addonOperator({
      packaged: join(home, 'manifests'),
      target: join(config.dataDir, 'server/manifests'),
      variables: manifestVariables(config),
      disabled: config.disabled,
      nodeName: config.nodeName,
      pruneByDefault: config.pruneManifests,
    }),
  ]
}

/** K3s' template variables of packaged manifests. */
function manifestVariables(config: Kernel['config']): { readonly [name: string]: string } {
  const registry = config.systemDefaultRegistry
  return {
    CLUSTER_DNS: config.clusterDns[0]!,
    CLUSTER_DNS_LIST: `[${config.clusterDns.join(',')}]`,
    CLUSTER_DNS_IPFAMILYPOLICY: 'SingleStack',
    CLUSTER_DOMAIN: config.clusterDomain,
    DEFAULT_LOCAL_STORAGE_PATH: config.defaultLocalStoragePath,
    SYSTEM_DEFAULT_REGISTRY: registry === '' ? '' : `${registry}/`,
    SYSTEM_DEFAULT_REGISTRY_RAW: registry,
    PREFERRED_ADDRESS_TYPES: 'InternalIP,ExternalIP,Hostname',
  }
}

export const userland: Userland = {
  embeddedModules,
  async start(kernel) {
    const { client, log, metrics, signal } = kernel
    const effects = { clock: systemClock, log, signal, random: Math.random }
    await ensureCrds(client, join(kernel.home, 'crds'), systemClock, signal)
    const events = createEventRecorder({ client, clock: systemClock, log, component: 'skiff' })
    const cluster: Cluster = { ...effects, client, informers: createInformers(client, effects), events }
    void runOperators(operators(kernel), cluster, operatorMetrics(metrics)).catch(error => {
      if (!signal.aborted) log.error({ err: error }, 'the operators have stopped')
    })
  },
}
