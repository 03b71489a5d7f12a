/** Workloads with real containers, and a node that is drained and tainted under them. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Job, Pod } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('workloads e2e: skipped, needs root and containerd')

const manifests = `
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec:
  serviceName: db
  replicas: 2
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: db, image: '${webImage}', readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 } }]
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { clusterIP: None, selector: { app: db }, ports: [{ port: 80 }] }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: db }
spec: { minAvailable: 2, selector: { matchLabels: { app: db } } }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: everywhere }
spec:
  selector: { matchLabels: { app: everywhere } }
  template:
    metadata: { labels: { app: everywhere } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: indexed }
spec:
  completions: 4
  parallelism: 2
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: main, image: '${busyboxImage}', command: [sh, -c, 'echo $JOB_COMPLETION_INDEX'] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: hopeless }
spec:
  backoffLimit: 0
  template: { spec: { restartPolicy: Never, containers: [{ name: main, image: '${busyboxImage}', command: ['false'] }] } }
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: later }
spec:
  schedule: '0 0 1 1 *'
  jobTemplate:
    spec: { template: { spec: { restartPolicy: Never, containers: [{ name: main, image: '${busyboxImage}', command: [echo, ran] }] } } }
`

suite('workloads', () => {
  let cluster: Cluster
  const uidsOf = async (label: string) =>
    (await cluster.get<{ items: Pod[] }>(`pods -l app=${label}`)).items.map(({ metadata }) => metadata?.uid)

  beforeAll(async () => {
    cluster = await startCluster()
    await cluster.apply(manifests)
  }, 60_000)
  afterAll(() => cluster?.destroy(), 30_000)

  test('Jobs: indexed, failing, and made from a CronJob', async () => {
    await cluster.waitFor('--for=condition=Complete job/indexed')
    const logs = await cluster.kubectl('logs -l job-name=indexed --tail=-1')
    expect(logs.trim().split('\n').sort()).toEqual(['0', '1', '2', '3'])
    await cluster.waitFor('--for=condition=Failed job/hopeless')
    const reasons = (await cluster.get<Job>('job hopeless')).status?.conditions?.map(({ reason }) => reason)
    expect(reasons).toContain('BackoffLimitExceeded')
    await cluster.kubectl('create job now --from=cronjob/later')
    await cluster.waitFor('--for=condition=Complete job/now')
    expect(await cluster.kubectl('logs job/now')).toBe('ran\n')
  }, 60_000)

  test('a StatefulSet keeps names through a rollout', async () => {
    await cluster.waitFor('--for=jsonpath={.status.readyReplicas}=2 statefulset/db')
    const before = await uidsOf('db')
    await cluster.kubectl('rollout restart statefulset/db')
    expect(await cluster.kubectl('rollout status statefulset/db --timeout=60s')).toContain(
      '2 new pods have been updated',
    )
    const { items } = await cluster.get<{ items: Pod[] }>('pods -l app=db')
    expect(items.map(({ metadata }) => metadata?.name)).toEqual(['db-0', 'db-1'])
    for (const uid of await uidsOf('db')) expect(before).not.toContain(uid)
  }, 90_000)

  test('drain honours the disruption budget, and leaves a DaemonSet alone', async () => {
    const daemon = await uidsOf('everywhere')
    const drain = `drain ${cluster.nodeName} --ignore-daemonsets --force --delete-emptydir-data`
    const refused = await cluster.tryKubectl(`${drain} --timeout=2s`)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.")
    await cluster.kubectl('delete poddisruptionbudget db')
    expect(await cluster.kubectl(`${drain} --timeout=60s`)).toContain('drained')
    expect(await uidsOf('everywhere')).toEqual(daemon)
    await cluster.kubectl(`uncordon ${cluster.nodeName}`)
    await cluster.waitFor('--for=jsonpath={.status.readyReplicas}=2 statefulset/db')
  }, 120_000)

  test('a NoExecute taint drives pods away, and they come back without it', async () => {
    const before = await uidsOf('everywhere')
    await cluster.kubectl(`taint nodes ${cluster.nodeName} away=now:NoExecute`)
    await cluster.waitFor('--for=jsonpath={.status.desiredNumberScheduled}=0 daemonset/everywhere')
    await cluster.waitFor('--for=delete pod -l app=everywhere')
    await cluster.kubectl(`taint nodes ${cluster.nodeName} away-`)
    await cluster.waitFor('--for=jsonpath={.status.numberReady}=1 daemonset/everywhere')
    expect(await uidsOf('everywhere')).not.toEqual(before)
    await cluster.waitFor('--for=condition=Available deployment/coredns -n kube-system')
  }, 90_000)
})
