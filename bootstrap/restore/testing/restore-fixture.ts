/** A server's data directory without the server: its SQLite file, its CAs, its token, and a few keys. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { systemClock } from '../../client/clock.ts'
import { openCluster } from '../../cluster/open.ts'
import { serverFlags } from '../../config/flags.ts'
import { parseFlags } from '../../config/parse.ts'
import { type ServerConfig, serverConfig } from '../../config/server-config.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { type DatastoreSettings, openDatastore } from '../../datastore/open.ts'
import { createLogger } from '../../log.ts'
import { ensurePki } from '../../pki/pki.ts'
import { takeSnapshot } from '../../snapshots/take.ts'

const silent = new PassThrough().resume()
export const quietLog = createLogger({ debug: false, stream: silent as unknown as NodeJS.WriteStream, pretty: false })

/** As the command line makes it. */
export function configOf(dataDir: string, ...args: string[]): ServerConfig {
  const all = ['--data-dir', dataDir, '--disable-agent', ...args]
  return serverConfig(parseFlags(serverFlags, [], all, {}), { hostname: 'server', primaryAddress: '127.0.0.1' })
}

export interface OpenedServer {
  readonly datastore: Datastore
  readonly serverCa: string
  readonly token: string
}

/** Opens datastore, CAs and token as a start does: OtherTokenError and NewerOnDiskError where they do not fit. */
export async function asServer<T>(
  dataDir: string,
  token: string | undefined,
  work: (server: OpenedServer) => Promise<T>,
  endpoint = '',
): Promise<T> {
  await mkdir(join(dataDir, 'server/db'), { recursive: true })
  const settings: DatastoreSettings = {
    endpoint,
    file: join(dataDir, 'server/db/state.db'),
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
  }
  let opened: Datastore | undefined
  try {
    const { datastore, pki, tokens } = await openCluster({
      dataDir,
      token,
      agentToken: undefined,
      shared: endpoint !== '',
      isNew: async () => false,
      openPki: () =>
        ensurePki({
          dir: dataDir,
          nodeName: 'server',
          nodeIps: ['127.0.0.1'],
          serviceIps: ['10.43.0.1'],
          clusterDomain: 'cluster.local',
          tlsSans: [],
          clock: systemClock,
        }),
      openData: async () => {
        opened = await openDatastore(settings, { clock: systemClock, log: quietLog })
        return opened
      },
      clock: systemClock,
      log: quietLog,
      signal: new AbortController().signal,
    })
    return await work({ datastore, serverCa: pki.serverCa.cert, token: tokens.current().token })
  } finally {
    await opened?.close()
  }
}

export const objects = async (datastore: Datastore): Promise<string[]> =>
  (await datastore.read('/registry/')).entries.map(({ key, value }) => `${key}=${value}`)

export const create = (datastore: Datastore, key: string, value = '{}') =>
  datastore.commit({ op: 'create', key: `/registry/${key}`, value: Buffer.from(value) })

export const snapshotOf = (datastore: Datastore, file: string, compress = false, passphrase?: string) =>
  takeSnapshot(datastore, { file, compress, passphrase, signal: new AbortController().signal })
