import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  configMaps,
  type Node,
  type PersistentVolumeClaim,
  type StorageClass,
} from '../../bootstrap/client/resources.ts'
import { turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { parseConfig, pathsOn, SettingsError } from './config.ts'
import { localPathHelperModule } from './helper.ts'
import { helperPod } from './helper-pod.ts'
import { fillPattern } from './pattern.ts'
import { countsProjects, limitSize, mountOf } from './quota.ts'
import { followConfigMap, followFiles, SettingsKeeper } from './settings.ts'
import { claim, config, everywhere, helper, node, scripts, storageClass } from './testing.ts'
import { planRemoval, planVolume } from './volume.ts'

describe('config.json', () => {
  test.each([
    ['{', /^config\.json: .*JSON/],
    ['[]', 'config.json: config.json must be an object'],
    [{ nodePathMap: [{ node: 'a', paths: ['x'] }] }, 'path must start with / for path x on node a'],
    [{ nodePathMap: [{ node: 'a', paths: ['//'] }] }, "cannot use root ('/') as path on node a"],
    [{ nodePathMap: [{ node: 'a', paths: ['/x', '/x/'] }] }, 'duplicate path /x/ on node a'],
    [{ nodePathMap: [{ node: 'a' }, { node: 'a' }] }, 'duplicate node a'],
    [{ nodePathMap: [{ paths: [] }] }, 'nodePathMap[0] needs a node'],
    [{ storageClassConfigs: { x: { nodePathMap: 3 } } }, 'storageClassConfigs.x.nodePathMap must be a list'],
    [{ cmdTimeoutSeconds: 'x' }, 'cmdTimeoutSeconds must be a whole number'],
  ])('%j is refused', (data, message) => {
    const parse = () => parseConfig(typeof data === 'string' ? data : JSON.stringify(data))
    expect(parse).toThrow(SettingsError)
    expect(parse).toThrow(message)
  })

  test("a node's own entry, then the longest pattern, then all others; none is an error", () => {
    const list = [
      { node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: ['/other'] },
      { node: 'ssd-*', paths: ['/ssd'] },
      { node: 'ssd-1?', paths: ['/teens'] },
      { node: 'ssd-12', paths: ['/twelve'] },
      { node: 'empty', paths: [] },
    ]
    expect(['ssd-12', 'ssd-13', 'ssd-2', 'hdd'].map(name => pathsOn(list, name)[0])).toEqual([
      '/twelve',
      '/teens',
      '/ssd',
      '/other',
    ])
    expect(() => pathsOn(list, 'empty')).toThrow('no local path available on node empty')
    expect(() => pathsOn(list.slice(1), 'hdd')).toThrow("config doesn't contain node hdd")
  })
})

describe('the volume of a claim', () => {
  const plan = (
    given: { claim?: PersistentVolumeClaim; class?: StorageClass; config?: object; node?: Node | null } = {},
  ) =>
    planVolume(
      given.claim ?? claim(),
      given.class ?? storageClass(),
      given.node === null ? undefined : (given.node ?? node('n1')),
      config(given.config),
      () => 0,
    )

  test('names, source, affinity and reservation', () => {
    expect(plan().volume).toEqual({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: {
        name: 'pvc-u-1',
        annotations: {
          'local.path.provisioner/selected-node': 'n1',
          'pv.kubernetes.io/provisioned-by': 'rancher.io/local-path',
        },
      },
      spec: {
        persistentVolumeReclaimPolicy: 'Delete',
        accessModes: ['ReadWriteOnce'],
        volumeMode: 'Filesystem',
        capacity: { storage: '1Gi' },
        storageClassName: 'local-path',
        claimRef: {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          name: 'data',
          namespace: 'shop',
          uid: 'u-1',
          resourceVersion: '7',
        },
        local: { path: '/data/pvc-u-1_shop_data' },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1.lan'] }] },
            ],
          },
        },
      },
    })
  })

  test.each([
    [
      'the claim says hostPath',
      { claim: claim({}, { annotations: { volumeType: 'hostPath' } }) },
      { hostPath: { path: '/data/pvc-u-1_shop_data', type: 'DirectoryOrCreate' } },
    ],
    [
      'the class says nothing',
      { class: storageClass({ metadata: { name: 'local-path' } }) },
      { hostPath: { type: 'DirectoryOrCreate' } },
    ],
    [
      'nodePath',
      { class: storageClass({ parameters: { nodePath: '/b' } }), config: everywhere('/a', '/b') },
      { local: { path: '/b/pvc-u-1_shop_data' } },
    ],
    [
      'pathPattern',
      { class: storageClass({ parameters: { pathPattern: '{{ .PVC.Namespace }}/{{ .PVC.Name }}/x' } }) },
      { local: { path: '/data/shop/data/x' } },
    ],
    [
      'an unsafe pathPattern that is allowed',
      { class: storageClass({ parameters: { pathPattern: 'all/{{ .PVName }}', allowUnsafePathPattern: 'true' } }) },
      { local: { path: '/data/all/pvc-u-1' } },
    ],
    [
      'nodeAffinityKey',
      { class: storageClass({ parameters: { nodeAffinityKey: 'zone' } }), node: node('n1', { zone: 'z' }) },
      { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', values: ['z'] }] }] } } },
    ],
    [
      'a shared file system',
      { config: { sharedFileSystemPath: '/nfs' }, claim: claim({ accessModes: ['ReadWriteMany'] }), node: null },
      { local: { path: '/nfs/pvc-u-1_shop_data' }, accessModes: ['ReadWriteMany'] },
    ],
    [
      'places of its own class',
      { config: { storageClassConfigs: { 'local-path': everywhere('/own') } } },
      { local: { path: '/own/pvc-u-1_shop_data' } },
    ],
  ])('%s', (_, given, spec) => {
    expect(plan(given).volume.spec).toMatchObject(spec)
  })

  test.each([
    [
      'many writers',
      { claim: claim({ accessModes: ['ReadWriteMany'] }) },
      'NodePath only supports ReadWriteOnce and ReadWriteOncePod',
    ],
    ['a selector', { claim: claim({ selector: {} }) }, 'claim.Spec.Selector is not supported'],
    [
      'a block device',
      { claim: claim({ volumeMode: 'Block' }) },
      'rancher.io/local-path does not support block volume provisioning',
    ],
    ['no node', { node: null }, 'configuration error, no node was specified'],
    [
      'a path that is not listed',
      { class: storageClass({ parameters: { nodePath: '/c' } }) },
      "config doesn't contain path /c on node n1",
    ],
    [
      'a pattern outside of the claim',
      { class: storageClass({ parameters: { pathPattern: 'all' } }) },
      'pathPattern must start with {{ .PVC.Namespace }}/{{ .PVC.Name }}/: all',
    ],
    [
      'a pattern that climbs',
      { class: storageClass({ parameters: { pathPattern: 'shop/data/../../../etc' } }) },
      'folder path contains invalid references',
    ],
    [
      'an allowed pattern that leads nowhere',
      { class: storageClass({ parameters: { pathPattern: '', allowUnsafePathPattern: 'true' } }) },
      'invalid path /data',
    ],
    [
      'an unknown type',
      { claim: claim({}, { annotations: { volumeType: 'nfs' } }) },
      '"nfs" is not a recognised volume type',
    ],
    [
      'both kinds of places',
      { config: { ...everywhere('/a'), sharedFileSystemPath: '/b' } },
      'both nodePathMap and sharedFileSystemPath are defined',
    ],
    ['no places', { config: {} }, 'both nodePathMap and sharedFileSystemPath are unconfigured'],
    [
      'a class that is not listed',
      { config: { storageClassConfigs: { other: everywhere('/a') } } },
      'no entry for the storage class local-path',
    ],
  ])('%s is refused', (_, given, message) => {
    expect(() => plan(given)).toThrow(message)
  })

  test('patterns', () => {
    const labelled = claim({}, { labels: { 'a/b': 'x', team: 'blue' } })
    expect(fillPattern('{{ .PVC.Labels.team }}-{{ index .PVC.Labels "a/b" }} {{- "!" }}', 'v', labelled, true)).toBe(
      'blue-x!',
    )
    expect(fillPattern('{{ .PVC.Labels.nope }}', 'v', labelled, false)).toBe('<no value>')
    expect(() => fillPattern('{{ .PVC.Labels.nope }}', 'v', labelled, true)).toThrow('has no value')
    expect(() => fillPattern('{{ if .x }}', 'v', labelled, true)).toThrow('cannot read {{ if .x }}')
  })

  test('removal: by the affinity, and nothing when the node is gone', () => {
    const { volume } = plan()
    expect(planRemoval(volume, [node('n0'), node('n1')], config())).toMatchObject({
      node: 'n1',
      path: '/data/pvc-u-1_shop_data',
    })
    expect(planRemoval(volume, [node('n0')], config())).toBeUndefined()
  })
})

describe('helper pods', () => {
  const { directory } = planVolume(claim(), storageClass(), node('n1'), config(), () => 0)

  test('built in as long as nothing is changed', () => {
    const pod = helperPod('create', directory, config(), scripts, helper)
    expect(pod).toMatchObject({
      metadata: { name: 'helper-pod-create-pvc-u-1', namespace: 'kube-system' },
      spec: {
        runtimeClassName: 'embedded',
        nodeName: 'n1',
        restartPolicy: 'Never',
        serviceAccountName: 'sa',
        tolerations: [{ operator: 'Exists' }],
        volumes: [{ name: 'data', hostPath: { path: '/data/', type: 'DirectoryOrCreate' } }],
        containers: [
          {
            args: ['-p', '/data/pvc-u-1_shop_data', '-s', '1073741824', '-m', 'Filesystem', '-a', 'create'],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
      },
    })
    expect(pod.spec.containers[0]!.env).toContainEqual({ name: 'VOL_DIR', value: '/data/pvc-u-1_shop_data' })
  })

  test.each([
    ['another script', { ...scripts, setup: 'exit 0' }, config(), helper],
    ['a command', scripts, config({ ...everywhere('/data'), setupCommand: '/bin/own' }), helper],
    ['a cluster without modules', scripts, config(), { ...helper, embedded: false }],
  ])('a real container: %s', (_, given, chosen, settings) => {
    const { spec } = helperPod('create', directory, chosen, given, settings)
    expect(spec.runtimeClassName).toBeUndefined()
    expect(spec.containers[0]).toMatchObject({
      image: 'busybox',
      command: chosen.setupCommand ? ['/bin/own'] : ['/bin/sh', '/script/setup'],
    })
    expect(spec.volumes?.map(({ name }) => name)).toEqual(['data', 'script'])
  })

  test('a template is taken as it is', () => {
    const own =
      'kind: Pod\nmetadata: { name: own }\nspec: { nodeName: x, containers: [{ name: c, image: i, volumeMounts: [{ name: data, mountPath: /d }] }] }'
    const pod = helperPod('delete', directory, config(), { ...scripts, helperPod: own }, helper)
    expect(pod).toMatchObject({
      metadata: { name: 'own-delete-pvc-u-1' },
      spec: { nodeName: 'x', containers: [{ image: 'i', command: ['/bin/sh', '/script/teardown'] }] },
    })
    expect(pod.spec.containers[0]!.args![1]).toBe('/d/pvc-u-1_shop_data')
    expect(() => helperPod('create', directory, config(), { ...scripts, helperPod: 'kind: Job' }, helper)).toThrow(
      'helperPod.yaml: want a Pod',
    )
  })
})

describe('on the node', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'skiff-localpath-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const run = (path: string, action: string, env: { readonly [name: string]: string } = {}) =>
    localPathHelperModule.run({
      args: ['-p', path, '-s', '1000', '-m', 'Filesystem', '-a', action],
      env,
      pod: { name: 'p', namespace: 'kube-system', uid: 'u', nodeName: 'n', ips: [] },
      client: undefined as never,
      certificate: () => ({ cert: '', key: '' }),
      hostPath: inside => join(folder, inside),
      stdout: () => {},
      stderr: () => {},
      signal: new AbortController().signal,
    })
  const mode = (path: string) => (statSync(join(folder, path)).mode & 0o7777).toString(8)

  test('the volume is 0777 in a parent of 0700; the data stays when it is made again; teardown removes it', async () => {
    expect(await run('/storage/v', 'create')).toBe(0)
    expect([mode('/storage'), mode('/storage/v')]).toEqual(['700', '777'])
    writeFileSync(join(folder, 'storage/v/file'), 'x')
    await run('/storage/v', 'create', { VOL_PERM: '0750' })
    expect([mode('/storage/v'), mode('/storage/v/file')]).toEqual(['750', '644'])
    await run('/storage/v', 'delete')
    await run('/storage/v', 'delete')
    expect(() => statSync(join(folder, 'storage/v'))).toThrow()
    expect(mode('/storage')).toBe('700')
  })

  test.each(['/', '/etc', 'x/y', '/a/../b', ''])('"%s" is not touched', async path => {
    await expect(run(path, 'delete')).rejects.toThrow('will not touch')
  })

  test('settings: read again when they change, the last good ones kept', async () => {
    const told: string[] = []
    const stop = new AbortController()
    mkdirSync(join(folder, 'c'))
    const write = (name: string, text: string) => writeFileSync(join(folder, 'c', name), text)
    write('setup', scripts.setup)
    write('teardown', scripts.teardown)
    write('helperPod.yaml', scripts.helperPod)
    write('config.json', JSON.stringify(everywhere('/a')))
    const files = new SettingsKeeper(change => told.push(change.kind))
    followFiles(files, join(folder, 'c/config.json'), stop.signal)
    const becomes = async (count: number) => {
      while (told.length < count) await new Promise(resolve => setTimeout(resolve, 20))
    }
    write('config.json', '{')
    await becomes(2)
    expect(files.current().config.places).toEqual({
      kind: 'nodes',
      nodes: [{ node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: ['/a'] }],
    })
    write('config.json', JSON.stringify({ sharedFileSystemPath: '/b' }))
    await becomes(3)
    expect(files.current().config.places).toEqual({ kind: 'shared', path: '/b' })
    expect(told).toEqual(['used', 'refused', 'used'])
    stop.abort()
  })
})

test('outside of its pod the provisioner follows the ConfigMap itself', async () => {
  const harness = new Harness()
  const told: string[] = []
  const keeper = new SettingsKeeper(change => told.push(change.kind === 'used' ? 'used' : change.problem))
  followConfigMap(keeper, harness.cluster.informers, 'kube-system', 'local-path-config')
  const data = { ...{ setup: scripts.setup, teardown: scripts.teardown }, 'helperPod.yaml': scripts.helperPod }
  const metadata = { name: 'local-path-config', namespace: 'kube-system' }
  const made = await harness.client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data })
  await turns(20)
  expect(() => keeper.current()).toThrow('has no config.json (there are none yet)')
  await harness.client.update(configMaps, {
    ...made,
    data: { ...data, 'config.json': JSON.stringify(everywhere('/a')) },
  })
  await turns(20)
  expect(keeper.current().config.places.kind).toBe('nodes')
  expect(told).toEqual(['the ConfigMap kube-system/local-path-config has no config.json (there are none yet)', 'used'])
  await harness.stop()
})

describe('quotas', () => {
  const mounts = '/dev/a / ext4 rw 0 0\n/dev/b /data xfs rw,prjquota 0 0\n/dev/c /data/p\\040q ext4 rw,prjquota 0 0\n'

  test('the file system of a path', () => {
    expect(mountOf('/data/x', mounts)).toMatchObject({ device: '/dev/b', type: 'xfs' })
    expect(mountOf('/data/p q/x', mounts)?.device).toBe('/dev/c')
    expect(mountOf('/database', mounts)?.device).toBe('/dev/a')
    expect(countsProjects(mountOf('/x', mounts)!)).toBe(false)
  })

  test('limits are set where projects are counted, by the tools of the file system', async () => {
    const ran: string[] = []
    const tool = async (program: string, args: readonly string[]) => void ran.push([program, ...args].join(' '))
    expect(await limitSize('/x', 5000, mounts, tool)).toBe(false)
    expect(await limitSize('/data/v', 5000, mounts, tool)).toBe(true)
    expect(await limitSize('/data/p q/v', 5000, mounts, tool)).toBe(true)
    expect(ran.map(line => line.replace(/\d{6,}/g, 'N'))).toEqual([
      'xfs_quota -x -c project -s -p /data/v N /data',
      'xfs_quota -x -c limit -p bhard=5000 N /data',
      'chattr +P -p N /data/p q/v',
      'setquota -P N 0 5 0 0 /data/p q',
    ])
    const missing = async () => {
      throw Object.assign(new Error('x'), { code: 'ENOENT' })
    }
    expect(await limitSize('/data/v', 5000, mounts, missing)).toBe(false)
  })
})
