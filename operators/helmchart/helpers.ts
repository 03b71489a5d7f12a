/** The objects beside a HelmChart's Job. */
import type { Client } from '../../bootstrap/client/client.ts'
import { clusterRoleBindings, configMaps, secrets, serviceAccounts } from '../../bootstrap/client/resources.ts'
import { deleteIfPresent, ensure } from '../runtime/apply.ts'
import type { Desired } from './desired.ts'
import { accountName, bindingName, contentName, type HelmChart, valuesSecretName } from './helm-chart.ts'

/** Makes them as desired, whoever made them before. */
export async function applyHelpers({ account, binding, values, content }: Desired, client: Client): Promise<void> {
  await Promise.all([
    ensure(client, serviceAccounts, account, undefined),
    ensure(client, clusterRoleBindings, binding, undefined),
    values && ensure(client, secrets, values, undefined),
    content && ensure(client, configMaps, content, undefined),
  ])
}

export async function removeHelpers(chart: HelmChart, client: Client): Promise<void> {
  const { namespace } = chart.metadata
  const named = (name: string) => ({ apiVersion: '', kind: '', metadata: { name, namespace } })
  await Promise.all([
    deleteIfPresent(client, clusterRoleBindings, { apiVersion: '', kind: '', metadata: { name: bindingName(chart) } }),
    deleteIfPresent(client, serviceAccounts, named(accountName(chart))),
    deleteIfPresent(client, secrets, named(valuesSecretName(chart))),
    deleteIfPresent(client, configMaps, named(contentName(chart))),
  ])
}
