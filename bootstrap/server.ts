/** A server's start and stop order: PKI, datastore, API, kubeconfig, operators, node agent; and back. */
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type AssembledServer, assembleApiServer } from './apiserver/assemble.ts'
import { systemClock } from './client/clock.ts'
import { createInformers } from './client/informers.ts'
import type { ServerConfig } from './config/server-config.ts'
import { ensureEmbeddedClass } from './embedded-class.ts'
import { membersOf } from './embedded-etcd.ts'
import { etcdFiles } from './etcd/files.ts'
import { kernelSnapshots } from './kernel-snapshots.ts'
import { writeKubeconfigs } from './kubeconfig.ts'
import { startLocalAgent } from './local-agent.ts'
import { lockDataDir } from './lock.ts'
import type { Logger } from './log.ts'
import { openShared } from './open-shared.ts'
import { claimOwnName } from './own-name.ts'
import type { Pki } from './pki/pki.ts'
import { portOf } from './port.ts'
import { settleRestore } from './restore/settle.ts'
import { serverTunnels } from './server-tunnels.ts'
import { Stages } from './stages.ts'
import { answeredRoutes } from './supervisor/answered.ts'
import { controlOf } from './supervisor/control.ts'
import { supervisorRoutes } from './supervisor/supervisor.ts'
import type { Userland } from './userland.ts'

const leaveWithinMs = 2000
/** For letting go of the leadership; what reconciles as long is not waited for. */
const stopOperatorsWithinMs = 2500

export interface ServerDeps {
  readonly userland: () => Promise<Userland>
  readonly log: Logger
  /** The program's own folder. */
  readonly home: string
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal
}

export interface RunningServer {
  readonly api: AssembledServer
  readonly pki: Pki
  stop(): Promise<void>
}

/**
 * Resolves once the API serves and everything else has been started. When something fails, or the process is asked to end
 * meanwhile, what was started is stopped again and the cause is thrown.
 */
export async function startServer(config: ServerConfig, deps: ServerDeps): Promise<RunningServer> {
  const stages = new Stages(deps.log)
  const { signal } = deps
  try {
    return await Promise.race([start(config, deps, stages), aborted(signal)])
  } catch (error) {
    await stages.stop()
    throw error
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(new Error('stopped while starting'))
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

async function start(config: ServerConfig, deps: ServerDeps, stages: Stages): Promise<RunningServer> {
  const { log } = deps
  const began = performance.now()
  stages.started('lock', await lockDataDir(config.dataDir))
  await settleRestore(config, { log })
  for (const folder of ['server/tls', 'server/db', 'server/cred', 'server/manifests'])
    await mkdir(join(config.dataDir, folder), { recursive: true, mode: 0o700 })

  const port = portOf(config, log)
  stages.started('port', () => port.close())
  const { datastore, pki, tokens, bundle, etcd } = await openShared(config, { stages, log, port, signal: deps.signal })

  await rm(etcdFiles(config.dataDir).resetFlag, { force: true })

  const background = new AbortController()
  const userland = await deps.userland()
  const issuer = `https://kubernetes.default.svc.${config.clusterDomain}`
  let core: AssembledServer | undefined
  const tunnels = serverTunnels({ config, pki, core: () => core, log: log.child({ component: 'tunnel' }) })
  const answered = answeredRoutes()
  const api = await assembleApiServer({
    datastore,
    clock: systemClock,
    clientCa: pki.clientCa.cert,
    requestHeaderCa: pki.requestHeaderCa.cert,
    requestHeaderNames: ['system:auth-proxy'],
    proxyIdentity: pki.authProxy,
    passwd: () => tokens.current().passwd,
    serviceAccounts: { issuer, audiences: [issuer, 'k3s'], keys: pki.serviceKeys },
    serviceCidrs: config.serviceCidrs,
    nodePorts: config.nodePortRange,
    embeddedModules: () => new Set(userland.embeddedModules.keys()),
    serverAddress: `${config.advertiseAddress}:${config.advertisePort}`,
    routes: supervisorRoutes({
      dataDir: config.dataDir,
      pki,
      control: () => controlOf(config),
      tokens,
      bundle: etcd && bundle,
      members: etcd && (() => membersOf(etcd)),
      answered,
      core: () => core,
      clock: systemClock,
      random: Math.random,
      log: log.child({ component: 'supervisor' }),
      signal: background.signal,
    }),
    upgradeRoutes: tunnels.upgradeRoutes,
    nodeConnect: tunnels.nodes,
    via: tunnels.via,
    log: log.child({ component: 'apiserver' }),
    signal: background.signal,
  })
  core = api
  const following = { clock: systemClock, log, signal: background.signal }
  if (!datastore.exclusive) void tokens.follow(following)
  stages.started('API server', () => api.close())
  stages.started('background work', () => background.abort())
  const { listening, serving } = await port.handOver(api.server)
  stages.started('listener', () => listening.close())
  stages.started('tunnels', () => tunnels.close())
  await tunnels.start(api, background.signal)
  await api.start({ servicePort: 443, advertiseAddresses: [config.advertiseAddress], securePort: config.advertisePort })
  stages.started('place among the servers', () => leave(api, log))
  await ensureEmbeddedClass(api.client())
  await writeKubeconfigs(config, pki)
  log.info({ ms: Math.round(performance.now() - began), port: config.httpsPort }, 'API server is ready')

  const quiet = { clock: systemClock, log, random: Math.random, signal: background.signal }
  const sharing = serving.share(api.client(), createInformers(api.client(), quiet), background.signal)
  sharing.catch(err => background.signal.aborted || log.error({ err }, 'the serving certificate is no longer shared'))

  // Its hash takes a while, on a thread of its own.
  const named = config.disableAgent ? undefined : claimOwnName(config.nodeName, { api, log, signal: background.signal })
  named?.catch(() => {})
  const operators = new AbortController()
  const running = await userland.start({
    ...(etcd ? { etcd } : {}),
    snapshots: kernelSnapshots({ config, datastore, etcd, tokens }),
    answer: answered.answer,
    ...(api.store.shared ? { candidate: `${config.nodeName}_${randomUUID()}` } : {}),
    config,
    client: api.client(),
    caPem: pki.serverCa.cert,
    home: deps.home,
    log: log.child({ component: 'operators' }),
    metrics: api.server.metrics.all,
    signal: operators.signal,
  })
  stages.started('operators', async () => {
    operators.abort()
    await Promise.race([running.stopped, systemClock.sleep(stopOperatorsWithinMs, new AbortController().signal)])
  })
  await named
  if (!config.disableAgent) await startLocalAgent({ config, api, pki, userland, nodes: tunnels.nodes, stages, log })
  log.info(
    { ms: Math.round(performance.now() - began), joinToken: tokens.current().token.slice(0, 12) },
    'skiff is up and running',
  )
  return { api, pki, stop: () => stages.stop() }
}

/** Does not wait for a datastore that is away: the others notice, only later. */
async function leave(api: AssembledServer, log: Logger): Promise<void> {
  const late = systemClock.sleep(leaveWithinMs, new AbortController().signal)
  await Promise.race([api.leave(), late]).catch(err => log.warn({ err }, 'cannot take this server off the list'))
}
