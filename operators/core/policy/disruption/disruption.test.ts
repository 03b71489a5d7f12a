import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { OwnerReference } from '../../../../bootstrap/api/object.ts'
import {
  type Deployment,
  deployments,
  jobs,
  type Pod,
  type PodDisruptionBudget,
  podDisruptionBudgets,
  pods,
  replicaSets,
  statefulSets,
} from '../../../../bootstrap/client/resources.ts'
import { controllerReference, nameOf } from '../../../runtime/apply.ts'
import { deployment, replicaSet } from '../../../runtime/testing/builders.ts'
import { Harness } from '../../../runtime/testing/harness.ts'
import { timestamp } from '../../../runtime/time.ts'
import { disruptionController } from './disruption.ts'
import { selectorText } from './selector-text.ts'
import { staleDisruptions } from './stale-conditions.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(disruptionController(), staleDisruptions())
})
afterEach(() => harness.stop())

const at = { name: 'budget', namespace: 'default' }
const status = async () => (await harness.client.get(podDisruptionBudgets, at)).status

async function budget(spec: Partial<PodDisruptionBudget['spec']>): Promise<void> {
  harness.client.seed(podDisruptionBudgets, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { ...at, generation: 1 },
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  })
  await harness.idle()
}

interface PodOptions {
  readonly ready?: boolean
  readonly owner?: OwnerReference
  readonly labels?: { readonly [key: string]: string }
}

async function pod(name: string, { ready = true, owner, labels = { app: 'web' } }: PodOptions = {}): Promise<Pod> {
  const made = harness.client.seed(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels, ...(owner ? { ownerReferences: [owner] } : {}) },
    spec: { nodeName: 'n', containers: [{ name: 'c' }] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  })
  await harness.idle()
  return made
}

const ownerOf = (object: Parameters<typeof controllerReference>[0]) => controllerReference(object)

function deployed(replicas: number): OwnerReference {
  const above = harness.client.seed(deployments, deployment({ replicas })) as Deployment
  const { metadata, ...set } = replicaSet({ replicas: 1 })
  return ownerOf(
    harness.client.seed(replicaSets, { ...set, metadata: { ...metadata, ownerReferences: [ownerOf(above)] } }),
  )
}

describe('a budget in figures', () => {
  test.each([
    [{ minAvailable: 2 }, { expectedPods: 3, desiredHealthy: 2, disruptionsAllowed: 1 }],
    [{ minAvailable: 3 }, { expectedPods: 3, desiredHealthy: 3, disruptionsAllowed: 0 }],
    [{ minAvailable: 9 }, { expectedPods: 3, desiredHealthy: 9, disruptionsAllowed: 0 }],
    [{ minAvailable: '50%' }, { expectedPods: 5, desiredHealthy: 3, disruptionsAllowed: 0 }],
    [{ minAvailable: '40%' }, { expectedPods: 5, desiredHealthy: 2, disruptionsAllowed: 1 }],
    [{ maxUnavailable: 3 }, { expectedPods: 5, desiredHealthy: 2, disruptionsAllowed: 1 }],
    [{ maxUnavailable: 7 }, { expectedPods: 5, desiredHealthy: 0, disruptionsAllowed: 3 }],
    [{ maxUnavailable: '30%' }, { expectedPods: 5, desiredHealthy: 3, disruptionsAllowed: 0 }],
    [{ maxUnavailable: '61%' }, { expectedPods: 5, desiredHealthy: 1, disruptionsAllowed: 2 }],
  ])('%j of a Deployment of five with three healthy pods', async (spec, expected) => {
    const owner = deployed(5)
    for (const name of ['a', 'b', 'c']) await pod(name, { owner })
    await budget(spec)
    const allowed = expected.disruptionsAllowed > 0
    expect(await status()).toEqual({
      ...expected,
      currentHealthy: 3,
      observedGeneration: 1,
      conditions: [
        {
          type: 'DisruptionAllowed',
          status: allowed ? 'True' : 'False',
          reason: allowed ? 'SufficientPods' : 'InsufficientPods',
          message: '',
          observedGeneration: 1,
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    })
  })

  test('follows its pods', async () => {
    await budget({ minAvailable: 1 })
    expect(await status()).toMatchObject({ expectedPods: 0, disruptionsAllowed: 0 })
    expect(harness.events()).toContain('NoPods: No matching pods found')
    await pod('a')
    const second = await pod('b', { ready: false })
    await pod('other', { labels: { app: 'db' } })
    expect(await status()).toMatchObject({ expectedPods: 2, currentHealthy: 1, disruptionsAllowed: 0 })
    await harness.advance(5000)
    await harness.client.patch(
      pods,
      nameOf(second),
      { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
      { type: 'merge', subresource: 'status' },
    )
    await harness.idle()
    expect(await status()).toMatchObject({
      currentHealthy: 2,
      disruptionsAllowed: 1,
      conditions: [{ status: 'True', reason: 'SufficientPods', lastTransitionTime: '2026-01-01T00:00:05Z' }],
    })
    await harness.advance(5000)
    await pod('c')
    expect(await status()).toMatchObject({
      disruptionsAllowed: 2,
      conditions: [{ status: 'True', lastTransitionTime: '2026-01-01T00:00:05Z' }],
    })
    await harness.client.delete(pods, nameOf(second))
    await harness.client.delete(pods, { name: 'c', namespace: 'default' })
    await harness.idle()
    expect(await status()).toMatchObject({ expectedPods: 3, currentHealthy: 1, disruptionsAllowed: 0 })
  })

  test('sums up several controllers', async () => {
    const set = harness.client.seed(statefulSets, {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'db', namespace: 'default' },
      spec: { replicas: 2, selector: {}, serviceName: 'db', template: {} },
    })
    await pod('a', { owner: deployed(3) })
    await pod('b', { owner: ownerOf(set) })
    await budget({ maxUnavailable: '20%' })
    expect(await status()).toMatchObject({ expectedPods: 5, desiredHealthy: 4 })
  })
})

describe('an eviction', () => {
  const granted = async (name: string) => {
    const disruptedPods = { [name]: timestamp(harness.clock.now()) }
    const patch = { status: { disruptionsAllowed: 0, disruptedPods } }
    await harness.client.patch(podDisruptionBudgets, at, patch, { type: 'merge', subresource: 'status' })
    await harness.idle()
  }

  beforeEach(async () => {
    await pod('a')
    await pod('b')
    await budget({ minAvailable: 1 })
  })

  test('counts until the pod is deleted', async () => {
    await granted('a')
    const disruptedPods = { a: '2026-01-01T00:00:00Z' }
    expect(await status()).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0, disruptedPods })
    await harness.client.delete(pods, { name: 'a', namespace: 'default' })
    await harness.idle()
    expect((await status())?.disruptedPods).toBeUndefined()
    expect(await status()).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0, expectedPods: 2 })
  })

  test('is given up after two minutes', async () => {
    await granted('a')
    await harness.advance(119_000)
    expect(await status()).toMatchObject({ disruptionsAllowed: 0 })
    await harness.advance(1000)
    expect((await status())?.disruptedPods).toBeUndefined()
    expect(await status()).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1 })
    expect(harness.events()).toEqual(["NotDeleted: Pod was expected by PDB default/budget to be deleted but it wasn't"])
  })
})

describe('pods that cannot be counted', () => {
  test('without a controller', async () => {
    await pod('a')
    await budget({ maxUnavailable: 1 })
    expect(await status()).toMatchObject({ expectedPods: 0, disruptionsAllowed: 0 })
    expect(harness.events()).toEqual([
      expect.stringContaining('UnmanagedPods: Pods selected by this PodDisruptionBudget (selector: &LabelSelector{'),
    ])
  })

  test.each<[string, OwnerReference, string]>([
    [
      'a kind that cannot be scaled',
      { apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'u', controller: true },
      'jobs.batch does not implement the scale subresource',
    ],
    [
      'a kind nobody knows',
      { apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'u', controller: true },
      'no matches for kind "Widget" in version "example.com/v1"',
    ],
  ])('%s', async (_case, owner, message) => {
    await pod('a', { owner })
    await budget({ maxUnavailable: 1 })
    expect(await status()).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message }],
    })
    expect(harness.events()).toContain(
      `CalculateExpectedPodCountFailed: Failed to calculate the number of expected pods: ${message}`,
    )
  })

  test('any scalable kind', async () => {
    const { client } = harness
    const read = client.raw.bind(client)
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'u', controller: true }
    client.raw = async (method, path) => {
      if (path === '/apis/batch/v1/namespaces/default/jobs/j/scale')
        return { kind: 'Scale', metadata: { uid: 'u' }, spec: { replicas: 4 } }
      const found = (await read(method, path)) as { resources: object[] }
      return { ...found, resources: [...found.resources, { name: `${jobs.resource}/scale`, kind: 'Scale' }] }
    }
    await pod('a', { owner })
    await budget({ maxUnavailable: 1 })
    expect(await status()).toMatchObject({ expectedPods: 4, desiredHealthy: 3 })
  })
})

describe('an announced disruption', () => {
  const announce = async (reason: string) => {
    const made = await pod('a')
    const lastTransitionTime = timestamp(harness.clock.now())
    const condition = { type: 'DisruptionTarget', status: 'True', reason, message: 'm', lastTransitionTime }
    const patch = { status: { conditions: [condition] } }
    await harness.client.patch(pods, nameOf(made), patch, { type: 'strategic', subresource: 'status' })
    await harness.advance(120_000)
    const { conditions } = (await harness.client.get(pods, nameOf(made))).status ?? {}
    return conditions?.find(({ type }) => type === 'DisruptionTarget')
  }

  test('is taken back after two minutes', async () => {
    expect(await announce('EvictionByEvictionAPI')).toEqual({
      type: 'DisruptionTarget',
      status: 'False',
      lastTransitionTime: '2026-01-01T00:02:00Z',
    })
  })

  test('stands where it is the kubelet that ends the pod', async () => {
    expect(await announce('TerminationByKubelet')).toMatchObject({ status: 'True' })
  })
})

test('selectors are printed as upstream prints them', () => {
  const matchExpressions = [{ key: 'tier', operator: 'In', values: ['a', 'b'] }]
  expect(selectorText({ matchLabels: { b: '2', a: '1' }, matchExpressions })).toBe(
    '&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:tier,Operator:In,Values:[a b],},},}',
  )
})
