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
import { EndpointError } from './datastore/endpoint.ts'
import { isShared, openDatastore } from './datastore/open.ts'
import { readNodePassword } from './join/node-password.ts'
import type { Logger } from './log.ts'
import { ensurePki, type Pki } from './pki/pki.ts'
import { TokenError } from './pki/token.ts'
import type { Stages } from './stages.ts'
import { controlOf } from './supervisor/control.ts'

export interface SharedEffects {
  readonly stages: Stages
  readonly log: Logger
  readonly signal: AbortSignal
}

/** What is the user's to solve comes as a ConfigError, in one line. */
export async function openShared(config: ServerConfig, { stages, log, signal }: SharedEffects): Promise<OpenedCluster> {
  const { dataDir, token, agentToken } = config
  const file = join(dataDir, 'server/db/state.db')
  try {
    if (config.joinUrl !== undefined && config.datastore.endpoint === '')
      await joinOthers(config, config.joinUrl, { log, signal })
    return await openCluster({
      dataDir,
      token,
      agentToken,
      shared: isShared(config.datastore.endpoint),
      isNew: async () => config.datastore.endpoint === '' && !existsSync(file),
      openPki: () => openPki(config),
      async openData() {
        const effects = { clock: systemClock, log: log.child({ component: 'datastore' }) }
        const datastore = await openDatastore({ ...config.datastore, file }, effects)
        stages.started('datastore', () => datastore.close())
        return datastore
      },
      clock: systemClock,
      log: log.child({ component: 'cluster' }),
      signal,
    })
  } catch (error) {
    if (userErrors.some(kind => error instanceof kind)) throw new ConfigError((error as Error).message)
    throw error
  }
}

const userErrors = [EndpointError, JoinError, NewerOnDiskError, OtherTokenError, TokenError]

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
    log: log.child({ component: 'cluster' }),
    signal,
  })
}

function openPki(config: ServerConfig): Promise<Pki> {
  return ensurePki({
    dir: config.dataDir,
    nodeName: config.nodeName,
    nodeIps: config.nodeIps,
    externalIps: config.nodeExternalIps,
    advertiseIp: config.advertiseAddress,
    serviceIps: config.serviceCidrs.map(cidr => nthAddress(cidr, 1)),
    clusterDomain: config.clusterDomain,
    tlsSans: config.tlsSans,
    clock: systemClock,
  })
}
