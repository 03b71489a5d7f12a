/** From a server's settings to what it shares with the others of its cluster: datastore, PKI, tokens. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { nthAddress } from './api/cidr.ts'
import { systemClock } from './client/clock.ts'
import { JoinError, joinServer } from './cluster/join.ts'
import { type OpenedCluster, openCluster } from './cluster/open.ts'
import { NewerOnDiskError } from './cluster/reconcile.ts'
import { OtherTokenError } from './cluster/stored.ts'
import { ConfigError } from './config/parse.ts'
import type { ServerConfig } from './config/server-config.ts'
import { UnavailableError } from './datastore/datastore.ts'
import { EndpointError } from './datastore/endpoint.ts'
import { type DatastoreSettings, isShared, openDatastore } from './datastore/open.ts'
import { isNewEtcd, startEtcd, wantsEtcd } from './embedded-etcd.ts'
import type { EmbeddedEtcd } from './etcd/embedded.ts'
import { readNodePassword } from './join/node-password.ts'
import type { ServerAccess } from './join/server-access.ts'
import type { Logger } from './log.ts'
import { ensurePki, type Pki } from './pki/pki.ts'
import { TokenError } from './pki/token.ts'
import type { Port } from './port.ts'
import type { Stages } from './stages.ts'
import { controlOf } from './supervisor/control.ts'

export interface SharedEffects {
  readonly stages: Stages
  readonly log: Logger
  /** Opened as soon as there are certificates to open it with. */
  readonly port: Pick<Port, 'open'>
  readonly signal: AbortSignal
}

export interface Shared extends OpenedCluster {
  /** This server's member, where the cluster's datastore is embedded. */
  readonly etcd: EmbeddedEtcd | undefined
}

/** What is the user's to solve comes as a ConfigError, in one line. */
export async function openShared(config: ServerConfig, effects: SharedEffects): Promise<Shared> {
  const { dataDir, token, agentToken } = config
  const { stages, log, port, signal } = effects
  const file = join(dataDir, 'server/db/state.db')
  const embedded = wantsEtcd(config)
  let etcd: EmbeddedEtcd | undefined
  try {
    const others = embedded ? await joined(config, effects) : undefined
    const cluster = await openCluster({
      dataDir,
      token,
      agentToken,
      shared: embedded || isShared(config.datastore.endpoint),
      isNew: async () => (embedded ? isNewEtcd(config) : config.datastore.endpoint === '' && !existsSync(file)),
      openPki: async () => {
        const pki = await openPki(config)
        await port.open(pki)
        return pki
      },
      async openData(pki) {
        if (embedded) etcd = await embed(config, await pki(), others, effects)
        const settings = etcd ? localEtcd(config, etcd) : { ...config.datastore, file }
        const datastore = await openDatastore(settings, {
          clock: systemClock,
          log: log.child({ component: 'datastore' }),
        })
        stages.started('datastore', () => datastore.close())
        return datastore
      },
      clock: systemClock,
      log: log.child({ component: 'cluster' }),
      signal,
    })
    return { ...cluster, etcd }
  } catch (error) {
    if (userErrors.some(kind => error instanceof kind)) throw new ConfigError((error as Error).message)
    throw error
  }
}

/** Takes over what the cluster has, where one is to be joined; resolves with how to reach the server that was asked. */
async function joined(
  config: ServerConfig,
  effects: SharedEffects,
): Promise<(() => Promise<ServerAccess>) | undefined> {
  const url = config.joinUrl
  if (url === undefined) return undefined
  const server = await joinOthers(config, url, effects)
  return async () => {
    const reached = server ?? (await joinOthers(config, url, effects))
    if (!reached) throw new JoinError(`cannot join ${url}: it does not answer`)
    return reached
  }
}

async function embed(
  config: ServerConfig,
  pki: Pki,
  others: (() => Promise<ServerAccess>) | undefined,
  { stages, log, signal }: SharedEffects,
): Promise<EmbeddedEtcd> {
  const etcd = await startEtcd(config, pki, others, { log: log.child({ component: 'etcd' }), signal })
  stages.started('etcd', () => etcd.stop())
  return etcd
}

function localEtcd({ dataDir }: ServerConfig, { endpoint }: EmbeddedEtcd): DatastoreSettings {
  const file = (name: string) => join(dataDir, 'server/tls/etcd', name)
  return {
    endpoint,
    file: '',
    caFile: file('server-ca.crt'),
    certFile: file('client.crt'),
    keyFile: file('client.key'),
  }
}

const userErrors = [EndpointError, JoinError, NewerOnDiskError, OtherTokenError, TokenError, UnavailableError]

/** Before anything is made here: what the cluster has is written to the files that are read below. */
function joinOthers(config: ServerConfig, url: string, { log, signal }: Pick<SharedEffects, 'log' | 'signal'>) {
  const { dataDir, token, agentToken, nodeName } = config
  return joinServer({
    url,
    dataDir,
    token,
    agentToken,
    control: controlOf(config),
    node: config.disableAgent ? undefined : { name: nodeName, password: () => readNodePassword() },
    member: existsSync(join(dataDir, 'server/db/etcd/member')),
    clock: systemClock,
    log: log.child({ component: 'cluster' }),
    signal,
  })
}

export function openPki(config: ServerConfig): Promise<Pki> {
  return ensurePki({
    dir: config.dataDir,
    nodeName: config.nodeName,
    nodeIps: config.nodeIps,
    externalIps: config.nodeExternalIps,
    advertiseIp: config.advertiseAddress,
    serviceIps: config.serviceCidrs.map(cidr => nthAddress(cidr, 1)),
    clusterDomain: config.clusterDomain,
    tlsSans: config.tlsSans,
    etcd: wantsEtcd(config),
    clock: systemClock,
  })
}
