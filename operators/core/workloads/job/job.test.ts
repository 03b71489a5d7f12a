import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { errors } from '../../../../bootstrap/api/errors.ts'
import { type Job, jobs, type Pod, pods } from '../../../../bootstrap/client/resources.ts'
import { nameOf } from '../../../runtime/apply.ts'
import { isActive } from '../../../runtime/pods.ts'
import { podsIn, report } from '../../../runtime/testing/builders.ts'
import { Harness } from '../../../runtime/testing/harness.ts'
import { timestamp } from '../../../runtime/time.ts'
import { indexesText, parseIndexes } from './indexes.ts'
import { jobController } from './job.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(jobController())
})
afterEach(() => harness.stop())

const at = { name: 'task', namespace: 'default' }
const current = () => harness.client.get(jobs, at)
const status = async () => (await current()).status ?? {}
const conditions = async () => ((await status()).conditions ?? []).map(({ type, reason }) => `${type}/${reason}`)
const active = () => podsIn(harness).filter(isActive)
const change = (spec: object) => harness.client.patch(jobs, at, { spec }, { type: 'merge' })

async function create(spec: Partial<Job['spec']> = {}): Promise<void> {
  const labels = { 'job-name': 'task' }
  await harness.client.create(jobs, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: at,
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
      ...spec,
    },
  })
  await harness.idle()
}

async function end(pod: Pod | undefined, phase: 'Succeeded' | 'Failed', exitCode = phase === 'Failed' ? 1 : 0) {
  const terminated = { exitCode, finishedAt: timestamp(harness.clock.now()) }
  const containerStatuses = [
    { name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated } },
  ]
  await report(harness, pod as Pod, { phase, containerStatuses })
  await harness.idle()
}

describe('a Job', () => {
  test('runs a pod and completes with it', async () => {
    await create()
    expect(podsIn(harness)).toMatchObject([
      {
        metadata: {
          generateName: 'task-',
          finalizers: ['batch.kubernetes.io/job-tracking'],
          ownerReferences: [{ kind: 'Job', name: 'task', controller: true }],
        },
      },
    ])
    expect(await status()).toEqual({
      startTime: '2026-01-01T00:00:00Z',
      active: 1,
      ready: 0,
      terminating: 0,
      uncountedTerminatedPods: {},
    })
    await harness.advance(5000)
    await end(active()[0], 'Succeeded')
    expect(await status()).toMatchObject({
      succeeded: 1,
      ready: 0,
      terminating: 0,
      startTime: '2026-01-01T00:00:00Z',
      completionTime: '2026-01-01T00:00:05Z',
      uncountedTerminatedPods: {},
    })
    expect((await status()).active).toBeUndefined()
    expect(await conditions()).toEqual(['SuccessCriteriaMet/CompletionsReached', 'Complete/CompletionsReached'])
    expect(podsIn(harness)[0]?.metadata.finalizers).toBeUndefined()
    expect(harness.events()).toContain('Completed: Job completed')
  })

  test('works through its completions, so many at a time', async () => {
    await create({ completions: 5, parallelism: 2 })
    for (let done = 0; done < 5; done++) {
      expect(active()).toHaveLength(Math.min(2, 5 - done))
      await end(active()[0], 'Succeeded')
    }
    expect(await status()).toMatchObject({ succeeded: 5 })
    expect(podsIn(harness)).toHaveLength(5)
  })

  test('without completions ends when one has succeeded and none is left', async () => {
    await create({ completions: undefined, parallelism: 3 })
    await end(active()[0], 'Succeeded')
    expect(active()).toHaveLength(2)
    expect(await conditions()).toEqual([])
    await end(active()[0], 'Succeeded')
    await end(active()[0], 'Succeeded')
    expect(await conditions()).toContain('Complete/CompletionsReached')
  })

  test('replaces a failed pod after 10 s, then 20 s', async () => {
    await create()
    for (const wait of [10_000, 20_000]) {
      await end(active()[0], 'Failed')
      await harness.advance(wait - 1000)
      expect(active()).toHaveLength(0)
      await harness.advance(1000)
      expect(active()).toHaveLength(1)
    }
    expect(await status()).toMatchObject({ failed: 2, active: 1 })
  })

  test.each([
    [0, 0, []],
    [0, 1, ['FailureTarget/BackoffLimitExceeded']],
    [2, 1, []],
    [2, 2, ['FailureTarget/BackoffLimitExceeded']],
  ])('with limit %i counts %i restarts of containers in their pod', async (backoffLimit, restartCount, wanted) => {
    const spec = { restartPolicy: 'OnFailure', containers: [{ name: 'c', image: 'i' }] }
    await create({ backoffLimit, template: { metadata: { labels: { 'job-name': 'task' } }, spec } })
    const containerStatuses = [{ name: 'c', image: '', imageID: '', ready: false, restartCount, state: {} }]
    await report(harness, active()[0] as Pod, { phase: 'Running', containerStatuses })
    await harness.idle()
    expect((await conditions()).slice(0, 1)).toEqual(wanted)
  })

  test('fails beyond its backoff limit, stopping what still runs', async () => {
    await create({ backoffLimit: 0, completions: 2, parallelism: 2 })
    await end(active()[0], 'Failed')
    expect(await conditions()).toEqual(['FailureTarget/BackoffLimitExceeded', 'Failed/BackoffLimitExceeded'])
    expect(active()).toEqual([])
    expect((await status()).completionTime).toBeUndefined()
    expect(harness.events()).toContain('BackoffLimitExceeded: Job has reached the specified backoff limit')
  })

  test('is final only after its pods have ended', async () => {
    await create({ backoffLimit: 0, completions: 2, parallelism: 2, podReplacementPolicy: 'Failed' })
    const [first, second] = active() as [Pod, Pod]
    await harness.client.patch(pods, nameOf(second), { spec: { nodeName: 'n' } }, { type: 'merge' })
    await end(first, 'Failed')
    expect(await conditions()).toEqual(['FailureTarget/BackoffLimitExceeded'])
    expect(await status()).toMatchObject({ terminating: 1 })
    await end(second, 'Failed')
    expect(await conditions()).toContain('Failed/BackoffLimitExceeded')
  })

  test('fails at its deadline', async () => {
    await create({ activeDeadlineSeconds: 30 })
    await harness.advance(29_000)
    expect(active()).toHaveLength(1)
    await harness.advance(1000)
    expect(await conditions()).toContain('Failed/DeadlineExceeded')
    expect(harness.events()).toContain('DeadlineExceeded: Job was active longer than specified deadline')
  })

  test('stops when suspended and starts anew', async () => {
    await create({ suspend: true })
    expect(podsIn(harness)).toEqual([])
    expect(await conditions()).toEqual(['Suspended/JobSuspended'])
    expect((await status()).startTime).toBeUndefined()
    await harness.advance(1000)
    await change({ suspend: false })
    await harness.idle()
    expect(active()).toHaveLength(1)
    expect(await conditions()).toEqual(['Suspended/JobResumed'])
    expect((await status()).startTime).toBe('2026-01-01T00:00:01Z')
    await change({ suspend: true })
    await harness.idle()
    expect(active()).toEqual([])
    expect(harness.events()).toEqual(expect.arrayContaining(['Suspended: Job suspended', 'Resumed: Job resumed']))
  })

  test('follows a change of its parallelism', async () => {
    await create({ completions: 10, parallelism: 4 })
    await change({ parallelism: 1 })
    await harness.idle()
    expect(active()).toHaveLength(1)
  })

  test('counts each pod once, whatever conflicts and stale caches there are', async () => {
    let conflicts = 3
    harness.client.before = call => {
      if (call.subresource === 'status' && call.resource === 'jobs' && conflicts-- > 0)
        throw errors.stale({ group: 'batch', resource: 'jobs' }, 'task')
    }
    await create({ completions: 3, parallelism: 3 })
    await harness.advance(100)
    conflicts = 2
    harness.client.store.pause()
    for (const pod of active()) await report(harness, pod, { phase: 'Succeeded' })
    harness.client.store.resume()
    await harness.idle()
    await harness.advance(1000)
    expect(await status()).toMatchObject({ succeeded: 3, uncountedTerminatedPods: {} })
    expect(podsIn(harness)).toHaveLength(3)
  })

  test('that is deleted lets go of its pods', async () => {
    await create()
    await harness.client.delete(jobs, at)
    await harness.idle()
    await harness.client.delete(pods, nameOf(podsIn(harness)[0] as Pod))
    await harness.idle()
    expect(podsIn(harness)).toEqual([])
  })

  test('managed by another controller is left alone', async () => {
    await create({ managedBy: 'example.com/other' })
    expect(podsIn(harness)).toEqual([])
  })
})

describe('an Indexed Job', () => {
  const indexed = { completionMode: 'Indexed', completions: 3, parallelism: 2 }
  const index = (pod: Pod) => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index']

  test('runs each index once', async () => {
    await create(indexed)
    expect(active()).toMatchObject([
      {
        metadata: { generateName: 'task-0-', labels: { 'batch.kubernetes.io/job-completion-index': '0' } },
        spec: {
          hostname: 'task-0',
          containers: [
            {
              env: [
                {
                  name: 'JOB_COMPLETION_INDEX',
                  valueFrom: { fieldRef: { fieldPath: "metadata.labels['batch.kubernetes.io/job-completion-index']" } },
                },
              ],
            },
          ],
        },
      },
      { metadata: { generateName: 'task-1-' } },
    ])
    await end(active()[1], 'Succeeded')
    expect(active().map(index).sort()).toEqual(['0', '2'])
    expect(await status()).toMatchObject({ completedIndexes: '1', succeeded: 1 })
    while (active().length > 0) await end(active()[0], 'Succeeded')
    expect(await status()).toMatchObject({ completedIndexes: '0-2', succeeded: 3 })
    expect(await conditions()).toContain('Complete/CompletionsReached')
  })

  test('may succeed by its policy before all indexes have', async () => {
    await create({ ...indexed, parallelism: 3, successPolicy: { rules: [{ succeededIndexes: '2' }] } })
    await end(
      active().find(pod => index(pod) === '2'),
      'Succeeded',
    )
    expect(await conditions()).toEqual(['SuccessCriteriaMet/SuccessPolicy', 'Complete/SuccessPolicy'])
    expect(active()).toEqual([])
  })
})

describe('a limit for each index', () => {
  const limited = {
    completionMode: 'Indexed',
    completions: 2,
    parallelism: 2,
    backoffLimit: 100,
    backoffLimitPerIndex: 1,
  }
  const podOf = (index: string) =>
    active().find(pod => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'] === index)

  test('gives up one index and still finishes the others', async () => {
    await create(limited)
    await end(podOf('0'), 'Failed')
    expect(podOf('0')).toBeUndefined()
    await harness.advance(10_000)
    expect(podOf('0')?.metadata.annotations).toMatchObject({ 'batch.kubernetes.io/job-index-failure-count': '1' })
    await end(podOf('0'), 'Failed')
    expect(await status()).toMatchObject({ failedIndexes: '0', failed: 2 })
    expect(await conditions()).toEqual([])
    await end(podOf('1'), 'Succeeded')
    expect(await status()).toMatchObject({ failedIndexes: '0', completedIndexes: '1' })
    expect(await conditions()).toContain('Failed/FailedIndexes')
  })

  test('may fail the Job when too many have failed', async () => {
    await create({ ...limited, backoffLimitPerIndex: 0, maxFailedIndexes: 0 })
    await end(podOf('1'), 'Failed')
    expect(await conditions()).toContain('Failed/MaxFailedIndexesExceeded')
  })

  test('is skipped by a rule that fails the index at once', async () => {
    const rule = { action: 'FailIndex', onExitCodes: { operator: 'In', values: [42] } }
    await create({ ...limited, podFailurePolicy: { rules: [rule] } })
    await end(podOf('0'), 'Failed', 42)
    expect((await status()).failedIndexes).toBe('0')
  })
})

describe('a pod failure policy', () => {
  const rule = (action: string) => ({ action, onExitCodes: { operator: 'In', values: [42] } })

  test('may fail the Job at once', async () => {
    await create({ podFailurePolicy: { rules: [rule('FailJob')] } })
    const name = active()[0]?.metadata.name
    await end(active()[0], 'Failed', 42)
    expect((await status()).conditions).toMatchObject([
      {
        type: 'FailureTarget',
        reason: 'PodFailurePolicy',
        message: `Container c for pod default/${name} failed with exit code 42 matching FailJob rule at index 0`,
      },
      { type: 'Failed', reason: 'PodFailurePolicy' },
    ])
  })

  test('may ignore a failure', async () => {
    await create({ backoffLimit: 0, podFailurePolicy: { rules: [rule('Ignore')] } })
    await end(active()[0], 'Failed', 42)
    expect(active()).toHaveLength(1)
    expect((await status()).failed).toBeUndefined()
    await end(active()[0], 'Failed', 1)
    expect(await conditions()).toContain('Failed/BackoffLimitExceeded')
  })
})

test.each([
  [[], ''],
  [[0], '0'],
  [[1, 0], '0,1'],
  [[0, 1, 2, 4, 6, 7, 9, 10, 11], '0-2,4,6,7,9-11'],
])('indexes %p are written %p', (indexes, text) => {
  expect(indexesText(indexes)).toBe(text)
  expect([...parseIndexes(text, 100)]).toEqual([...indexes].sort((a, b) => a - b))
})
