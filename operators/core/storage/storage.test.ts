import { beforeEach, expect, test } from '@jest/globals'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Resource } from '../../../bootstrap/client/client.ts'
import {
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  storageClasses,
  volumeAttributesClasses,
} from '../../../bootstrap/client/resources.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { storageOperators } from './index.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(...storageOperators)
})

async function make(resource: Resource<never>, name: string, rest: object = {}, metadata: object = {}): Promise<void> {
  const { group, version, kind, namespaced } = resource as unknown as Resource
  const object: KubeObject = {
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    metadata: { name, ...(namespaced ? { namespace: 'default' } : {}), ...metadata },
    ...rest,
  }
  await harness.client.create(resource as unknown as Resource, object)
  await harness.idle()
}

const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
const volumeSpec = (storage: string, more: object = {}) => ({
  spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' }, ...more },
})
const claim = (name: string) => harness.client.get(persistentVolumeClaims, { name, namespace: 'default' })
const volume = (name: string) => harness.client.get(persistentVolumes, { name })

test('a claim gets the smallest volume that suits it, and both sides say so', async () => {
  await make(persistentVolumes as never, 'large', volumeSpec('10Gi'))
  await make(persistentVolumes as never, 'small', volumeSpec('2Gi'))
  await make(persistentVolumes as never, 'tiny', volumeSpec('1Mi'))
  expect((await volume('small')).status?.phase).toBe('Available')
  await make(persistentVolumeClaims as never, 'data', { spec: claimSpec })
  expect(await claim('data')).toMatchObject({
    metadata: {
      annotations: { 'pv.kubernetes.io/bind-completed': 'yes', 'pv.kubernetes.io/bound-by-controller': 'yes' },
    },
    spec: { volumeName: 'small' },
    status: { phase: 'Bound', capacity: { storage: '2Gi' } },
  })
  expect(await volume('small')).toMatchObject({
    spec: { claimRef: { name: 'data', namespace: 'default' } },
    status: { phase: 'Bound' },
  })
})

test('a waiting claim is bound when a volume comes; one that names another claim is left alone', async () => {
  await make(persistentVolumeClaims as never, 'data', { spec: claimSpec })
  expect((await claim('data')).status?.phase).toBe('Pending')
  await make(
    persistentVolumes as never,
    'reserved',
    volumeSpec('5Gi', { claimRef: { name: 'other', namespace: 'default' } }),
  )
  expect((await claim('data')).spec.volumeName).toBeUndefined()
  await make(persistentVolumes as never, 'free', volumeSpec('5Gi'))
  expect((await claim('data')).spec.volumeName).toBe('free')
})

test('what is missing is said in an event', async () => {
  await make(persistentVolumeClaims as never, 'lost', { spec: { ...claimSpec, storageClassName: 'nope' } })
  await make(persistentVolumeClaims as never, 'none', { spec: claimSpec })
  await make(storageClasses as never, 'far', { provisioner: 'example.com/disk' })
  await make(persistentVolumeClaims as never, 'made', { spec: { ...claimSpec, storageClassName: 'far' } })
  expect(harness.events()).toEqual(
    expect.arrayContaining([
      'ProvisioningFailed: storageclass.storage.k8s.io "nope" not found',
      'FailedBinding: no persistent volumes available for this claim and no storage class is set',
      expect.stringMatching(
        /^ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'example.com\/disk'/,
      ),
    ]),
  )
  expect((await claim('made')).metadata.annotations).toMatchObject({
    'volume.kubernetes.io/storage-provisioner': 'example.com/disk',
  })
})

test('a volume whose claim is gone is released, never given to the next', async () => {
  await make(persistentVolumes as never, 'pv', volumeSpec('2Gi'))
  await make(persistentVolumeClaims as never, 'first', { spec: claimSpec })
  await harness.client.delete(persistentVolumeClaims, { name: 'first', namespace: 'default' })
  await harness.idle()
  expect((await volume('pv')).status?.phase).toBe('Released')
  await make(persistentVolumeClaims as never, 'second', { spec: claimSpec })
  expect((await claim('second')).spec.volumeName).toBeUndefined()
})

test.each([
  ['nobody has provisioned it', {}, { persistentVolumeReclaimPolicy: 'Delete' }, 'Failed'],
  [
    'its provisioner will delete it',
    { 'pv.kubernetes.io/provisioned-by': 'x' },
    { persistentVolumeReclaimPolicy: 'Delete' },
    'Released',
  ],
  ['it is kept', {}, { persistentVolumeReclaimPolicy: 'Retain' }, 'Released'],
])('a volume after its claim: %s', async (_, annotations, spec, phase) => {
  await make(persistentVolumes as never, 'pv', volumeSpec('2Gi', spec), { annotations })
  await make(persistentVolumeClaims as never, 'data', { spec: claimSpec })
  await harness.client.delete(persistentVolumeClaims, { name: 'data', namespace: 'default' })
  await harness.idle()
  expect((await volume('pv')).status?.phase).toBe(phase)
  expect(harness.events().some(event => event.startsWith('VolumeFailedDelete: host_path deleter'))).toBe(
    phase === 'Failed',
  )
})

test("an ephemeral volume gets a claim that is its pod's; somebody else's claim of that name is not taken", async () => {
  const ephemeral = { volumeClaimTemplate: { metadata: { labels: { a: 'b' } }, spec: claimSpec } }
  const spec = { containers: [], volumes: [{ name: 'scratch', ephemeral }] }
  await make(pods as never, 'web', { spec })
  const pod = await harness.client.get(pods, { name: 'web', namespace: 'default' })
  expect((await claim('web-scratch')).metadata).toMatchObject({
    labels: { a: 'b' },
    ownerReferences: [{ kind: 'Pod', name: 'web', uid: pod.metadata.uid, controller: true, blockOwnerDeletion: true }],
  })
  await make(persistentVolumeClaims as never, 'api-scratch', { spec: claimSpec })
  await make(pods as never, 'api', { spec })
  expect((await claim('api-scratch')).metadata.ownerReferences).toBeUndefined()
  expect(harness.events().join()).toContain(
    'PVC "default/api-scratch" was not created for pod "default/api" (pod is not owner)',
  )
})

test('storage in use outlives its deletion until the last user is gone', async () => {
  await make(
    persistentVolumeClaims as never,
    'data',
    { spec: claimSpec },
    { finalizers: ['kubernetes.io/pvc-protection'] },
  )
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }]
  await make(pods as never, 'user', { spec: { nodeName: 'n', containers: [], volumes } })
  await harness.client.delete(persistentVolumeClaims, { name: 'data', namespace: 'default' })
  await harness.idle()
  expect((await claim('data')).metadata.finalizers).toEqual(['kubernetes.io/pvc-protection'])
  await harness.client.delete(pods, { name: 'user', namespace: 'default' }, { gracePeriodSeconds: 0 })
  await harness.idle()
  await expect(claim('data')).rejects.toMatchObject({ reason: 'NotFound' })
})

test('an attributes class goes at once when nothing has it, else after its last user', async () => {
  const finalizers = ['kubernetes.io/vac-protection']
  const exists = async (name: string) =>
    (await harness.client.list(volumeAttributesClasses)).items.some(item => item.metadata.name === name)
  await make(volumeAttributesClasses as never, 'idle', { driverName: 'd' }, { finalizers })
  await make(volumeAttributesClasses as never, 'used', { driverName: 'd' }, { finalizers })
  await make(persistentVolumeClaims as never, 'data', { spec: { ...claimSpec, volumeAttributesClassName: 'used' } })
  for (const name of ['idle', 'used']) await harness.client.delete(volumeAttributesClasses, { name })
  await harness.idle()
  expect([await exists('idle'), await exists('used')]).toEqual([false, true])
  await harness.client.delete(persistentVolumeClaims, { name: 'data', namespace: 'default' })
  await harness.idle()
  expect(await exists('used')).toBe(false)
})
