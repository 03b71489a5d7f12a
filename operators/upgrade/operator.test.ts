import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { deployments, events, jobs, type Node, nodes, pods, secrets } from '../../bootstrap/client/resources.ts'
import { nameOf } from '../runtime/apply.ts'
import { plans } from './plan.ts'
import { nodeOf, planOf, Upgrades } from './testing.ts'

let it_: Upgrades
const h = () => it_

beforeEach(() => {
  it_ = new Upgrades()
})
afterEach(() => h().stop())

const labelOf = async (node: string, plan = 'server-plan') =>
  (await h().node(node)).metadata.labels?.[`plan.upgrade.cattle.io/${plan}`]
const minute = 60_000

describe('a plan', () => {
  it('is applied to one node after the other, in an order that does not change, then it is complete', async () => {
    await h().addNodes('a', 'b', 'c')
    await h().begin()
    await h().addPlan()
    const order: string[] = []
    for (let round = 0; round < 3; round++) {
      const [node = '', ...others] = h().running
      expect(others).toEqual([])
      expect((await h().status()).applying).toEqual([node])
      expect(await h().condition('Complete')).toBe('False SyncJob')
      order.push(node)
      await h().end(node, 'Complete')
      expect(await labelOf(node)).toBe((await h().status()).latestHash)
    }
    expect([...order].sort()).toEqual(['a', 'b', 'c'])
    expect(await h().condition('Complete')).toBe('True Complete')
    expect((await h().status()).applying).toBeUndefined()
    const { latestHash } = await h().status()
    const synced = order.map(
      node => `SyncJob: Jobs synced for version v1.36.2-skiff1 on Nodes ${node}. Hash: ${latestHash}`,
    )
    expect(h().events()).toEqual(
      expect.arrayContaining([
        'Started: system-upgrade-controller running as system-upgrade/system-upgrade-controller',
        'Validated: Plan is valid',
        'Resolved: Resolved latest version from Spec.Version: v1.36.2-skiff1',
        ...synced,
        ...order.map(node => `JobComplete: Job completed on Node ${node}`),
        `Complete: Jobs complete for version v1.36.2-skiff1. Hash: ${latestHash}`,
      ]),
    )
    expect(h().failures).toEqual([])
  })

  it('is worked on at as many nodes at a time as it says', async () => {
    await h().addNodes('a', 'b', 'c')
    await h().begin()
    await h().addPlan({ concurrency: 2 })
    expect(h().running).toHaveLength(2)
    await h().end(h().running[0]!, 'Complete')
    expect(h().running).toHaveLength(2)
  })

  it('is paused by a concurrency of 0: what was begun is finished, nothing else begins', async () => {
    await h().addNodes('a', 'b')
    await h().begin()
    await h().addPlan()
    const [first = ''] = h().running
    await h().changePlan({ spec: { concurrency: 0 } })
    expect(h().running).toEqual([first])
    await h().end(first, 'Complete')
    expect(await labelOf(first)).toBeDefined()
    expect(h().running).toEqual([])
    expect(await h().condition('Complete')).toBe(
      'True Complete: no node is worked on: spec.concurrency is 0, want at least 1',
    )
    await h().changePlan({ spec: { concurrency: 1 } })
    expect(h().running).toEqual([first === 'a' ? 'b' : 'a'])
  })

  it('has a Job wait until its status names the node', async () => {
    await h().addNodes('a')
    const seen: unknown[] = []
    h().client.before = ({ verb, resource, subresource }) => {
      if (verb === 'patch' && resource === 'jobs') seen.push('started')
      if (verb === 'update' && subresource === 'status') seen.push(`status, ${h().jobs[0]?.spec.parallelism}`)
      if (verb === 'create' && resource === 'jobs') seen.push('created')
    }
    await h().begin()
    await h().addPlan()
    expect(seen).toEqual(['created', 'status, 0', 'started'])
    expect(h().job('a')?.spec.parallelism).toBe(1)
  })

  it('leaves done and opted-out nodes alone, and takes those that join', async () => {
    await h().addNodes('a')
    await h().client.create(nodes, nodeOf('b', { 'plan.upgrade.cattle.io/server-plan': 'disabled' }))
    await h().begin()
    await h().addPlan({ concurrency: 5 })
    expect(h().running).toEqual(['a'])
    await h().end('a', 'Complete')
    expect(await h().condition('Complete')).toBe('True Complete')
    await h().addNodes('c')
    await h().idle()
    expect(h().running).toEqual(['c'])
  })

  it.each([
    ['nodeSelector', { nodeSelector: undefined as never }, 'no node is selected: spec.nodeSelector is not set'],
    [
      'labels',
      { nodeSelector: { matchLabels: { role: 'x' } } },
      'no node is selected: none of 1 has the labels of spec.nodeSelector',
    ],
    ['concurrency', { concurrency: 0 }, 'no node is worked on: spec.concurrency is 0, want at least 1'],
  ])('that does nothing for want of %s is complete at once, and says why', async (_, spec, why) => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan(spec)
    expect(h().jobs).toEqual([])
    expect(await h().condition('Complete')).toBe(`True Complete: ${why}`)
    expect(h().events()).toContain(`NothingSelected: ${why}`)
  })

  it('in another namespace is left to others; after a minute without one its owner is told', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().client.create(plans, planOf({}, { namespace: 'default' }))
    await h().advance(30_000)
    expect(h().events()).toEqual([])
    await h().advance(31_000)
    expect(h().events()).toEqual([
      'WrongNamespace: plans are applied in namespace system-upgrade only, this one is in default',
    ])
    expect(h().jobs).toEqual([])
  })

  it('is left to the original controller while that is installed', async () => {
    await h().addNodes('a')
    await h().begin()
    const metadata = { name: 'system-upgrade-controller', namespace: 'system-upgrade' }
    const original = { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 1 } as never }
    await h().client.create(deployments, original)
    await h().addPlan()
    expect(h().jobs).toEqual([])
    expect(await h().status()).toEqual({})
    await h().advance(minute)
    expect(h().events()).toEqual([
      'OtherController: Deployment system-upgrade/system-upgrade-controller is there (0 ready), so this plan is its business; without it, the server looks after plans itself',
    ])
    await h().client.delete(deployments, metadata)
    await h().idle()
    expect(h().running).toEqual(['a'])
  })
})

describe('a plan that cannot be applied', () => {
  it('says what is wrong, and goes on when that is mended', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan({ drain: { deleteEmptydirData: true, deleteLocalData: true } })
    const why = 'spec.drain cannot specify both deleteEmptydirData and deleteLocalData'
    expect(await h().condition('Validated')).toBe(`False Error: ${why}`)
    expect(await h().condition('Complete')).toBe('False NotReady: plan is not valid and resolved')
    expect(h().events()).toEqual(expect.arrayContaining([`ValidateFailed: Failed to validate plan: ${why}`]))
    await h().changePlan({ spec: { drain: null } })
    expect(await h().condition('Validated')).toBe('True PlanIsValid')
    expect(h().running).toEqual(['a'])
  })

  it('waits for its Secrets', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan({ secrets: [{ name: 'key' }, { name: 'other', ignoreUpdates: true }] })
    expect(await h().condition('Validated')).toBe('False Error: secrets "key" not found')
    const metadata = { name: 'key', namespace: 'system-upgrade' }
    await h().client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, data: { a: 'MQ==' } })
    await h().idle()
    expect(h().running).toEqual(['a'])
    await h().end('a', 'Complete')
    const { latestHash } = await h().status()
    await h().client.patch(secrets, metadata, { data: { a: 'Mg==' } }, { type: 'merge' })
    await h().idle()
    expect((await h().status()).latestHash).not.toBe(latestHash)
    expect(h().running).toEqual(['a'])
  })

  it('needs a version or a channel', async () => {
    await h().begin()
    await h().addPlan({ version: '' })
    expect(await h().condition('LatestResolved')).toBe('False Error: cannot resolve plan: missing channel and version')
    expect(h().events()).toContain('ResolveFailed: cannot resolve plan: missing channel and version')
  })

  it('does not drain a node for a downgrade', async () => {
    const status = { nodeInfo: { kubeletVersion: 'v1.36.4+skiff1' } } as Node['status']
    h().client.seed(nodes, { ...nodeOf('a'), status })
    await h().begin()
    await h().addPlan({ drain: {} })
    const why =
      'Failed to create job for node a: downgrades are refused: the node runs v1.36.4+skiff1, and v1.36.2-skiff1 is older'
    expect(await h().condition('Complete')).toBe(`False ValidationFailed: ${why}`)
    expect(h().jobs).toEqual([])
    await h().changePlan({ spec: { version: 'v1.36.4+skiff2' } })
    expect(h().running).toEqual(['a'])
  })

  it('says which selector is wrong', async () => {
    await h().begin()
    await h().addPlan({ nodeSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } })
    const why = 'spec.nodeSelector: "Near" is not a valid label selector operator'
    expect(await h().condition('Complete')).toBe(`False SelectNodesFailed: ${why}`)
    expect(h().events()).toContain(`SelectNodesFailed: Failed to select Nodes: ${why}`)
  })

  it('says what the API has against its Jobs', async () => {
    await h().addNodes('a')
    h().client.before = ({ verb, resource }) => {
      if (verb === 'create' && resource === 'jobs') throw new Error('Job "x" is invalid: metadata.labels')
    }
    await h().begin()
    await h().addPlan()
    const why = 'Failed to create job for node a: Job "x" is invalid: metadata.labels'
    expect(await h().condition('Complete')).toBe(`False ValidationFailed: ${why}`)
    expect(h().events()).toContain(`ValidationFailed: ${why}`)
    h().client.before = () => {}
    await h().advance(minute)
    expect(h().running).toEqual(['a'])
  })
})

describe('versions', () => {
  it('come from the channel, which is asked every quarter of an hour', async () => {
    const asked: unknown[] = []
    let location = 'https://example.com/releases/tag/v1.36.2%2Bskiff1'
    await h().addNodes('a')
    await h().begin({
      ask: async query => {
        asked.push(query)
        return { status: 302, statusText: 'Found', location }
      },
    })
    await h().addPlan({ version: '', channel: 'https://example.com/stable' })
    expect(await h().condition('LatestResolved')).toBe('True Channel')
    expect((await h().status()).latestVersion).toBe('v1.36.2-skiff1')
    await h().end('a', 'Complete')
    await h().advance(14 * minute)
    expect(asked).toHaveLength(1)
    location = 'https://example.com/releases/tag/v1.37.0+skiff1'
    await h().advance(2 * minute)
    expect(asked).toEqual([
      { url: 'https://example.com/stable', latestVersion: undefined, clusterId: '' },
      { url: 'https://example.com/stable', latestVersion: 'v1.36.2-skiff1', clusterId: '' },
    ])
    expect((await h().status()).latestVersion).toBe('v1.37.0-skiff1')
    expect(h().running).toEqual(['a'])
    await h().changePlan({ spec: { channel: 'https://example.com/latest' } })
    expect(asked).toHaveLength(3)
  })

  it('stay as they are while the channel is out of reach', async () => {
    let works = false
    await h().begin({
      ask: async () => {
        if (!works) throw new Error('connect ECONNREFUSED')
        return { status: 200, statusText: 'OK', location: undefined }
      },
    })
    await h().addPlan({ version: '', channel: 'https://example.com/v1.36.2' })
    const why = 'Failed to resolve latest version from Spec.Channel: connect ECONNREFUSED'
    expect(await h().condition('LatestResolved')).toBe(`False Error: ${why}`)
    expect(h().events()).toContain(`ResolveFailed: ${why}`)
    works = true
    await h().advance(minute)
    expect((await h().status()).latestVersion).toBe('v1.36.2')
    works = false
    await h().advance(16 * minute)
    expect(await h().condition('LatestResolved')).toBe('True Channel')
  })

  it('that change end the Jobs of those before', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan()
    const old = h().job('a')
    await h().changePlan({ spec: { version: 'v1.37.0' } })
    expect((await h().client.get(jobs, nameOf(old!))).metadata.deletionTimestamp).toBeDefined()
    await h().podsGone('a')
    expect(h().jobs.map(job => job.metadata.labels?.['upgrade.cattle.io/version'])).toEqual(['v1.37.0'])
  })
})

describe('a window', () => {
  const window = { days: ['thu'], startTime: '10:00', endTime: '11:00' }

  it('keeps a plan from beginning, not from going on', async () => {
    await h().addNodes('a', 'b')
    await h().begin()
    await h().addPlan({ window })
    expect(h().jobs).toEqual([])
    expect(await h().condition('Complete')).toBe('False Waiting: current time is not within configured window')
    await h().advance(10 * 60 * minute)
    expect(h().running).toHaveLength(1)
    await h().advance(2 * 60 * minute)
    await h().end(h().running[0]!, 'Complete')
    expect(h().running).toHaveLength(1)
    expect(
      h()
        .events()
        .filter(event => event.startsWith('Waiting')),
    ).toHaveLength(1)
  })
})

describe('a Job at work', () => {
  it('that is held up says by what, and no more when it goes on', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan()
    const metadata = h().addPod('a')
    const set = async (state: object) => {
      const status = { containerStatuses: [{ name: 'upgrade', state }] }
      await h().client.patch(pods, metadata, { status }, { type: 'merge', subresource: 'status' })
      await h().idle()
    }
    await set({ waiting: { reason: 'ContainerCreating' } })
    expect(await h().condition('Complete')).toBe('False SyncJob')
    await set({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x:v1"' } })
    expect(await h().condition('Complete')).toBe(
      'False SyncJob: on Node a: container upgrade: ImagePullBackOff: Back-off pulling image "x:v1"',
    )
    await set({ waiting: null, running: {} })
    expect(await h().condition('Complete')).toBe('False SyncJob')
    await h().end('a', 'Complete')
    expect(await h().condition('Complete')).toBe('True Complete')
  })

  it('that can have no pod says why', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan()
    const { name = '', namespace, uid } = h().job('a')!.metadata
    const message = 'Error creating: pods "x-" is forbidden: error looking up service account'
    h().client.seed(events, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e', namespace: 'system-upgrade' },
      involvedObject: { kind: 'Job', name, namespace, uid },
      reason: 'FailedCreate',
      message,
    } as never)
    expect(await h().condition('Complete')).toBe('False SyncJob')
    await h().advance(10_000)
    expect(await h().condition('Complete')).toBe(`False SyncJob: on Node a: ${message}`)
    await h().client.patch(
      jobs,
      { name, namespace: 'system-upgrade' },
      { status: { active: 1 } },
      { type: 'merge', subresource: 'status' },
    )
    await h().idle()
    expect(await h().condition('Complete')).toBe('False SyncJob')
  })

  it('on a node that goes silent says so', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan()
    await h().silence('a')
    expect(await h().condition('Complete')).toBe(
      'False SyncJob: on Node a: the node is NotReady: Kubelet stopped posting node status.',
    )
  })
})

describe('the end of a Job', () => {
  it('is waited out for the delay after it; pods may come back at once', async () => {
    await h().addNodes('a', 'b')
    await h().begin()
    await h().addPlan({ cordon: true, postCompleteDelay: '5m' })
    const [first = ''] = h().running
    await h().changeNode(first, { spec: { unschedulable: true } })
    await h().end(first, 'Complete')
    expect((await h().node(first)).spec?.unschedulable).toBeUndefined()
    expect(await labelOf(first)).toBeUndefined()
    expect(h().running).toEqual([])
    await h().advance(5 * minute)
    expect(await labelOf(first)).toBe((await h().status()).latestHash)
    expect(h().running).toHaveLength(1)
    expect(h().events()).toEqual(
      expect.arrayContaining([
        `JobCompleteWaiting: Job completed on Node ${first}, waiting 5m PostCompleteDelay`,
        `JobComplete: Job completed on Node ${first}`,
      ]),
    )
  })

  it('gives the node the labels the plan names', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan({ postCompleteLabels: { 'example.com/os': '$(LATEST_VERSION)', plain: 'x-$(OTHER)-$$(A)' } })
    await h().end('a', 'Complete')
    const { labels } = (await h().node('a')).metadata
    expect(labels).toMatchObject({ 'example.com/os': 'v1.36.2-skiff1', plain: 'x-$(OTHER)-$(A)' })
  })

  it('by failure stops the plan there, with the reason in its status, until the plan changes', async () => {
    await h().addNodes('a', 'b')
    await h().begin()
    await h().addPlan({ cordon: true })
    const [node = ''] = h().running
    const job = h().job(node)!
    await h().changeNode(node, { spec: { unschedulable: true } })
    await h().end(node, 'Failed', {
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    })
    const text = `Job system-upgrade/${job.metadata.name} failed on Node ${node}: BackoffLimitExceeded: Job has reached the specified backoff limit; the node stays cordoned`
    expect(await h().condition('Complete')).toBe(`False JobFailed: ${text}`)
    expect(h().events()).toContain(`JobFailed: ${text}`)
    await h().advance(16 * minute)
    expect(h().jobs).toEqual([])
    expect(await h().condition('Complete')).toBe(`False JobFailed: ${text}`)
    await h().changePlan({ spec: { upgrade: { image: 'fixed' } } })
    expect(h().running).toEqual([node])
    expect(await h().condition('Complete')).toBe('False SyncJob')
  })

  it('by failure on a node that went silent says so, and does not wait for its pod', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan()
    await h().silence('a')
    await h().end('a', 'FailureTarget', {
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    })
    expect(await h().condition('Complete')).toMatch(
      /failed on Node a: DeadlineExceeded: .*; the node is NotReady: Kubelet stopped posting node status\.$/,
    )
  })

  it('by failure is told with the last words of its pods, although these are gone', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan()
    const { name } = h().job('a')!.metadata
    const metadata = h().addPod('a')
    const message = 'evicting pod default/web\nCannot evict pod\n'
    const drain = { name: 'drain', state: { terminated: { exitCode: 143, message } } }
    const status = { initContainerStatuses: [drain] }
    await h().client.patch(pods, metadata, { status }, { type: 'merge', subresource: 'status' })
    await h().client.delete(pods, metadata, { gracePeriodSeconds: 0 })
    await h().idle()
    await h().end('a', 'Failed', {
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    })
    expect(await h().condition('Complete')).toBe(
      `False JobFailed: Job system-upgrade/${name} failed on Node a: DeadlineExceeded: Job was active longer than specified deadline; container drain ended with 143: evicting pod default/web; Cannot evict pod`,
    )
  })

  it('by failure is tried again at once when what the Job is made of changes', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan()
    await h().end('a', 'Failed', {
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    })
    await h().changePlan({ spec: { jobActiveDeadlineSecs: 1200 } })
    await h().podsGone('a')
    expect(h().job('a')?.spec.activeDeadlineSeconds).toBe(1200)
    expect(h().running).toEqual(['a'])
    await h().changePlan({ spec: { concurrency: 3 } })
    expect(h().running).toEqual(['a'])
  })
})

describe('a cordoned node', () => {
  const debt = async (node: string) =>
    (await h().node(node)).metadata.annotations?.['cordon.upgrade.cattle.io/server-plan']
  const unschedulable = async (node: string) => (await h().node(node)).spec?.unschedulable === true
  const cordon = (node: string) => h().changeNode(node, { spec: { unschedulable: true } })

  it('is known to be cordoned by the plan before its Job may run, and free after it', async () => {
    await h().addNodes('a')
    h().client.before = ({ verb, resource }) => {
      const node = h().client.store.table('/nodes').get('a')
      if (verb === 'patch' && resource === 'jobs')
        expect(node?.metadata.annotations).toEqual({ 'cordon.upgrade.cattle.io/server-plan': 'schedulable' })
    }
    await h().begin()
    await h().addPlan({ drain: {} })
    expect(h().running).toEqual(['a'])
    await cordon('a')
    await h().end('a', 'Complete')
    expect(await unschedulable('a')).toBe(false)
    expect(await debt('a')).toBeUndefined()
    expect(h().failures).toEqual([])
  })

  it('is uncordoned when the plan is deleted midway, after the last pod of its Job', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan({ drain: {} })
    await cordon('a')
    await h().deletePlan()
    expect(h().job('a')?.metadata.finalizers).toEqual(['foregroundDeletion'])
    expect(await unschedulable('a')).toBe(true)
    await h().podsGone('a')
    expect(await unschedulable('a')).toBe(false)
    expect(await debt('a')).toBeUndefined()
  })

  it('is uncordoned by the next controller when the plan was deleted while there was none', async () => {
    await h().client.create(nodes, {
      ...nodeOf('a', {}, { unschedulable: true }),
      metadata: { name: 'a', annotations: { 'cordon.upgrade.cattle.io/server-plan': 'schedulable' } },
    })
    await h().begin()
    expect(await unschedulable('a')).toBe(false)
    expect(await debt('a')).toBeUndefined()
  })

  it('stays cordoned after a failure, and is freed when the plan goes or leaves it out', async () => {
    await h().addNodes('a', 'b')
    await h().begin()
    await h().addPlan({ drain: {}, concurrency: 2 })
    for (const node of ['a', 'b']) {
      await cordon(node)
      await h().end(node, 'Failed', { reason: 'DeadlineExceeded' })
    }
    expect(await unschedulable('a')).toBe(true)
    await h().changeNode('a', { metadata: { labels: { 'plan.upgrade.cattle.io/server-plan': 'disabled' } } })
    expect(await unschedulable('a')).toBe(false)
    expect(await unschedulable('b')).toBe(true)
    await h().deletePlan()
    await h().podsGone('b')
    expect(await unschedulable('b')).toBe(false)
  })

  it('that was so before the plan came stays so when the plan is deleted', async () => {
    await h().client.create(nodes, nodeOf('a', {}, { unschedulable: true }))
    await h().begin()
    await h().addPlan({ drain: {} })
    expect(await debt('a')).toBe('unschedulable')
    await h().deletePlan()
    await h().podsGone('a')
    expect(await unschedulable('a')).toBe(true)
    expect(await debt('a')).toBeUndefined()
  })

  it('stays cordoned until the last plan that works on it is done', async () => {
    await h().addNodes('a')
    await h().begin()
    await h().addPlan({ cordon: true })
    await cordon('a')
    await h().addPlan({ drain: {} }, { name: 'second' })
    const [first, second] = h().jobs
    const end = async (job: typeof first) => {
      const conditions = [{ type: 'Complete', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }]
      await h().client.patch(jobs, nameOf(job!), { status: { conditions } }, { type: 'merge', subresource: 'status' })
      await h().idle()
    }
    await end(first)
    expect(await unschedulable('a')).toBe(true)
    await end(second)
    expect(await unschedulable('a')).toBe(false)
  })

  it('of a plan that does not cordon is not touched', async () => {
    await h().client.create(nodes, nodeOf('a', {}, { unschedulable: true }))
    await h().begin()
    await h().addPlan()
    await h().end('a', 'Complete')
    expect(await unschedulable('a')).toBe(true)
  })
})
