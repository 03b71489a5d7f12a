/** The settings as they are now: the ConfigMap of upstream's manifest, where there is one, over the process' environment. */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { configMaps } from '../../bootstrap/client/resources.ts'
import type { Cluster } from '../runtime/operator.ts'
import type { UpgradeOptions } from './round.ts'
import { environmentConfigMap, type Settings, settingsOf } from './settings.ts'

export async function settingsNow({ env, namespace }: UpgradeOptions, { client, log }: Cluster): Promise<Settings> {
  const found = await client.get(configMaps, { namespace, name: environmentConfigMap }).catch(ignoreNotFound)
  return settingsOf({ ...env, ...found?.data }, problem =>
    log.warn({ namespace }, `${environmentConfigMap}: ${problem}`),
  )
}
