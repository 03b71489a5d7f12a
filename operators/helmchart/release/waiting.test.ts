import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { deployments } from '../../../bootstrap/client/resources.ts'
import { type Bed, releaseBed, summary, until } from './testing/bed.ts'
import { configMap, deployment, fixed, job } from './testing/charts.ts'

jest.setTimeout(60_000)

let bed: Bed
beforeAll(async () => {
  bed = await releaseBed({ runJobs: true })
})
afterAll(() => bed.stop())

describe('waiting', () => {
  const ready = {
    observedGeneration: 1,
    replicas: 1,
    updatedReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    conditions: [
      { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
      { type: 'Available', status: 'True' },
    ],
  }

  test('ends when all is ready', async () => {
    const namespace = await bed.namespace()
    const installing = bed
      .engine()
      .install({ name: 'app', namespace, chart: fixed(deployment), values: {}, wait: true })
    await until(async () => (await bed.get(deployments as never, namespace, 'web')) !== undefined)
    expect((await bed.engine().history('app', namespace))[0]?.info.status).toBe('pending-install')
    await setStatus(namespace, ready)
    expect((await installing).info.status).toBe('deployed')
  })

  test('ends when nothing can become ready any more', async () => {
    const namespace = await bed.namespace()
    const installing = bed
      .engine()
      .install({ name: 'app', namespace, chart: fixed(deployment), values: {}, wait: true })
    const outcome = expect(installing).rejects.toThrow(
      `resource Deployment/${namespace}/web not ready. status: Failed, message: Progress deadline exceeded`,
    )
    await until(async () => (await bed.get(deployments as never, namespace, 'web')) !== undefined)
    await setStatus(namespace, {
      observedGeneration: 1,
      conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }],
    })
    await outcome
  })

  test('for jobs, when asked for', async () => {
    const namespace = await bed.namespace()
    const to = { namespace, values: {}, wait: true, timeoutMs: 10_000, waitForJobs: true }
    await bed.engine().install({ ...to, name: 'good', chart: fixed(job('good')) })
    await expect(bed.engine().install({ ...to, name: 'bad', chart: fixed(job('bad')) })).rejects.toThrow('Job Failed')
  })

  test('ends after its time, and an atomic upgrade goes back', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'app', namespace, values: {}, timeoutMs: 200 }
    await expect(engine.install({ ...to, chart: fixed(deployment), atomic: true })).rejects.toThrow(
      `release app failed, and has been uninstalled due to rollback-on-failure being set: resource Deployment/${namespace}/web not ready. status: InProgress, message: Replicas: 0/1\ncontext deadline exceeded`,
    )
    expect(await engine.history('app', namespace)).toEqual([])
    await engine.install({ ...to, chart: fixed(configMap('settings', { a: '1' })) })
    await expect(
      engine.upgrade({ ...to, chart: fixed(configMap('settings', { a: '2' }), deployment), atomic: true }),
    ).rejects.toThrow('release app failed, and has been rolled back due to rollback-on-failure being set: ')
    expect(await bed.configMaps(namespace)).toEqual({ settings: { a: '1' } })
    expect(await bed.get(deployments as never, namespace, 'web')).toBeUndefined()
    expect(summary(await engine.history('app', namespace)).at(-1)).toBe('3 deployed: Rollback to 1')
  })

  test('ends when told to, and the release has failed', async () => {
    const namespace = await bed.namespace()
    const abort = new AbortController()
    const engine = bed.engine({ signal: abort.signal })
    const installing = engine.install({ name: 'app', namespace, chart: fixed(deployment), values: {}, wait: true })
    const outcome = expect(installing).rejects.toThrow('context canceled')
    await until(async () => (await bed.get(deployments as never, namespace, 'web')) !== undefined)
    abort.abort(new Error('shutting down'))
    await outcome
    expect((await bed.engine().history('app', namespace))[0]?.info.status).toBe('failed')
  })

  async function setStatus(namespace: string, status: object): Promise<void> {
    const object = await bed.api.get(deployments, { name: 'web', namespace })
    await bed.api.update(deployments, { ...object, status } as typeof object, { subresource: 'status' })
  }
})
