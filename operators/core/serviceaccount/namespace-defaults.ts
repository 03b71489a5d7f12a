/** What every namespace is given: its default ServiceAccount and the cluster's CA certificate. */
import { isAlreadyExists } from '../../../bootstrap/api/errors.ts'
import { type KubeObject, keyOf, splitKey } from '../../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../../bootstrap/client/client.ts'
import { type ConfigMap, configMaps, namespaces, serviceAccounts } from '../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../bootstrap/client/same.ts'
import { type Cluster, done, type Operator, on } from '../../runtime/operator.ts'
import { isTerminating } from '../../runtime/pods.ts'

const rootCaName = 'kube-root-ca.crt'
const rootCaDescription =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

/** Keeps the ServiceAccount `default` in every namespace (upstream serviceaccounts_controller.go). */
export function defaultServiceAccounts(): Operator {
  return {
    name: 'serviceaccount-controller',
    watches: [
      on(namespaces, namespace => keyOf(namespace)),
      on(serviceAccounts, account => (account.metadata.name === 'default' ? account.metadata.namespace : undefined)),
    ],
    async reconcile(namespace, { client, informers }) {
      if (!isOpen(namespace, informers)) return done
      const name = { name: 'default', namespace }
      if (informers.get(serviceAccounts).get(keyOf({ metadata: name }))) return done
      await createOnce(client, serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: name })
      return done
    },
  }
}

/** Keeps the ConfigMap kube-root-ca.crt in every namespace (upstream rootcacertpublisher). `ca` is PEM. */
export function rootCaPublisher(ca: string): Operator {
  return {
    name: 'root-ca-certificate-publisher-controller',
    watches: [
      on(namespaces, namespace => keyOf(namespace)),
      on(configMaps, map => (map.metadata.name === rootCaName ? map.metadata.namespace : undefined)),
    ],
    async reconcile(namespace, { client, informers }) {
      if (!isOpen(namespace, informers)) return done
      const metadata = {
        name: rootCaName,
        namespace,
        annotations: { 'kubernetes.io/description': rootCaDescription },
      }
      const existing = informers.get(configMaps).get(`${namespace}/${rootCaName}`)
      const desired: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'ca.crt': ca } }
      if (!existing) await createOnce(client, configMaps, desired)
      else if (!sameJson(existing.data, desired.data))
        await client.update(configMaps, { ...existing, data: desired.data })
      return done
    },
  }
}

function isOpen(namespace: string, informers: Cluster['informers']): boolean {
  const found = informers.get(namespaces).get(splitKey(namespace).name)
  return found !== undefined && !isTerminating(found) && found.status?.phase !== 'Terminating'
}

async function createOnce<T extends KubeObject>(client: Client, resource: Resource<T>, object: T): Promise<void> {
  await client.create(resource, object).catch(error => {
    if (!isAlreadyExists(error)) throw error
  })
}
