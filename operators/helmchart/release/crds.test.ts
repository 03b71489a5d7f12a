import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { systemClock } from '../../../bootstrap/client/clock.ts'
import { customResourceDefinitions, deployments, namespaced } from '../../../bootstrap/client/resources.ts'
import { createStorage } from './storage.ts'
import { type Bed, releaseBed, silent, until } from './testing/bed.ts'
import { chart, configMap, deployment, fixed, gadget, gadgets } from './testing/charts.ts'

jest.setTimeout(60_000)

let bed: Bed
beforeAll(async () => {
  bed = await releaseBed()
})
afterAll(() => bed.stop())

describe('the kinds a chart brings', () => {
  const kind = (group: string) => namespaced<KubeObject>(group, 'v1', 'gadgets', 'Gadget')

  test.each([true, false])('are there before its templates are rendered (they ask for them: %s)', async asks => {
    const group = `crds-${asks}.example.com`
    const namespace = await bed.namespace()
    const app = chart(
      'app',
      ({ capabilities }) => {
        if (asks && !capabilities.apiVersions.includes(`${group}/v1/Gadget`)) throw new Error('no gadgets here')
        return [gadget(group)]
      },
      [gadgets(group)],
    )
    await bed.engine().install({ name: 'app', namespace, chart: app, values: {} })
    expect(await bed.get(kind(group), namespace, 'gadget')).toBeDefined()
    await bed.engine().uninstall({ name: 'app', namespace })
    expect(await bed.get(kind(group), namespace, 'gadget')).toBeUndefined()
    expect(await bed.get(customResourceDefinitions as never, '', `gadgets.${group}`)).toBeDefined()
    await bed.engine().install({ name: 'app', namespace, chart: app, values: {}, serverSide: 'false' })
  })

  test('are left out when told so', async () => {
    const group = 'skipped.example.com'
    const namespace = await bed.namespace()
    const app = chart('app', () => [gadget(group)], [gadgets(group)])
    await expect(
      bed.engine().install({ name: 'app', namespace, chart: app, values: {}, skipCrds: true }),
    ).rejects.toThrow(
      `unable to build kubernetes objects from release manifest: resource mapping not found for name: "gadget" namespace: "" from "": no matches for kind "Gadget" in version "${group}/v1"\nensure CRDs are installed first`,
    )
    expect(await bed.engine().history('app', namespace)).toEqual([])
  })

  test('hold nothing up once they have vanished', async () => {
    const group = 'vanished.example.com'
    const engine = bed.engine()
    const farewell = gadget(group).replace('"gadget"}', '"farewell","annotations":{"helm.sh/hook":"pre-delete"}}')
    const documents = (withGadget: unknown) => [
      configMap('settings', {}),
      ...(withGadget ? [gadget(group), farewell] : []),
    ]
    const app = chart('app', ({ values }) => documents(values.gadget), [gadgets(group)])
    for (const name of ['one', 'two']) {
      const place = await bed.namespace()
      await engine.install({ name, namespace: place, chart: app, values: { gadget: true } })
      await bed.api.delete(customResourceDefinitions, { name: `gadgets.${group}` })
      await until(async () => (await bed.get(customResourceDefinitions as never, '', `gadgets.${group}`)) === undefined)
      if (name === 'one') await engine.upgrade({ name, namespace: place, chart: app, values: { gadget: false } })
      expect(await engine.uninstall({ name, namespace: place, wait: true })).toMatchObject({
        info: { status: 'uninstalled' },
      })
      expect(await bed.configMaps(place)).toEqual({})
    }
  })

  test('an object of a version that is gone is found under the one that is left', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    await engine.install({ name: 'app', namespace, chart: fixed(deployment), values: {} })
    const [stored] = await engine.history('app', namespace)
    const storage = createStorage({
      client: bed.api,
      clock: systemClock,
      log: silent,
      driver: 'secret',
    })
    await storage.update({ ...stored!, manifest: stored!.manifest.replace('apps/v1', 'extensions/v1beta1') })
    await engine.upgrade({ name: 'app', namespace, chart: fixed(configMap('only', {})), values: {} })
    expect(await bed.get(deployments as never, namespace, 'web')).toBeUndefined()
  })
})
