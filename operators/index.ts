/** Everything that runs on the kernel, in one place: the only file that knows all operators. */
import { join } from 'node:path'
import { systemClock } from '../bootstrap/client/clock.ts'
import type { Kernel, Userland } from '../bootstrap/userland.ts'
import { addonOperator } from './addon/operator.ts'
import { coreOperators } from './core/index.ts'
import { schedulerOperator } from './core/scheduler/index.ts'
import { nodeHosts } from './coredns/node-hosts.ts'
import { embeddedModules } from './embedded-modules.ts'
import { etcdMembers, etcdNode } from './etcd/members.ts'
import type { JobSettings } from './helmchart/job-template.ts'
import { helmChartOperator } from './helmchart/operator.ts'
import { packagedCharts } from './helmchart/packaged/stage.ts'
import { cloudNodes } from './nodes/cloud.ts'
import { nodeIpam } from './nodes/ipam.ts'
import { nodePasswords } from './nodes/passwords.ts'
import { controlPlaneRole } from './nodes/roles.ts'
import type { Part } from './part.ts'
import { reservedPorts } from './reserved-ports.ts'
import { ensureCrds } from './runtime/crds.ts'
import type { Operator } from './runtime/operator.ts'
import { serviceLb } from './servicelb/operator.ts'
import { serviceLbCleanup } from './servicelb/release.ts'
import { snapshotConfigMap } from './snapshot/config-map.ts'
import { snapshotOperator } from './snapshot/operator.ts'
import { fetchSnapshot } from './snapshot/s3/fetch.ts'
import { runAlone } from './standalone.ts'
import { startParts } from './start.ts'
import { upgradeOperator } from './upgrade/operator.ts'
import { defaultController, defaultNamespace } from './upgrade/round.ts'

const parts: { readonly [name: string]: Part } = {
  core: {
    lease: 'kube-controller-manager',
    on: config => !config.disableControllerManager,
    operators: ({ caPem, candidate, config }) =>
      coreOperators({ ca: caPem, several: candidate !== undefined, controllerArgs: config.controllerArgs }),
  },
  scheduler: {
    lease: 'kube-scheduler',
    on: config => !config.disableScheduler,
    operators: () => [schedulerOperator()],
  },
  'node-ipam': {
    lease: 'kube-controller-manager',
    on: config => !config.disableControllerManager,
    operators: ({ config }) => [nodeIpam(config)],
  },
  'node-password': { operators: () => [nodePasswords()] },
  'control-plane-role': {
    everywhere: true,
    on: config => !config.disableAgent,
    operators: ({ config }) => [controlPlaneRole(config.nodeName)],
  },
  etcd: {
    everywhere: true,
    operators: ({ config, etcd }) =>
      etcd ? [etcdMembers(etcd), ...(config.disableAgent ? [] : [etcdNode(config.nodeName, etcd)])] : [],
  },
  'etcd-snapshot': {
    everywhere: true,
    operators: kernel => snapshotOperator(kernel),
    crds: ['etcdsnapshotfiles.k3s.cattle.io.yaml'],
  },
  'etcd-snapshot-configmap': {
    operators: () => [snapshotConfigMap()],
    crds: ['etcdsnapshotfiles.k3s.cattle.io.yaml'],
  },
  'cloud-controller': {
    lease: 'k3s-cloud-controller-manager',
    on: config => !config.disableCloudController,
    operators: () => [cloudNodes],
  },
  coredns: { on: config => !config.disabled.has('coredns'), operators: () => [nodeHosts] },
  servicelb: {
    lease: 'k3s-cloud-controller-manager',
    on: config => !config.disabled.has('servicelb'),
    operators: kernel => [balancers(kernel)],
  },
  'servicelb-cleanup': {
    lease: 'k3s-cloud-controller-manager',
    on: config => config.disabled.has('servicelb'),
    operators: ({ config }) => [serviceLbCleanup(config.servicelbNamespace)],
  },
  'packaged-charts': {
    everywhere: true,
    operators: ({ config, home }) => [
      packagedCharts(join(home, 'charts'), join(config.dataDir, 'server/static/charts')),
    ],
  },
  helmchart: {
    on: config => !config.disableHelmController,
    operators: ({ config }) => [helmChartOperator(helmJobs(config))],
    crds: ['helmcharts.helm.cattle.io.yaml', 'helmchartconfigs.helm.cattle.io.yaml'],
  },
  upgrade: {
    on: config => !config.disabled.has('system-upgrade'),
    operators: ({ config }) => [upgrades(config.nodeName)],
    crds: ['plans.upgrade.cattle.io.yaml'],
  },
  'metrics-server': {},
  'local-path': {},
  ingress: {},
  deploy: { everywhere: true, operators: kernel => [deploy(kernel)], crds: ['addons.k3s.cattle.io.yaml'] },
}

function balancers({ config, etcd }: Kernel): Operator {
  const { servicelbNamespace: namespace, pauseImage: image } = config
  return serviceLb({ namespace, image, reserved: reservedPorts(config, etcd !== undefined) })
}

/** Its settings are the environment of upstream's controller. */
function upgrades(nodeName: string): Operator {
  const { env } = process
  return upgradeOperator({
    namespace: env.SYSTEM_UPGRADE_CONTROLLER_NAMESPACE || defaultNamespace,
    controller: env.SYSTEM_UPGRADE_CONTROLLER_NAME || defaultController,
    nodeName,
    env,
  })
}

function deploy({ config, home }: Kernel): Operator {
  return addonOperator({
    packaged: join(home, 'manifests'),
    target: join(config.dataDir, 'server/manifests'),
    variables: manifestVariables(config),
    disabled: disabledManifests(config),
    nodeName: config.nodeName,
    pruneByDefault: config.pruneManifests,
  })
}

const proxyVariables = ['all_proxy', 'http_proxy', 'https_proxy', 'no_proxy'].flatMap(name => [
  name,
  name.toUpperCase(),
])

/** Helm's Jobs reach charts the way the server would. */
function helmJobs({ helmJobImage, httpsPort }: Kernel['config']): JobSettings {
  const given = proxyVariables.map(name => [name, process.env[name] ?? ''])
  return {
    image: helmJobImage === '' ? undefined : helmJobImage,
    apiServerPort: httpsPort,
    proxies: Object.fromEntries(given.filter(([, value]) => value !== '')),
  }
}

/** The identity of K3s' cloud controller stays as long as either of its halves runs. */
function disabledManifests({ disabled, disableCloudController }: Kernel['config']): ReadonlySet<string> {
  return disableCloudController && disabled.has('servicelb') ? new Set([...disabled, 'ccm']) : disabled
}

/** K3s' template variables of packaged manifests. */
function manifestVariables(config: Kernel['config']): { readonly [name: string]: string } {
  const registry = config.systemDefaultRegistry
  return {
    CLUSTER_DNS: config.clusterDns[0]!,
    CLUSTER_DNS_LIST: `[${config.clusterDns.join(',')}]`,
    CLUSTER_DNS_IPFAMILYPOLICY: config.clusterDns.length > 1 ? 'RequireDualStack' : 'SingleStack',
    CLUSTER_DOMAIN: config.clusterDomain,
    DEFAULT_LOCAL_STORAGE_PATH: config.defaultLocalStoragePath,
    SYSTEM_DEFAULT_REGISTRY: registry === '' ? '' : `${registry}/`,
    SYSTEM_DEFAULT_REGISTRY_RAW: registry,
    PREFERRED_ADDRESS_TYPES: `${config.flannelExternalIp ? 'ExternalIP,InternalIP' : 'InternalIP,ExternalIP'},Hostname`,
  }
}

export const userland: Userland = {
  embeddedModules,
  parts: Object.keys(parts),
  fetchSnapshot,
  async start(kernel) {
    const { client, config, signal } = kernel
    await ensureCrds(client, join(kernel.home, 'crds'), systemClock, signal)
    return startParts(
      Object.values(parts).filter(part => part.on?.(config) ?? true),
      kernel,
    )
  },
  runAlone: (kernel, alone) => runAlone(kernel, alone, parts[alone.name]!, embeddedModules.get(alone.name)),
}
