import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../../bootstrap/client/client.ts'
import { jobs, pods, serviceAccounts } from '../../../bootstrap/client/resources.ts'
import { type Bed, releaseBed, summary } from './testing/bed.ts'
import { configMap, fixed, hook, job } from './testing/charts.ts'

jest.setTimeout(60_000)

let bed: Bed
beforeAll(async () => {
  bed = await releaseBed({ runJobs: true })
})
afterAll(() => bed.stop())

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

  test('the logs of those that ask for it are passed on', async () => {
    const namespace = await bed.namespace()
    const pod = (job: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `${job}-pod`, namespace, labels: { 'job-name': job } },
      spec: { containers: [{ name: 'a', image: 'a' }] },
    })
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } }
    await bed.api.create(serviceAccounts, account)
    for (const name of ['good', 'bad', 'quiet']) await bed.api.create(pods as Resource, pod(name))
    const said: string[] = []
    // No kubelet is here to be asked for logs.
    const client: Client = new Proxy(bed.api, {
      get: (target, name) =>
        name === 'raw'
          ? async (method: string, path: string) =>
              path.includes('/log?') ? `${method} ${path}\n` : target.raw(method, path)
          : (Reflect.get(target, name) as (...args: unknown[]) => unknown).bind(target),
    })
    const engine = bed.engine({ client, hookOutput: text => said.push(text) })
    const asks = (policy: string) => ({ 'helm.sh/hook': 'pre-install', 'helm.sh/hook-output-log-policy': policy })
    const app = fixed(job('good', asks('hook-succeeded')), job('quiet', asks('hook-failed')))
    await engine.install({ name: 'good', namespace, chart: app, values: {} })
    const failing = engine.install({
      name: 'bad',
      namespace,
      chart: fixed(job('bad', asks('hook-failed'))),
      values: {},
    })
    await expect(failing).rejects.toThrow('Job Failed')
    const path = (name: string) => `GET /api/v1/namespaces/${namespace}/pods/${name}-pod/log?container=a\n`
    expect(said).toEqual([path('good'), path('bad')])
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
