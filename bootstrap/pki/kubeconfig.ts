/** Kubeconfig files as text. */
import { join } from 'node:path'
import type { KeyPair, Pki } from './pki.ts'

export interface KubeconfigSpec {
  /** e.g. https://127.0.0.1:6443 */
  readonly server: string
  readonly caPem: string
  readonly certPem: string
  readonly keyPem: string
  /** Name of cluster, user and context; default "default". */
  readonly name?: string
}

/** A kubeconfig with everything inside, as K3s writes k3s.yaml. */
export function kubeconfigYaml({ server, caPem, certPem, keyPem, name = 'default' }: KubeconfigSpec): string {
  const base64 = (pem: string) => Buffer.from(pem).toString('base64')
  return yaml(
    { cluster: name, user: name, context: name, server },
    { 'certificate-authority-data': base64(caPem) },
    { 'client-certificate-data': base64(certPem), 'client-key-data': base64(keyPem) },
  )
}

/** A kubeconfig that names the certificate files, as K3s writes for its own components: they follow a renewal. */
export function kubeconfigOfFiles(
  server: string,
  caPath: string,
  client: Pick<KeyPair, 'certPath' | 'keyPath'>,
): string {
  return yaml(
    { cluster: 'local', user: 'user', context: 'Default', server },
    { 'certificate-authority': caPath },
    { 'client-certificate': client.certPath, 'client-key': client.keyPath },
  )
}

/** The component kubeconfigs, path to text; all have mode 0600. `server` is the API server's local URL. */
export function componentKubeconfigs(dataDir: string, pki: Pki, server: string): ReadonlyMap<string, string> {
  const ca = pki.serverCa.certPath
  const of = (file: string, client: KeyPair) =>
    [join(dataDir, `${file}.kubeconfig`), kubeconfigOfFiles(server, ca, client)] as const
  return new Map([
    of('server/cred/admin', pki.admin),
    of('server/cred/supervisor', pki.supervisor),
    of('server/cred/controller', pki.controller),
    of('server/cred/scheduler', pki.scheduler),
    of('server/cred/api-server', pki.apiserver),
    of('server/cred/cloud-controller', pki.cloudController),
    of('agent/kubelet', pki.kubelet),
    of('agent/kubeproxy', pki.kubeProxy),
    of('agent/k3scontroller', pki.k3sController),
  ])
}

function yaml(
  names: { cluster: string; user: string; context: string; server: string },
  ca: Record<string, string>,
  credentials: Record<string, string>,
): string {
  const entries = (fields: Record<string, string>) =>
    Object.entries(fields).map(([key, value]) => `    ${key}: ${scalar(value)}`)
  return [
    'apiVersion: v1',
    'clusters:',
    '- cluster:',
    ...entries({ ...ca, server: names.server }),
    `  name: ${scalar(names.cluster)}`,
    'contexts:',
    '- context:',
    ...entries({ cluster: names.cluster, user: names.user }),
    `  name: ${scalar(names.context)}`,
    `current-context: ${scalar(names.context)}`,
    'kind: Config',
    'preferences: {}',
    'users:',
    `- name: ${scalar(names.user)}`,
    '  user:',
    ...entries(credentials),
    '',
  ].join('\n')
}

const scalar = (text: string): string =>
  /^[A-Za-z/][\w./:+=-]*$/.test(text) && !text.endsWith(':') ? text : JSON.stringify(text)
