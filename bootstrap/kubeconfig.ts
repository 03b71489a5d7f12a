/** Writes the kubeconfigs: the administrator's, with everything inside, and the components' own. */
import { chmod, chown, readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { loopbackOf } from './config/networks.ts'
import { ConfigError } from './config/parse.ts'
import type { ServerConfig } from './config/server-config.ts'
import { readIfPresent, sharedFolder, writeAtomically } from './pki/files.ts'
import { componentKubeconfigs, kubeconfigYaml } from './pki/kubeconfig.ts'
import type { Pki } from './pki/pki.ts'

const defaultPath = '/etc/rancher/k3s/k3s.yaml'

export async function writeKubeconfigs(config: ServerConfig, pki: Pki): Promise<void> {
  const local = `https://127.0.0.1:${config.httpsPort}`
  const files = [...componentKubeconfigs(config.dataDir, pki, local)].map(([path, text]) => keep(path, text, 0o600))
  const admin = kubeconfigYaml({
    server: serverUrl(config),
    caPem: pki.serverCa.cert,
    certPem: pki.admin.cert,
    keyPem: pki.admin.key,
    name: config.kubeconfig.name,
  })
  const path = config.kubeconfig.path ?? defaultPath
  await Promise.all([...files, keep(path, admin, config.kubeconfig.mode ?? 0o600, sharedFolder)])
  const { group } = config.kubeconfig
  if (group !== undefined) await chown(path, 0, groupId(group, await readFile('/etc/group', 'utf8')))
}

/** The number of a group that is named or numbered; `table` is /etc/group. Throws ConfigError for one that is not there. */
export function groupId(group: string, table: string): number {
  if (/^\d+$/.test(group)) return Number(group)
  const line = table.split('\n').find(entry => entry.startsWith(`${group}:`))
  if (line === undefined) throw new ConfigError(`--write-kubeconfig-group ${group}: no such group`)
  return Number(line.split(':')[2])
}

async function keep(path: string, text: string, mode: number, folderMode?: number): Promise<void> {
  if ((await readIfPresent(path)) !== text) await writeAtomically(path, text, mode, folderMode)
  await chmod(path, mode)
}

/** Loopback, unless the server listens on one address only. */
function serverUrl({ bindAddress, httpsPort, nodeIps }: ServerConfig): string {
  const host = bindAddress === '0.0.0.0' || bindAddress === '::' ? loopbackOf(nodeIps) : bindAddress
  return `https://${isIPv6(host) ? `[${host}]` : host}:${httpsPort}`
}
