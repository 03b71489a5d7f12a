import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  nodes,
  type PersistentVolumeClaim,
  type Pod,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  storageClasses,
} from '../../bootstrap/client/resources.ts'
import { turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { SettingsError, type StorageConfig } from './config.ts'
import { HelperRuns } from './helper-runs.ts'
import { provisionOperator } from './provision.ts'
import { removeOperator } from './remove.ts'
import { claim, config, helper, node, scripts, storageClass } from './testing.ts'

describe('provisioning and removing', () => {
  let harness: Harness
  let current: StorageConfig | undefined
  beforeEach(async () => {
    harness = new Harness()
    current = config()
    const runs = new HelperRuns(harness.cluster)
    const settings = () => {
      if (!current) throw new SettingsError('no valid config available')
      return { config: current, scripts }
    }
    const deps = { settings, helper, runs: () => runs, workers: 4 }
    await harness.client.create(nodes, node('n1'))
    await harness.client.create(storageClasses, storageClass())
    void harness.start(provisionOperator(deps), removeOperator(deps)).catch(() => {})
    await settled()
  })
  afterEach(() => harness.stop())

  /** A reconcile that waits for its helper is at work: what can be waited for is that nothing is written any more. */
  const settled = () => turns(200)
  const elapsed = async (ms: number) => {
    await harness.clock.advance(ms)
    await settled()
  }

  const asked = {
    'volume.kubernetes.io/storage-provisioner': 'rancher.io/local-path',
    'volume.kubernetes.io/selected-node': 'n1',
  }
  const create = async (annotations: object = asked) => {
    const { uid: _, resourceVersion: __, ...metadata } = claim({}, { annotations }).metadata
    const made = await harness.client.create(persistentVolumeClaims, { ...claim(), metadata } as PersistentVolumeClaim)
    await settled()
    return made
  }
  const helpers = async (): Promise<readonly Pod[]> => (await harness.client.list(pods)).items
  const finish = async (phase: string) => {
    const [pod] = await helpers()
    await harness.client.update(pods, { ...pod!, status: { phase } } as Pod, { subresource: 'status' })
    await settled()
  }
  const volumes = async () => (await harness.client.list(persistentVolumes)).items

  test('a claim gets its volume when the helper is done, which then goes', async () => {
    const made = await create()
    expect((await helpers()).map(({ metadata }) => metadata.name)).toEqual([
      `helper-pod-create-pvc-${made.metadata.uid}`,
    ])
    expect(await volumes()).toEqual([])
    await finish('Succeeded')
    expect((await volumes()).map(({ metadata }) => metadata.name)).toEqual([`pvc-${made.metadata.uid}`])
    expect(await helpers()).toEqual([])
    expect(harness.events()).toEqual([
      'Provisioning: External provisioner is provisioning volume for claim "shop/data"',
      `ProvisioningSucceeded: Successfully provisioned volume pvc-${made.metadata.uid}`,
    ])
  })

  test.each([
    ['nobody asked for it', {}],
    ['its node is not chosen yet', { 'volume.kubernetes.io/storage-provisioner': 'rancher.io/local-path' }],
    ['another provisioner was asked', { ...asked, 'volume.kubernetes.io/storage-provisioner': 'other' }],
  ])('a claim waits: %s', async (_, annotations) => {
    await create(annotations)
    expect(await helpers()).toEqual([])
  })

  test('a helper that fails or takes too long is told about, cleared away and tried again', async () => {
    await create()
    await finish('Failed')
    expect(harness.events().join()).toContain(
      'ProvisioningFailed: failed to provision volume with StorageClass "local-path": failed to create volume',
    )
    await elapsed(60_000)
    expect(await helpers()).toHaveLength(1)
    await elapsed(121_000)
    expect(harness.events().join()).toContain('create process timeout after 120 seconds')
  })

  test('a claim for a node that is gone goes back to the scheduler', async () => {
    await create({ ...asked, 'volume.kubernetes.io/selected-node': 'n9' })
    const found = await harness.client.get(persistentVolumeClaims, { name: 'data', namespace: 'shop' })
    expect(found.metadata.annotations).not.toHaveProperty(['volume.kubernetes.io/selected-node'])
    expect(harness.events()).toEqual(['ProvisioningFailed: failed to get target node: nodes "n9" not found'])
  })

  test('settings that are missing are an event, and the claim is served once they are there', async () => {
    current = undefined
    await create()
    expect(harness.events().join()).toContain('no valid config available')
    current = config()
    await elapsed(60_000)
    await finish('Succeeded')
    expect(await volumes()).toHaveLength(1)
  })

  const release = async (policy = 'Delete') => {
    await create()
    await finish('Succeeded')
    const [volume] = await volumes()
    const changed = { ...volume!, spec: { ...volume!.spec, persistentVolumeReclaimPolicy: policy } }
    const updated = await harness.client.update(persistentVolumes, changed)
    await harness.client.update(
      persistentVolumes,
      { ...updated, status: { phase: 'Released' } },
      { subresource: 'status' },
    )
    await settled()
  }

  test('a released volume goes with its data', async () => {
    await release()
    expect((await helpers())[0]!.metadata.name).toMatch(/^helper-pod-delete-pvc-/)
    expect(await volumes()).toHaveLength(1)
    await finish('Succeeded')
    expect(await volumes()).toEqual([])
  })

  test('one that is to be retained stays', async () => {
    await release('Retain')
    expect(await helpers()).toEqual([])
    expect(await volumes()).toHaveLength(1)
  })

  test('one that cannot be removed is told about, and goes at once when its node is deleted', async () => {
    await release()
    await finish('Failed')
    expect(harness.events().join()).toContain('VolumeFailedDelete: failed to delete volume')
    expect(await volumes()).toHaveLength(1)
    await harness.client.delete(nodes, { name: 'n1' })
    await settled()
    expect(await volumes()).toEqual([])
  })
})
