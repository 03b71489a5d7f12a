/** Makes the API know our own kinds before the operators that use them start. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseYaml } from '../../bootstrap/api/yaml.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import { type CustomResourceDefinition, customResourceDefinitions } from '../../bootstrap/client/resources.ts'
import type { Clock } from './operator.ts'

const pollMs = 10

/** Applies the CRDs of `folder`, or those whose file is in `only`, and resolves once all are established. */
export async function ensureCrds(
  client: Client,
  folder: string,
  clock: Clock,
  signal: AbortSignal,
  only?: readonly string[],
): Promise<void> {
  const files = only ?? (await readdir(folder)).filter(name => name.endsWith('.yaml'))
  await Promise.all(
    files.map(async file => {
      const crd = parseYaml(await readFile(join(folder, file), 'utf8')) as CustomResourceDefinition
      await establishCrd(client, crd, clock, signal)
    }),
  )
}

/** Applies a CRD and resolves once it is served. */
export async function establishCrd(
  client: Client,
  crd: CustomResourceDefinition,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const name = { name: crd.metadata.name! }
  const options = { type: 'apply', fieldManager: 'skiff', force: true } as const
  let current = await client.patch(customResourceDefinitions, name, crd, options)
  while (
    !current.status?.conditions?.some(condition => condition.type === 'Established' && condition.status === 'True')
  ) {
    await clock.sleep(pollMs, signal)
    current = await client.get(customResourceDefinitions, name)
  }
}
