/** One file dropped in server/manifests becomes a running web server behind a name, and stays as the file says. */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Deployment, Pod, ReplicaSet } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'
import { webImage } from '../testbed/images.ts'
import { debianPackage, kubectls } from '../testbed/tools.ts'

interface List<T> {
  readonly items: readonly T[]
}

/** The file: text is what the server answers, and decides the pods' template. */
const manifest = (namespace: string, text: string, extra = '') => `
apiVersion: v1
kind: Namespace
metadata: { name: ${namespace} }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: page, namespace: ${namespace} }
data:
  index.html: ${text}
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ${namespace} }
spec:
  replicas: 3
  selector: { matchLabels: { app: web } }
  strategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: ${webImage}
          env:
            - name: TEXT
              value: ${text}
          ports: [{ containerPort: 80 }]
          readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }
          volumeMounts: [{ name: page, mountPath: /www }]
      volumes: [{ name: page, configMap: { name: page } }]
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: ${namespace} }
spec:
  selector: { app: web }
  ports: [{ port: 80 }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: fetch-${text}, namespace: ${namespace} }
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: fetch
          image: ${webImage}
          command: [sh, -c, 'until fetch web.${namespace}.svc.cluster.local 2>/dev/null; do sleep 0.2; done']
${extra}`

const extraObject = (namespace: string) => `---
apiVersion: v1
kind: Secret
metadata: { name: extra, namespace: ${namespace} }
`

/** Every kubectl at hand, and the newest release. */
const newest = canRunClusters ? debianPackage('sid', 'kubectl') : undefined
function clients(): readonly string[] {
  return [...kubectls().keys(), ...(newest === undefined ? [] : [join(newest, 'usr/bin/kubectl')])]
}

/** The numbers of available pods a watch sees until `stop` is called. */
function watchAvailable(cluster: Cluster, namespace: string): { seen: number[]; stop: () => void } {
  const seen: number[] = []
  const path = 'available={.status.availableReplicas};'
  const watch = cluster.spawnKubectl(
    ['get', 'deployment', 'web', '-n', namespace, '--watch', '-o', `jsonpath=${path}`],
    {},
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  let text = ''
  watch.stdout!.on('data', data => {
    text += data
    seen.splice(0, seen.length, ...[...text.matchAll(/available=(\d*);/g)].map(match => Number(match[1])))
  })
  return { seen, stop: () => watch.kill() }
}

/** The whole story in one namespace of its own, through one kubectl. */
async function story(cluster: Cluster, kubectl: string, namespace: string): Promise<void> {
  const file = `${namespace}.yaml`
  const run = (args: string) => cluster.kubectl(args, { kubectl })

  cluster.writeManifest(file, manifest(namespace, 'one', extraObject(namespace)))
  await cluster.waitFor(`--for=condition=Available deployment/web -n ${namespace}`)
  expect(await run(`rollout status deployment/web -n ${namespace}`)).toContain('successfully rolled out')
  await cluster.waitFor(`--for=condition=Complete job/fetch-one -n ${namespace}`)
  expect(await run(`logs job/fetch-one -n ${namespace}`)).toBe('one')
  const pods = await run(`get pods -n ${namespace} -l app=web --no-headers`)
  expect(
    pods
      .trim()
      .split('\n')
      .map(line => line.split(/\s+/).slice(1, 3)),
  ).toEqual(Array(3).fill(['1/1', 'Running']))
  expect(await run(`get service,endpoints,deployment,replicaset,job,secret -n ${namespace}`)).toContain('service/web')

  const available = watchAvailable(cluster, namespace)
  cluster.writeManifest(file, manifest(namespace, 'two'))
  await cluster.waitFor(`--for=jsonpath={.status.observedGeneration}=2 deployment/web -n ${namespace}`)
  expect(await run(`rollout status deployment/web -n ${namespace}`)).toContain('successfully rolled out')
  await cluster.waitFor(`--for=condition=Complete job/fetch-two -n ${namespace}`)
  available.stop()
  expect(available.seen.length).toBeGreaterThan(1)
  expect(available.seen.filter(count => count < 2)).toEqual([])
  expect(await run(`logs job/fetch-two -n ${namespace}`)).toBe('two')
  const { items } = await cluster.get<List<ReplicaSet>>(`replicasets -n ${namespace}`)
  expect(
    items.map(set => [set.spec?.template?.spec?.containers[0]?.env?.[0]?.value, set.status?.replicas]).sort(),
  ).toEqual([
    ['one', 0],
    ['two', 3],
  ])
  expect((await run(`rollout history deployment/web -n ${namespace}`)).match(/^\d+/gm)).toEqual(['1', '2'])

  await cluster.waitFor(`--for=delete secret/extra job/fetch-one -n ${namespace}`)
  const before = await cluster.get<Deployment>(`deployment web -n ${namespace}`)
  await run(`delete deployment web -n ${namespace}`)
  await cluster.waitFor(`--for=condition=Available deployment/web -n ${namespace}`)
  const after = await cluster.get<Deployment>(`deployment web -n ${namespace}`)
  expect(after.metadata?.uid).not.toBe(before.metadata?.uid)
  const old = await cluster.get<List<Pod>>(`pods -n ${namespace} -l app=web`)
  expect(old.items.filter(pod => pod.metadata?.deletionTimestamp === undefined)).toHaveLength(3)
  rmSync(cluster.file(`server/manifests/${file}`))
  await run(`delete namespace ${namespace}`)
}

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('hello e2e: skipped, needs root and containerd')

suite('a file in server/manifests', () => {
  let cluster: Cluster
  beforeAll(async () => void (cluster = await startCluster()), 60_000)
  afterAll(() => cluster?.destroy(), 60_000)

  test.each(clients())(
    'through kubectl %s',
    kubectl => {
      const version = /1\.(\d+)$/.exec(kubectl)?.[1] ?? 'newest'
      return story(cluster, kubectl, `hello-${version}`)
    },
    180_000,
  )
})

suite('on another containerd', () => {
  test('2.1 runs the same', async () => {
    const folder = debianPackage('sid', 'containerd')
    if (folder === undefined) return
    const cluster = await startCluster({ path: join(folder, 'usr/bin') })
    try {
      await story(cluster, [...kubectls().keys()].at(-1)!, 'hello')
      expect(await cluster.kubectl('get nodes -o wide')).toContain('containerd://2.1')
    } finally {
      await cluster.destroy()
    }
  }, 180_000)
})
