/** Finds the cluster a program means when it names none, the way kubectl and client-go look for it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Kubeconfig, loadKubeconfig } from './kubeconfig.ts'

export interface Surroundings {
  readonly env: { readonly [name: string]: string | undefined }
  /** The user's home folder. */
  readonly home: string
}

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount'
const localCluster = '/etc/rancher/k3s/k3s.yaml'

/**
 * The first of: `explicit`, $KUBECONFIG (the first existing file of a list), ~/.kube/config, the service account of the pod
 * this runs in, this machine's own server. Rejects with one line when there is none.
 */
export async function findKubeconfig(
  { env, home }: Surroundings,
  explicit?: string,
  context?: string,
): Promise<Kubeconfig> {
  if (explicit !== undefined) return loadKubeconfig(explicit, context)
  const named = (env.KUBECONFIG ?? '').split(':').filter(path => path !== '')
  const files = named.length > 0 ? named : [join(home, '.kube/config')]
  const found = files.find(path => existsSync(path))
  if (found !== undefined) return loadKubeconfig(found, context)
  const inCluster = podKubeconfig(env)
  if (inCluster) return inCluster
  if (existsSync(localCluster)) return loadKubeconfig(localCluster, context)
  throw new Error(`no cluster is named: give --kubeconfig, or set KUBECONFIG (looked at ${files.join(', ')})`)
}

/** The token is read again for each request: it is renewed every hour. */
function podKubeconfig(env: Surroundings['env']): Kubeconfig | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (!host || !existsSync(join(serviceAccount, 'token'))) return undefined
  const read = (file: string) => readFileSync(join(serviceAccount, file))
  return {
    remote: {
      server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
      ca: read('ca.crt'),
      token: () => read('token').toString().trim(),
    },
    namespace: existsSync(join(serviceAccount, 'namespace')) ? read('namespace').toString().trim() : 'default',
  }
}
