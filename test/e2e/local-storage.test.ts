/** local-path volumes as users meet them: claims, a pod that is not root, reclaiming, settings changed with kubectl. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { canRunClusters } from '../testbed/bed.ts'
import { type Cluster, startCluster } from '../testbed/cluster.ts'
import { busyboxImage } from '../testbed/images.ts'

const testOrSkip = canRunClusters ? test : test.skip
if (!canRunClusters) console.log('local storage e2e: skipped, needs root and containerd')

let cluster: Cluster

beforeAll(async () => {
  if (!canRunClusters) return
  cluster = await startCluster({ flags: ['--disable', 'coredns'] })
  await cluster.waitFor('--for=condition=Available deployment/local-path-provisioner -n kube-system')
}, 120_000)

afterAll(async () => cluster?.destroy(), 60_000)

const claim = (name: string, storageClass = 'local-path') => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: ${name}
spec:
  accessModes:
  - ReadWriteOnce
  storageClassName: ${storageClass}
  resources:
    requests:
      storage: 1Gi
`
const pod = (name: string, claimName = name) => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  terminationGracePeriodSeconds: 0
  securityContext: { runAsUser: 1000, runAsGroup: 1000 }
  containers:
  - name: main
    image: ${busyboxImage}
    command: [sh, -c, 'echo hello >/data/file && sleep 3600']
    volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: ${claimName} } }]
`
const get = (what: string, path: string) => cluster.kubectl(`get ${what} -o jsonpath=${path}`)
const shell = (script: string) => cluster.bed.run(['sh', '-c', script]).then(({ stdout }) => stdout.trim())

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

async function bound(name: string): Promise<{ volume: string; path: string }> {
  await cluster.waitFor(`--for=jsonpath={.status.phase}=Bound pvc/${name}`)
  const volume = await get(`pvc ${name}`, '{.spec.volumeName}')
  return { volume, path: await get(`pv ${volume}`, '{.spec.local.path}{.spec.hostPath.path}') }
}

testOrSkip(
  "a claim is served on the pod's node, written by anybody, and reclaimed",
  async () => {
    await cluster.apply(claim('my-pvc'))
    await until('the claim waits', async () =>
      (await cluster.kubectl('describe pvc my-pvc')).includes('WaitForFirstConsumer'),
    )
    await cluster.apply(pod('my-pvc'))
    await cluster.waitFor('--for=condition=Ready pod/my-pvc')
    const { volume, path } = await bound('my-pvc')
    expect(volume).toBe(`pvc-${await get('pvc my-pvc', '{.metadata.uid}')}`)
    expect(path).toMatch(new RegExp(`/storage/${volume}_default_my-pvc$`))
    expect(await get('pvc my-pvc', '{.status.capacity.storage}')).toBe('1Gi')
    expect(await shell(`stat -c %a ${path} ${path}/..; cat ${path}/file; stat -c %u ${path}/file`)).toBe(
      '777\n700\nhello\n1000',
    )
    const events = await cluster.kubectl('describe pvc my-pvc')
    for (const reason of ['ExternalProvisioning', 'Provisioning', 'ProvisioningSucceeded'])
      expect(events).toContain(reason)
    expect(await cluster.kubectl('-n kube-system get pods -o name')).not.toContain('helper-pod')
    await cluster.kubectl('delete pod my-pvc')
    await cluster.kubectl('delete pvc my-pvc')
    await cluster.waitFor(`--for=delete pv/${volume} --timeout=30s`)
    expect(await shell(`test -e ${path} || echo gone`)).toBe('gone')
  },
  120_000,
)

testOrSkip(
  'an ephemeral volume comes and goes with its pod',
  async () => {
    const template = { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } } }
    const volumes = [{ name: 'data', ephemeral: { volumeClaimTemplate: template } }]
    const container = {
      name: 'main',
      image: busyboxImage,
      command: ['sleep', '3600'],
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
    }
    const spec = { terminationGracePeriodSeconds: 0, containers: [container], volumes }
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'scratch' }, spec }))
    await cluster.waitFor('--for=condition=Ready pod/scratch')
    const { volume } = await bound('scratch-data')
    await cluster.kubectl('delete pod scratch')
    await cluster.waitFor(`--for=delete pv/${volume} --timeout=30s`)
    expect(await cluster.kubectl('get pvc -o name')).toBe('')
  },
  120_000,
)

testOrSkip(
  'settings changed with kubectl are taken up; bad ones leave the last good ones; other scripts run in a real container',
  async () => {
    const metadata = { name: 'local-path-config', namespace: 'kube-system' }
    const settings = (data: object) =>
      cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data }))
    const nodePathMap = [
      { node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: ['/var/lib/rancher/k3s/storage'] },
      { node: '*', paths: ['/mnt/fast-ssd/k3s-storage'] },
    ]
    await settings({ 'config.json': JSON.stringify({ nodePathMap }) })
    const logs = () => cluster.kubectl('-n kube-system logs deployment/local-path-provisioner')
    await until('the settings are used', async () => (await logs()).split('Applied config').length === 3)
    await settings({ 'config.json': '{' })
    await until('the mistake is told', async () =>
      (await cluster.kubectl('-n kube-system describe configmap local-path-config')).includes('InvalidConfiguration'),
    )
    await cluster.apply(claim('fast') + pod('fast'))
    expect((await bound('fast')).path).toMatch(/^\/mnt\/fast-ssd\/k3s-storage\/pvc-/)

    await settings({
      'config.json': JSON.stringify({ nodePathMap }),
      setup: '#!/bin/sh\nmkdir -m 0777 -p "$VOL_DIR" && echo "$VOL_SIZE_BYTES" >"$VOL_DIR/size"\n',
      'helperPod.yaml': `apiVersion: v1\nkind: Pod\nmetadata: { name: own-helper }\nspec: { containers: [{ name: helper-pod, image: ${busyboxImage}, imagePullPolicy: IfNotPresent }] }\n`,
    })
    await until('the settings are used', async () => (await logs()).split('Applied config').length === 4)
    await cluster.apply(claim('own') + pod('own'))
    const own = await bound('own')
    expect(await shell(`cat ${own.path}/size`)).toBe('1073741824')
    await cluster.kubectl('delete pod own fast')
    await cluster.kubectl('delete pvc own fast')
    await cluster.waitFor(`--for=delete pv/${own.volume} --timeout=60s`)
  },
  180_000,
)
