import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Bed, releaseBed } from './testing/bed.ts'
import { chart, configMap } from './testing/charts.ts'

let bed: Bed
beforeAll(async () => {
  bed = await releaseBed()
})
afterAll(() => bed.stop())

const web = chart('web', ({ values, release }) => [
  configMap('settings', { color: String(values.color ?? 'none'), revision: String(release.revision) }),
  ...(values.extra ? [configMap('extra', { is: 'extra' })] : []),
])

describe('a release', () => {
  test('is installed, upgraded, rolled back and uninstalled', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'web', namespace, chart: web }
    const first = await engine.install({ ...to, values: { color: 'red', extra: true } })
    expect(first).toMatchObject({ version: 1, info: { status: 'deployed', description: 'Install complete' } })
    expect(await bed.configMaps(namespace)).toMatchObject({
      settings: { color: 'red', revision: '1' },
      extra: { is: 'extra' },
    })
    await engine.upgrade({ ...to, values: { color: 'green' } })
    expect(await bed.configMaps(namespace)).not.toHaveProperty('extra')
    await engine.rollback({ name: 'web', namespace })
    expect(await bed.configMaps(namespace)).toMatchObject({ settings: { color: 'red', revision: '1' }, extra: {} })
    expect(
      (await engine.history('web', namespace)).map(({ version, info }) => [version, info.status, info.description]),
    ).toEqual([
      [1, 'superseded', 'Install complete'],
      [2, 'superseded', 'Upgrade complete'],
      [3, 'deployed', 'Rollback to 1'],
    ])
    await engine.uninstall({ name: 'web', namespace })
    expect(await bed.configMaps(namespace)).not.toHaveProperty('settings')
    expect(await engine.history('web', namespace)).toEqual([])
  })
})
