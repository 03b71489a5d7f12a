/** The cluster that `skiff token` works on, found as K3s finds it. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '../../client/client.ts'
import { loadKubeconfig } from '../../client/kubeconfig.ts'
import { remoteClient } from '../../client/remote.ts'
import { ConfigError, type FlagValues } from '../../config/parse.ts'

const ownKubeconfig = '/etc/rancher/k3s/k3s.yaml'

export interface TokenCluster {
  readonly client: Client
  /** PEM; empty where the machine's own CAs vouch for the server. */
  readonly ca: string
}

/** --kubeconfig or KUBECONFIG, this machine's own server, ~/.kube/config. What `work` throws is told in one line. */
export async function withCluster<T>(values: FlagValues, work: (cluster: TokenCluster) => Promise<T>): Promise<T> {
  const found = existsSync(ownKubeconfig) ? ownKubeconfig : join(homedir(), '.kube/config')
  let client: (Client & { close(): void }) | undefined
  try {
    const { remote } = await loadKubeconfig(values.string('kubeconfig') ?? found)
    client = remoteClient({ ...remote, userAgent: 'skiff-token' })
    return await work({ client, ca: remote.ca === undefined ? '' : String(remote.ca) })
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError((error as Error).message)
  } finally {
    client?.close()
  }
}
