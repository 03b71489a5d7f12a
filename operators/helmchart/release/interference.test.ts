import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { errors } from '../../../bootstrap/api/errors.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import { deployments, namespaces, secrets } from '../../../bootstrap/client/resources.ts'
import { type Bed, releaseBed, summary, until } from './testing/bed.ts'
import { configMap, deployment, fixed, hook, job, webChart } from './testing/charts.ts'

jest.setTimeout(60_000)

let bed: Bed
beforeAll(async () => {
  bed = await releaseBed({ runJobs: true })
})
afterAll(() => bed.stop())

describe('two at once', () => {
  test('of two upgrades one is refused, and the release is whole', async () => {
    const namespace = await bed.namespace()
    const to = { name: 'web', namespace, chart: webChart }
    await bed.engine().install({ ...to, values: {} })
    const outcomes = await Promise.allSettled(
      ['red', 'green'].map(color => bed.engine().upgrade({ ...to, values: { color } })),
    )
    const refused = outcomes.flatMap(outcome =>
      outcome.status === 'rejected' ? [(outcome.reason as Error).message] : [],
    )
    expect(refused).toHaveLength(1)
    expect(['release: already exists', 'another operation (install/upgrade/rollback) is in progress']).toContain(
      refused[0],
    )
    expect(summary(await bed.engine().history('web', namespace))).toEqual([
      '1 superseded: Install complete',
      '2 deployed: Upgrade complete',
    ])
  })

  test('an uninstall during an install leaves nothing once it is repeated', async () => {
    const namespace = await bed.namespace()
    const installing = bed
      .engine()
      .install({
        name: 'app',
        namespace,
        chart: fixed(deployment, configMap('settings', {})),
        values: {},
        wait: true,
        timeoutMs: 500,
      })
      .catch(() => {})
    await until(async () => (await bed.get(deployments as never, namespace, 'web')) !== undefined)
    await bed.engine().uninstall({ name: 'app', namespace, wait: true })
    await installing
    expect(await bed.engine().uninstall({ name: 'app', namespace })).toBeUndefined()
    expect([await bed.configMaps(namespace), await bed.get(deployments as never, namespace, 'web')]).toEqual([
      {},
      undefined,
    ])
  })
})

describe('a namespace that is going away', () => {
  async function terminate(namespace: string): Promise<void> {
    await bed.api.delete(namespaces, { name: namespace })
    expect((await bed.api.get(namespaces, { name: namespace })).metadata.deletionTimestamp).toBeDefined()
  }

  test('does not keep a release from being uninstalled', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const app = fixed(
      configMap('settings', {}),
      job('before', { 'helm.sh/hook': 'pre-delete' }),
      hook('after', 'post-delete'),
    )
    await engine.install({ name: 'app', namespace, chart: app, values: {} })
    await terminate(namespace)
    await engine.uninstall({ name: 'app', namespace, wait: true })
    expect(await engine.history('app', namespace)).toEqual([])
    expect(await bed.configMaps(namespace)).toEqual({})
  })

  test('takes no new release, and none is left half there', async () => {
    const namespace = await bed.namespace()
    await terminate(namespace)
    await expect(
      bed.engine().install({ name: 'web', namespace, chart: webChart, values: {}, createNamespace: true }),
    ).rejects.toThrow('because it is being terminated')
    expect((await bed.api.list(secrets, { namespace })).items).toEqual([])
  })
})

describe('a server that cannot say what it serves', () => {
  const failing = (path: string, error: Error): Client =>
    new Proxy(bed.api, {
      get: (target, name) =>
        name === 'raw'
          ? async (method: string, asked: string) => {
              if (asked === path) throw error
              return target.raw(method, asked)
            }
          : (Reflect.get(target, name) as (...args: unknown[]) => unknown).bind(target),
    })

  test.each([
    ['an extension server that is down', errors.serviceUnavailable('try later')],
    ['a connection that breaks', new Error('ECONNRESET')],
  ])('%s: nothing is taken as gone', async (_, error) => {
    const namespace = await bed.namespace()
    await bed.engine().install({ name: 'app', namespace, chart: fixed(deployment), values: {} })
    const broken = bed.engine({ client: failing('/apis/apps/v1', error) })
    await expect(broken.uninstall({ name: 'app', namespace })).rejects.toThrow(
      'unable to retrieve the resources of apps/v1',
    )
    expect(await bed.get(deployments as never, namespace, 'web')).toBeDefined()
    await bed.engine().uninstall({ name: 'app', namespace })
    expect(await bed.get(deployments as never, namespace, 'web')).toBeUndefined()
  })

  test('an extension server that is down holds up no chart that does not use it', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine({ client: failing('/apis/apps/v1', errors.serviceUnavailable('try later')) })
    await engine.install({ name: 'web', namespace, chart: webChart, values: {} })
    expect((await engine.history('web', namespace))[0]?.info.status).toBe('deployed')
  })
})

test('a record that cannot be written at once is written a little later', async () => {
  const namespace = await bed.namespace()
  let failures = 2
  const client: Client = new Proxy(bed.api, {
    get: (target, name) =>
      name === 'update'
        ? async (...args: Parameters<Client['update']>) => {
            if (failures-- > 0) throw errors.serviceUnavailable('try later')
            return target.update(...args)
          }
        : (Reflect.get(target, name) as (...args: unknown[]) => unknown).bind(target),
  })
  await bed.engine({ client }).install({ name: 'web', namespace, chart: webChart, values: {} })
  expect(failures).toBeLessThan(0)
  expect(summary(await bed.engine().history('web', namespace))).toEqual(['1 deployed: Install complete'])
})
