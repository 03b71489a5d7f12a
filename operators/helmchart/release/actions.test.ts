import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { configMaps } from '../../../bootstrap/client/resources.ts'
import type { Capabilities } from '../render/rendered.ts'
import { type Bed, releaseBed, summary } from './testing/bed.ts'
import { chart, fixed, renderCharts, webChart } from './testing/charts.ts'

jest.setTimeout(60_000)

let bed: Bed
beforeAll(async () => {
  bed = await releaseBed()
})
afterAll(() => bed.stop())

describe('a release', () => {
  test.each(['secret', 'configmap'] as const)('lives from install to uninstall, kept as %s', async driver => {
    const namespace = await bed.namespace()
    const engine = bed.engine({ driver })
    const to = { name: 'web', namespace, chart: webChart }
    const first = await engine.install({ ...to, values: { color: 'red', extra: true } })
    expect(first).toMatchObject({ version: 1, info: { status: 'deployed', description: 'Install complete' } })
    expect(await bed.configMaps(namespace)).toMatchObject({ settings: { color: 'red' }, extra: { is: 'extra' } })
    await engine.upgrade({ ...to, values: { color: 'green' } })
    expect(await bed.configMaps(namespace)).not.toHaveProperty('extra')
    await engine.rollback({ name: 'web', namespace })
    expect(await bed.configMaps(namespace)).toMatchObject({ settings: { color: 'red', revision: '1' }, extra: {} })
    expect(summary(await engine.history('web', namespace))).toEqual([
      '1 superseded: Install complete',
      '2 superseded: Upgrade complete',
      '3 deployed: Rollback to 1',
    ])
    expect((await engine.list(namespace)).map(({ name, version }) => [name, version])).toEqual([['web', 3]])
    expect((await engine.list('')).some(({ namespace: other }) => other === namespace)).toBe(true)
    await engine.uninstall({ name: 'web', namespace })
    expect(await bed.configMaps(namespace)).toEqual({})
    expect(await engine.history('web', namespace)).toEqual([])
    expect(await engine.uninstall({ name: 'web', namespace })).toBeUndefined()
  })

  test('values are reset, or kept when none are given', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'web', namespace, chart: webChart }
    await engine.install({ ...to, values: { color: 'red' } })
    expect((await engine.upgrade({ ...to, values: {} })).config).toEqual({ color: 'red' })
    expect((await engine.upgrade({ ...to, values: {}, resetValues: true })).config).toEqual({})
  })

  test('at most ten revisions are kept', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'web', namespace, chart: webChart, values: {} }
    await engine.install(to)
    for (let revision = 2; revision <= 12; revision++) await engine.upgrade(to)
    expect((await engine.history('web', namespace)).map(({ version }) => version)).toEqual([
      3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ])
  })

  test('ownership is checked, in Helm’s words', async () => {
    const namespace = await bed.namespace()
    await bed.api.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings', namespace } })
    await expect(bed.engine().install({ name: 'web', namespace, chart: webChart, values: {} })).rejects.toThrow(
      `unable to continue with install: ConfigMap "settings" in namespace "${namespace}" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"; annotation validation error: missing key "meta.helm.sh/release-name": must be set to "web"; annotation validation error: missing key "meta.helm.sh/release-namespace": must be set to "${namespace}"`,
    )
    expect(await bed.engine().history('web', namespace)).toEqual([])
    await bed.engine().install({ name: 'web', namespace, chart: webChart, values: {}, takeOwnership: true })
    expect((await bed.api.get(configMaps, { name: 'settings', namespace })).metadata).toMatchObject({
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': 'web', 'meta.helm.sh/release-namespace': namespace },
    })
  })
})

describe('the templates are told about the cluster', () => {
  test('what it serves', async () => {
    const namespace = await bed.namespace()
    let told: Capabilities | undefined
    const asking = chart('asking', ({ capabilities }) => {
      told = capabilities
      return []
    })
    await bed.engine().install({ name: 'asking', namespace, chart: asking, values: {} })
    expect(told?.kubeVersion).toMatch(/^v1\.36\./)
    expect(told?.apiVersions).toEqual(
      expect.arrayContaining(['v1', 'v1/ConfigMap', 'apps/v1', 'apps/v1/Deployment', 'batch/v1/Job']),
    )
  })

  test('what it holds, asked for as often as needed', async () => {
    const namespace = await bed.namespace()
    await bed.api.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', namespace },
      data: { next: 'b' },
    })
    await bed.api.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'b', namespace },
      data: { end: 'yes' },
    })
    let rounds = 0
    const found: unknown[] = []
    const engine = bed.engine({
      render: async (request, lookup) => {
        rounds++
        const query = (name: string, kind = 'ConfigMap') => ({ apiVersion: 'v1', kind, namespace, name })
        const first = lookup(query('a'))
        if (first === undefined)
          return { kind: 'lookups', queries: [query('a'), query('none'), query('x', 'Nothing'), query('')] }
        const next = (first as { data: { next: string } }).data.next
        const second = lookup(query(next))
        if (second === undefined) return { kind: 'lookups', queries: [query(next)] }
        found.push(
          (second as { data: object }).data,
          lookup(query('none')),
          lookup(query('x', 'Nothing')),
          (lookup(query('')) as { items: unknown[] }).items.length,
        )
        return renderCharts({ ...request, chart: fixed() }, lookup)
      },
    })
    await engine.install({ name: 'looks', namespace, chart: fixed(), values: {} })
    expect([rounds, ...found]).toEqual([3, { end: 'yes' }, null, null, 2])
  })
})

test('a status can be set, as for an interrupted action', async () => {
  const namespace = await bed.namespace()
  const engine = bed.engine()
  await engine.install({ name: 'web', namespace, chart: webChart, values: {} })
  await engine.setStatus('web', namespace, 'pending-upgrade')
  await expect(engine.upgrade({ name: 'web', namespace, chart: webChart, values: {} })).rejects.toThrow(
    'another operation (install/upgrade/rollback) is in progress',
  )
  await engine.setStatus('web', namespace, 'failed', 'interrupted')
  expect(summary(await engine.history('web', namespace))).toEqual(['1 failed: interrupted'])
  await expect(engine.setStatus('none', namespace, 'failed')).rejects.toThrow('release: not found')
})
