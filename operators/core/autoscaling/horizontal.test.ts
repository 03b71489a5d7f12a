import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { errors } from '../../../bootstrap/api/errors.ts'
import {
  deployments,
  type HorizontalPodAutoscaler,
  horizontalPodAutoscalers,
  type Pod,
  pods,
} from '../../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../../bootstrap/client/testing/memory-client.ts'
import { deployment } from '../../runtime/testing/builders.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { horizontalPodAutoscaler } from './horizontal.ts'

type Answer = (path: string) => unknown

/** Serves scales of Deployments, and metrics as told. */
class ScalingClient extends MemoryClient {
  metrics: Answer = () => {
    throw errors.unknownPath()
  }

  override async raw(method: string, path: string, body?: unknown): Promise<unknown> {
    if (/^\/apis\/(custom\.|external\.)?metrics\.k8s\.io/.test(path)) return this.metrics(decodeURIComponent(path))
    const [, namespace = '', name = ''] =
      /^\/apis\/apps\/v1\/namespaces\/([^/]+)\/deployments\/([^/]+)\/scale$/.exec(path) ?? []
    if (name === '') return await super.raw(method, path)
    const found = await this.get(deployments, { name, namespace })
    if (method === 'PUT') {
      const { replicas = 0 } = (body as { spec: { replicas?: number } }).spec
      await this.patch(deployments, { name, namespace }, { spec: { replicas } }, { type: 'merge' })
    }
    const replicas = found.spec.replicas ?? 0
    return {
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      metadata: found.metadata,
      spec: { replicas },
      status: { replicas, selector: 'app=web' },
    }
  }
}

const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }
const autoscaler = (spec: object = {}, name = 'web'): HorizontalPodAutoscaler =>
  ({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name, namespace: 'default' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 1,
      maxReplicas: 10,
      metrics: [cpu],
      ...spec,
    },
  }) as unknown as HorizontalPodAutoscaler

describe('an autoscaler', () => {
  let harness: Harness
  let client: ScalingClient
  beforeEach(async () => {
    client = new ScalingClient({ now: () => harness.clock.now() })
    harness = new Harness(client)
    await client.create(deployments, deployment({ replicas: 2 }))
  })
  afterEach(() => harness.stop())

  const status = async (name = 'web') =>
    (await client.get(horizontalPodAutoscalers, { name, namespace: 'default' })).status!
  const replicas = async () => (await client.get(deployments, { name: 'web', namespace: 'default' })).spec.replicas
  const condition = async (type: string) => (await status()).conditions?.find(found => found.type === type)

  /** Ready pods, each asking for one core. */
  function run(count: number): void {
    const since = new Date(harness.clock.now() - 3_600_000).toISOString()
    for (let i = 0; i < count; i++)
      client.seed(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `p${i}`, namespace: 'default', labels: { app: 'web' } },
        spec: { containers: [{ name: 'main', image: 'i', resources: { requests: { cpu: '1', memory: '1Mi' } } }] },
        status: {
          phase: 'Running',
          startTime: since,
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: since }],
        },
      } as unknown as Pod)
  }

  /** Every pod uses that much. */
  function uses(count: number, cpuUsed: string): void {
    client.metrics = () => ({
      items: Array.from({ length: count }, (_, i) => ({
        metadata: { name: `p${i}`, namespace: 'default' },
        timestamp: new Date(harness.clock.now()).toISOString(),
        window: '15s',
        containers: [{ name: 'main', usage: { cpu: cpuUsed, memory: '3Mi' } }],
      })),
    })
  }

  test('grows its target, and shrinks it after five minutes', async () => {
    run(2)
    uses(2, '900m')
    await client.create(horizontalPodAutoscalers, autoscaler())
    await harness.start(horizontalPodAutoscaler())
    expect(await replicas()).toBe(4)
    expect(harness.events()).toContain(
      'SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target',
    )
    expect(await status()).toMatchObject({
      currentReplicas: 2,
      desiredReplicas: 4,
      lastScaleTime: '2026-01-01T00:00:00Z',
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 90, averageValue: '900m' } } },
      ],
      conditions: [
        {
          type: 'AbleToScale',
          status: 'True',
          reason: 'SucceededRescale',
          message: 'the HPA controller was able to update the target scale to 4',
        },
        {
          type: 'ScalingActive',
          status: 'True',
          reason: 'ValidMetricFound',
          message:
            'the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)',
        },
        { type: 'ScalingLimited', status: 'False', reason: 'DesiredWithinRange' },
      ],
    })
    uses(2, '100m')
    await harness.advance(15_000)
    expect(await condition('AbleToScale')).toMatchObject({ reason: 'ScaleDownStabilized' })
    expect(await replicas()).toBe(4)
    for (let passed = 0; passed < 300; passed += 15) await harness.advance(15_000)
    expect(await replicas()).toBe(1)
    expect(harness.events()).toContain('SuccessfulRescale: New size: 1; reason: All metrics below target')
  })

  test('says when there are no metrics', async () => {
    run(2)
    await client.create(horizontalPodAutoscalers, autoscaler())
    await harness.start(horizontalPodAutoscaler())
    const cause =
      'failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource'
    expect(await condition('ScalingActive')).toMatchObject({
      status: 'False',
      reason: 'FailedGetResourceMetric',
      message: `the HPA was unable to compute the replica count: ${cause}`,
    })
    expect(harness.events()).toEqual([
      `FailedGetResourceMetric: ${cause}`,
      `FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${cause}`,
    ])
    uses(2, '900m')
    await harness.advance(15_000)
    expect(await replicas()).toBe(4)
  })

  test('one metric that fails only keeps it from shrinking', async () => {
    run(2)
    uses(2, '900m')
    const broken = { type: 'Resource', resource: { name: 'gpu', target: { type: 'AverageValue', averageValue: '1' } } }
    await client.create(horizontalPodAutoscalers, autoscaler({ metrics: [broken, cpu] }))
    await harness.start(horizontalPodAutoscaler())
    expect(await replicas()).toBe(4)
  })

  test('bounds of the spec need no metrics; zero replicas disable it', async () => {
    await client.create(horizontalPodAutoscalers, autoscaler({ minReplicas: 3 }))
    await harness.start(horizontalPodAutoscaler())
    expect(await replicas()).toBe(3)
    expect(harness.events()).toEqual([
      'SuccessfulRescale: New size: 3; reason: Current number of replicas below Spec.MinReplicas',
    ])
    await client.patch(
      deployments,
      { name: 'web', namespace: 'default' },
      { spec: { replicas: 20 } },
      { type: 'merge' },
    )
    await harness.advance(15_000)
    expect(await replicas()).toBe(10)
    await client.patch(deployments, { name: 'web', namespace: 'default' }, { spec: { replicas: 0 } }, { type: 'merge' })
    await harness.advance(15_000)
    expect(await condition('ScalingActive')).toMatchObject({ status: 'False', reason: 'ScalingDisabled' })
    expect(await replicas()).toBe(0)
  })

  test('a target that is not there, or cannot be scaled', async () => {
    await client.create(
      horizontalPodAutoscalers,
      autoscaler({ scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'gone' } }),
    )
    await harness.start(horizontalPodAutoscaler())
    expect(await condition('AbleToScale')).toMatchObject({
      status: 'False',
      reason: 'FailedGetScale',
      message: 'the HPA controller was unable to get the target\'s current scale: deployments.apps "gone" not found',
    })
    const unknown = { scaleTargetRef: { apiVersion: 'x.io/v1', kind: 'Thing', name: 'a' } }
    await client.create(horizontalPodAutoscalers, autoscaler(unknown, 'other'))
    await harness.idle()
    expect((await status('other')).conditions?.[0]?.message).toContain('no matches for kind "Thing" in group "x.io"')
  })

  test('two for the same pods', async () => {
    run(2)
    uses(2, '500m')
    await client.create(horizontalPodAutoscalers, autoscaler())
    await client.create(horizontalPodAutoscalers, autoscaler({}, 'zweb'))
    await harness.start(horizontalPodAutoscaler())
    await harness.advance(15_000)
    expect(await condition('ScalingActive')).toMatchObject({
      status: 'False',
      reason: 'AmbiguousSelector',
      message: 'pods by selector app=web are controlled by multiple HPAs: [{web default} {zweb default}]',
    })
  })

  test('its behavior bounds the speed, its tolerance the sensitivity', async () => {
    run(2)
    uses(2, '900m')
    const rules = (value: number) => ({ selectPolicy: 'Max', policies: [{ type: 'Pods', value, periodSeconds: 60 }] })
    const behavior = {
      scaleUp: { ...rules(1), stabilizationWindowSeconds: 0 },
      scaleDown: { ...rules(2), stabilizationWindowSeconds: 30, tolerance: '0.5' },
    }
    await client.create(horizontalPodAutoscalers, autoscaler({ behavior }))
    await harness.start(horizontalPodAutoscaler())
    expect(await replicas()).toBe(3)
    await harness.advance(15_000)
    expect(await replicas()).toBe(3)
    expect(await condition('ScalingLimited')).toMatchObject({ status: 'True', reason: 'ScaleUpLimit' })
    await harness.advance(60_000)
    expect(await replicas()).toBe(4)
    uses(2, '300m')
    for (let passed = 0; passed < 120; passed += 15) await harness.advance(15_000)
    expect(await replicas()).toBe(4)
    uses(2, '1m')
    for (let passed = 0; passed < 45; passed += 15) await harness.advance(15_000)
    expect(await replicas()).toBe(2)
  })

  test('metrics of pods, objects and the world outside', async () => {
    run(2)
    const asked: string[] = []
    client.metrics = path => {
      asked.push(path)
      const value = (name: string, amount: string) => ({
        describedObject: { kind: 'Pod', name },
        timestamp: '2026-01-01T00:00:00Z',
        value: amount,
      })
      if (path.endsWith('/custom.metrics.k8s.io')) return { versions: [{ version: 'v1beta2' }] }
      if (path.includes('/pods/*/')) return { items: [value('p0', '30'), value('p1', '50')] }
      if (path.includes('/services/')) return { items: [value('front', '500m')] }
      return { items: [{ value: '30' }, { value: '30' }] }
    }
    const metrics = [
      { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '20' } } },
      {
        type: 'Object',
        object: {
          describedObject: { apiVersion: 'v1', kind: 'Service', name: 'front' },
          metric: { name: 'load' },
          target: { type: 'Value', value: '1' },
        },
      },
      {
        type: 'External',
        external: {
          metric: { name: 'queue', selector: { matchLabels: { a: 'b' } } },
          target: { type: 'AverageValue', averageValue: '10' },
        },
      },
    ]
    await client.create(horizontalPodAutoscalers, autoscaler({ metrics }))
    await harness.start(horizontalPodAutoscaler())
    expect(asked.filter(path => !path.endsWith('metrics.k8s.io'))).toEqual([
      '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/rps?labelSelector=app=web',
      '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/services/front/load',
      '/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue?labelSelector=a=b',
    ])
    expect((await status()).currentMetrics).toEqual([
      { type: 'Pods', pods: { metric: { name: 'rps' }, current: { averageValue: '40' } } },
      {
        type: 'Object',
        object: {
          metric: { name: 'load' },
          describedObject: { apiVersion: 'v1', kind: 'Service', name: 'front' },
          current: { value: '500m' },
        },
      },
      {
        type: 'External',
        external: { metric: { name: 'queue', selector: { matchLabels: { a: 'b' } } }, current: { averageValue: '30' } },
      },
    ])
    expect(await replicas()).toBe(4)
    expect(harness.events().at(-1)).toContain('external metric queue(')
  })
})
