/** Volumes of every kind a node serves by itself, and their changes while the pod runs. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Pod } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'
import { busyboxImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('volumes e2e: skipped, needs root and containerd')

const sources = (host: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { color: blue, size: large }
binaryData: { raw: AAEC }
---
apiVersion: v1
kind: Secret
metadata: { name: hidden }
stringData: { password: s3cret }
---
apiVersion: v1
kind: Pod
metadata: { name: volumes, labels: { tier: one }, annotations: { note: first } }
spec:
  terminationGracePeriodSeconds: 0
  securityContext: { fsGroup: 2000 }
  containers:
    - name: main
      image: ${busyboxImage}
      command: [sleep, infinity]
      resources: { limits: { memory: 64Mi } }
      volumeMounts:
        - { name: config, mountPath: /config }
        - { name: config, mountPath: /single, subPath: color }
        - { name: items, mountPath: /items }
        - { name: secret, mountPath: /secret, readOnly: true }
        - { name: scratch, mountPath: /scratch }
        - { name: memory, mountPath: /memory }
        - { name: host, mountPath: /host }
        - { name: made, mountPath: /made }
        - { name: downward, mountPath: /downward }
        - { name: projected, mountPath: /projected }
    - name: second
      image: ${busyboxImage}
      command: [sleep, infinity]
      volumeMounts: [{ name: scratch, mountPath: /scratch }]
  volumes:
    - { name: config, configMap: { name: settings } }
    - name: items
      configMap: { name: settings, defaultMode: 0400, items: [{ key: size, path: deep/er/size, mode: 0444 }] }
    - { name: secret, secret: { secretName: hidden } }
    - { name: scratch, emptyDir: {} }
    - { name: memory, emptyDir: { medium: Memory, sizeLimit: 8Mi } }
    - { name: host, hostPath: { path: '${host}', type: Directory } }
    - { name: made, hostPath: { path: '${host}/made', type: DirectoryOrCreate } }
    - name: downward
      downwardAPI:
        items:
          - { path: labels, fieldRef: { fieldPath: metadata.labels } }
          - { path: note, fieldRef: { fieldPath: "metadata.annotations['note']" } }
          - { path: memory, resourceFieldRef: { containerName: main, resource: limits.memory, divisor: 1Mi } }
    - name: projected
      projected:
        sources:
          - configMap: { name: settings, items: [{ key: color, path: color }] }
          - secret: { name: hidden, items: [{ key: password, path: secrets/password }] }
          - downwardAPI: { items: [{ path: name, fieldRef: { fieldPath: metadata.name } }] }
          - serviceAccountToken: { path: token, audience: somebody, expirationSeconds: 600 }
`

suite('volumes', () => {
  let cluster: Cluster
  let host: string
  const inside = (script: string) => cluster.kubectl(['exec', 'volumes', '-c', 'main', '--', 'sh', '-c', script])

  beforeAll(async () => {
    cluster = await startCluster()
    host = join(cluster.bed.dir, 'host')
    mkdirSync(host)
    writeFileSync(join(host, 'given'), 'from the host')
    await cluster.apply(sources(host))
    await cluster.waitFor('--for=condition=Ready pod/volumes')
  }, 90_000)
  afterAll(() => cluster?.destroy(), 30_000)

  test.each([
    ['ConfigMap', 'cat /config/color /config/size; od -An -tx1 /config/raw', 'bluelarge 00 01 02\n'],
    ['ConfigMap, one file by subPath', 'cat /single', 'blue'],
    ['ConfigMap, chosen items with modes', 'cat /items/deep/er/size; stat -Lc %a /items/deep/er/size', 'large444\n'],
    ['Secret', 'cat /secret/password; touch /secret/x 2>/dev/null || echo " ro"', 's3cret ro\n'],
    ['hostPath', 'cat /host/given; stat -c %F /made', 'from the hostdirectory\n'],
    ['downward API', 'cat /downward/labels /downward/note /downward/memory', 'tier="one"first64'],
    ['projected', 'cat /projected/color /projected/secrets/password /projected/name', 'blues3cretvolumes'],
    ['emptyDir in memory', 'grep " /memory " /proc/mounts | cut -d" " -f1,3', 'tmpfs tmpfs\n'],
    ['fsGroup', 'stat -c %g /scratch; id -G', '2000\n0 2000\n'],
    ['service account', 'ls /var/run/secrets/kubernetes.io/serviceaccount', 'ca.crt\nnamespace\ntoken\n'],
  ])(
    '%s',
    async (_, script, output) => {
      expect(await inside(script)).toBe(output)
    },
    30_000,
  )

  test('an emptyDir is shared by containers, a hostPath with the host', async () => {
    await inside('echo shared > /scratch/file; echo pod > /host/made/file')
    expect(await cluster.kubectl('exec volumes -c second -- cat /scratch/file')).toBe('shared\n')
    expect(readFileSync(join(host, 'made/file'), 'utf8')).toBe('pod\n')
  }, 30_000)

  test("tokens name the pod, and the API takes the account's own", async () => {
    const token = await inside('cat /projected/token')
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
    const { metadata } = await cluster.get<Pod>('pod volumes')
    expect(claims).toMatchObject({ aud: ['somebody'], sub: 'system:serviceaccount:default:default' })
    expect(claims['kubernetes.io'].pod).toEqual({ name: 'volumes', uid: metadata?.uid })
    const own = await inside('cat /var/run/secrets/kubernetes.io/serviceaccount/token')
    const who = await cluster.kubectl(
      ['auth', 'whoami', '--token', own, '-o', 'jsonpath={.status.userInfo.username}'],
      {
        env: { KUBECONFIG: await tokenOnly(cluster) },
      },
    )
    expect(who).toBe('system:serviceaccount:default:default')
  }, 30_000)

  test('changes reach the running pod', async () => {
    await cluster.kubectl([
      'patch',
      'configmap',
      'settings',
      '-p',
      '{"data":{"color":"red","extra":"new","size":null}}',
    ])
    await cluster.kubectl(['patch', 'secret', 'hidden', '-p', '{"stringData":{"password":"other"}}'])
    await cluster.kubectl('label pod volumes tier=two --overwrite')
    await cluster.kubectl('annotate pod volumes note=second --overwrite')
    const files =
      'cd /config; cat color extra; ls; cat /secret/password /downward/labels /downward/note /projected/color'
    await cluster.eventually(
      async () => expect(await inside(files)).toBe('rednewcolor\nextra\nraw\nothertier="two"secondred'),
      90,
    )
    expect(await inside('cat /single')).toBe('blue')
  }, 120_000)

  test('nothing stays of a deleted pod', async () => {
    const { metadata } = await cluster.get<Pod>('pod volumes')
    await cluster.kubectl('delete pod volumes')
    await cluster.eventually(async () => {
      const left = await cluster.exec([
        'sh',
        '-c',
        `grep -c ${metadata?.uid} /proc/self/mountinfo; ls /var/lib/kubelet/pods /var/log/pods`,
      ])
      expect(left).not.toContain(metadata?.uid)
      expect(left.split('\n')[0]).toBe('0')
    })
    expect(readFileSync(join(host, 'given'), 'utf8')).toBe('from the host')
  }, 60_000)
})

/** A kubeconfig that trusts the cluster and brings no credentials; its path. */
async function tokenOnly(cluster: Cluster): Promise<string> {
  const file = join(cluster.bed.dir, 'token-only.yaml')
  writeFileSync(file, cluster.kubeconfig().replace(/^ *client-(certificate|key)-data: .*\n/gm, ''))
  return file
}
