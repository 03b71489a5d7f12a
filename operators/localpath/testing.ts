/** Claims, classes, nodes and settings for tests of local-path. */
import type { Node, PersistentVolumeClaim, StorageClass } from '../../bootstrap/client/resources.ts'
import { parseConfig, type StorageConfig } from './config.ts'
import type { Scripts } from './helper-pod.ts'

export const everywhere = (...paths: string[]) => ({
  nodePathMap: [{ node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths }],
})
export const config = (data: object = everywhere('/data')): StorageConfig => parseConfig(JSON.stringify(data))

export const claim = (spec: object = {}, metadata: object = {}): PersistentVolumeClaim =>
  ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'shop', uid: 'u-1', resourceVersion: '7', ...metadata },
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'local-path',
      resources: { requests: { storage: '1Gi' } },
      ...spec,
    },
  }) as PersistentVolumeClaim
export const storageClass = (more: object = {}): StorageClass =>
  ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'local-path', annotations: { defaultVolumeType: 'local' } },
    provisioner: 'rancher.io/local-path',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    ...more,
  }) as StorageClass
export const node = (name: string, labels: object = { 'kubernetes.io/hostname': `${name}.lan` }): Node =>
  ({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {} }) as Node

export const scripts: Scripts = {
  setup: '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "${' + 'VOL_DIR}"\nchmod 700 "${' + 'VOL_DIR}/.."\n',
  teardown: '#!/bin/sh\nset -eu\nrm -rf "${' + 'VOL_DIR}"',
  helperPod:
    'apiVersion: v1\nkind: Pod\nmetadata: { name: helper-pod }\nspec: { runtimeClassName: embedded, containers: [{ name: helper-pod, image: embedded/local-path-helper }] }',
}
export const helper = {
  namespace: 'kube-system',
  serviceAccount: 'sa',
  configMap: 'local-path-config',
  image: 'busybox',
  embedded: true,
}
