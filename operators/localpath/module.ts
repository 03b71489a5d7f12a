/** local-path-provisioner as an embedded module: watches claims and volumes, and has directories made on their nodes. */
import { existsSync } from 'node:fs'
import type { EmbeddedContext, EmbeddedModule } from '../../bootstrap/agent/embedded/module.ts'
import { isNotFound } from '../../bootstrap/api/errors.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { configMaps } from '../../bootstrap/client/resources.ts'
import { createEventRecorder } from '../runtime/events.ts'
import type { Cluster, Logger } from '../runtime/operator.ts'
import { runOperators } from '../runtime/run.ts'
import type { HelperSettings } from './helper-pod.ts'
import { HelperRuns } from './helper-runs.ts'
import { type ProvisionerDeps, provisionOperator } from './provision.ts'
import { removeOperator } from './remove.ts'
import { followConfigMap, followFiles, type SettingsChange, SettingsKeeper } from './settings.ts'
import { provisionerName } from './volume.ts'

const runtimeClasses: Resource = {
  group: 'node.k8s.io',
  version: 'v1',
  resource: 'runtimeclasses',
  kind: 'RuntimeClass',
  namespaced: false,
}

export const localPathModule: EmbeddedModule = {
  async run(context) {
    const { args, client, env, pod, signal } = context
    const flag = flagsOf(args)
    const log = loggerOf(context)
    const effects = { clock: systemClock, log, signal, random: Math.random }
    const component = `${provisionerName}_${pod.name}_${pod.uid}`
    const recorder = createEventRecorder({ client, clock: systemClock, log, component, host: pod.nodeName })
    // Upstream's events all carry the provisioner's own name.
    const events = { event: recorder.event.bind(recorder) }
    const cluster: Cluster = { ...effects, client, informers: createInformers(client, effects), events }
    const namespace = env.POD_NAMESPACE ?? pod.namespace
    const helper: HelperSettings = {
      namespace,
      serviceAccount: flag('service-account-name') ?? 'local-path-provisioner-service-account',
      configMap: flag('configmap-name') ?? 'local-path-config',
      image: flag('helper-image') ?? 'rancher/mirrored-library-busybox:1.37.0',
      embedded: await runsModules(client),
    }
    const told = (change: SettingsChange) => void report(change, helper, cluster, context)
    const keeper = new SettingsKeeper(told)
    const path = context.hostPath(flag('config') ?? '/etc/config/config.json')
    // Outside of its pod there are no files, unless somebody names one.
    if (flag('config') === undefined && !existsSync(path))
      followConfigMap(keeper, cluster.informers, namespace, helper.configMap)
    else followFiles(keeper, path, signal)
    const runs = new HelperRuns(cluster)
    const deps: ProvisionerDeps = {
      settings: () => keeper.current(),
      helper,
      runs: () => runs,
      workers: Number(flag('worker-threads') ?? 4),
    }
    log.info({}, 'Provisioner started')
    await runOperators([provisionOperator(deps), removeOperator(deps)], cluster)
    return 0
  },
}

/** "--name value" and "--name=value". */
function flagsOf(args: readonly string[]): (name: string) => string | undefined {
  return name => {
    const joined = args.find(arg => arg.startsWith(`--${name}=`))
    const at = args.indexOf(`--${name}`)
    return joined?.slice(name.length + 3) ?? (at < 0 ? undefined : args[at + 1])
  }
}

/** Whether the cluster has our runtime class; another Kubernetes runs real helpers. */
async function runsModules(client: Client): Promise<boolean> {
  try {
    await client.get(runtimeClasses, { name: 'embedded' })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

async function report(
  change: SettingsChange,
  { configMap, namespace }: HelperSettings,
  { client, events, log }: Cluster,
  { pod }: EmbeddedContext,
): Promise<void> {
  if (change.kind === 'used') {
    log.info({}, 'Applied config')
    return
  }
  const message = change.problem
  log.error({}, `failed to load the new config file: ${message}`)
  const { name, uid } = pod
  events.event(
    { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: pod.namespace, uid } },
    'Warning',
    'InvalidConfiguration',
    message,
  )
  try {
    const { metadata } = await client.get(configMaps, { name: configMap, namespace })
    events.event({ apiVersion: 'v1', kind: 'ConfigMap', metadata }, 'Warning', 'InvalidConfiguration', message)
  } catch {
    // The settings come from elsewhere: the log and the pod say it.
  }
}

function loggerOf({ stdout }: EmbeddedContext): Logger {
  const line = (level: string) => (fields: object, text: string) => {
    const { err, key } = fields as { err?: Error; key?: string }
    stdout(
      `time="${new Date().toISOString()}" level=${level} msg=${JSON.stringify([key, text, err?.message].filter(Boolean).join(': '))}\n`,
    )
  }
  return { debug: () => {}, info: line('info'), warn: line('warning'), error: line('error') }
}
