/**
 * `skiff prepare-upgrade PLAN`: what the upgrade image's `prepare` runs in a pod. Asks as the pod's service account, which
 * needs to get, list and watch Plans of its namespace and Nodes.
 */
import { homedir } from 'node:os'
import type { KubeObject } from '../../api/object.ts'
import { systemClock } from '../../client/clock.ts'
import { findKubeconfig } from '../../client/default-kubeconfig.ts'
import { createInformers } from '../../client/informers.ts'
import type { Kubeconfig } from '../../client/kubeconfig.ts'
import { remoteClient } from '../../client/remote.ts'
import { namespaced, nodes as nodeResource } from '../../client/resources.ts'
import { stayUntil } from '../../client/stay.ts'
import { ConfigError } from '../../config/parse.ts'
import { type ControlPlanePlan, waitingFor } from './readiness.ts'

const plans = namespaced<KubeObject & ControlPlanePlan>('upgrade.cattle.io', 'v1', 'plans', 'Plan')
const controlPlane = { labelSelector: 'node-role.kubernetes.io/control-plane' }

/** Resolves with the exit code once the control plane is ready, or when the process is asked to end (143). */
export async function runPrepareUpgrade(args: readonly string[], host: NodeJS.Process): Promise<number> {
  const [name, ...others] = args
  if (name === undefined || name.startsWith('-') || others.length > 0)
    throw new ConfigError("prepare-upgrade wants one argument, the name of the control plane's Plan")
  const wanted = host.env.SYSTEM_UPGRADE_PLAN_LATEST_VERSION
  if (!wanted) throw new ConfigError('SYSTEM_UPGRADE_PLAN_LATEST_VERSION is not set: this runs in the Job of a Plan')
  const { remote, namespace } = await cluster(host)
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) host.once(signal, () => stop.abort())
  stayUntil(stop.signal)
  const client = remoteClient({ ...remote, userAgent: 'skiff-prepare-upgrade' })
  const say = (text: string) => void host.stdout.write(`[INFO]  ${text}\n`)
  const log = { warn: (fields: object, message: string) => say(`${message}: ${JSON.stringify(fields)}`) }
  const effects = { clock: systemClock, random: Math.random, maxBackoffMs: 5000, log, signal: stop.signal }
  const informers = createInformers(client, effects)
  const planInformer = informers.get(plans, { namespace, fieldSelector: `metadata.name=${name}` })
  const nodes = informers.get(nodeResource, controlPlane)
  await new Promise<void>(resolve => {
    let said = ''
    const look = () => {
      if (!planInformer.synced || !nodes.synced) return
      const why = waitingFor(name, planInformer.list()[0], nodes.list(), wanted)
      if (why === undefined) resolve()
      else if (why !== said) say(`waiting for ${(said = why)}`)
    }
    const handlers = { added: look, updated: look, deleted: look }
    for (const informer of [planInformer, nodes]) {
      informer.subscribe(handlers)
      informer.whenSynced().then(look, () => undefined)
    }
    stop.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const asked = stop.signal.aborted
  if (!asked) say(`all nodes of the control plane have version ${wanted} or newer`)
  stop.abort()
  client.close()
  return asked ? 143 : 0
}

async function cluster(host: NodeJS.Process): Promise<Kubeconfig> {
  try {
    return await findKubeconfig({ env: host.env, home: homedir() })
  } catch (error) {
    throw new ConfigError((error as Error).message)
  }
}
