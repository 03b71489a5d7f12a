import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { jobs } from '../../../bootstrap/client/resources.ts'
import { type Bed, releaseBed, summary } from './testing/bed.ts'
import { configMap, fixed, hook, job } from './testing/charts.ts'

jest.setTimeout(60_000)

let bed: Bed
const stop = new AbortController()
beforeAll(async () => {
  bed = await releaseBed()
  void bed.runJobs(stop.signal).catch(() => {})
})
afterAll(async () => {
  stop.abort()
  await bed.stop()
})

describe('hooks', () => {
  test('run in order of weight and end before what comes next', async () => {
    const namespace = await bed.namespace()
    const app = fixed(
      configMap('settings', {}),
      job('second', { 'helm.sh/hook': 'pre-install', 'helm.sh/hook-weight': '1' }),
      job('first', { 'helm.sh/hook': 'pre-install', 'helm.sh/hook-weight': '-1' }),
      hook('third', 'post-install'),
    )
    const seen: string[] = []
    const watching = new AbortController()
    const follow = (async () => {
      for await (const { type, ...event } of bed.api.watch(jobs, { namespace }, watching.signal)) {
        const { metadata, status } = (event as { object: KubeObject & { status?: { completionTime?: string } } }).object
        if (type === 'ADDED' || status?.completionTime)
          seen.push(`${metadata.name} ${type === 'ADDED' ? 'starts' : 'ends'}`)
      }
    })().catch(() => {})
    const { hooks = [] } = await bed.engine().install({ name: 'app', namespace, chart: app, values: {} })
    watching.abort()
    await follow
    expect(seen).toEqual(['first starts', 'first ends', 'second starts', 'second ends'])
    expect(hooks.map(({ name, last_run }) => [name, last_run.phase])).toEqual([
      ['third', 'Succeeded'],
      ['second', 'Succeeded'],
      ['first', 'Succeeded'],
    ])
  })

  test('one that fails fails the release, and does not stop the next try', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const policies = { 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-delete-policy': 'hook-succeeded' }
    const to = { name: 'app', namespace, values: {} }
    const why = `resource Job/${namespace}/bad not ready. status: Failed, message: Job Failed. failed: 1/1`
    await expect(engine.install({ ...to, chart: fixed(job('bad', policies)) })).rejects.toThrow(
      `failed pre-install: ${why}`,
    )
    await expect(engine.upgrade({ ...to, chart: fixed(job('bad', policies)) })).rejects.toThrow(
      `pre-upgrade hooks failed: ${why}`,
    )
    expect(summary(await engine.history('app', namespace))).toEqual([
      `1 failed: Release "app" failed: failed pre-install: ${why}`,
      `2 failed: Upgrade "app" failed: pre-upgrade hooks failed: ${why}`,
    ])
    await engine.uninstall(to)
    await expect(engine.install({ ...to, chart: fixed(job('bad', policies)), serverSide: 'false' })).rejects.toThrow(
      why,
    )
    await engine.upgrade({ ...to, chart: fixed(job('good', policies)) })
    expect(await bed.get(jobs as never, namespace, 'good')).toBeUndefined()
  })

  test('tests are run on demand and recorded', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'app', namespace, values: {} }
    await engine.install({ ...to, chart: fixed(job('good', { 'helm.sh/hook': 'test' })) })
    expect((await engine.test(to)).hooks?.[0]?.last_run.phase).toBe('Succeeded')
    await engine.upgrade({ ...to, chart: fixed(job('bad', { 'helm.sh/hook': 'test' })) })
    await expect(engine.test(to)).rejects.toThrow('Job Failed')
    expect((await engine.history('app', namespace)).at(-1)).toMatchObject({
      info: { status: 'deployed' },
      hooks: [{ last_run: { phase: 'Failed' } }],
    })
  })
})
