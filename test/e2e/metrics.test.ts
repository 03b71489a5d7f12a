import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type Cluster, canRunClusters, nodeAddress, startCluster } from '../testbed/cluster.ts'
import { busyboxImage } from '../testbed/images.ts'
import { kubectls } from '../testbed/tools.ts'

jest.setTimeout(180_000)

const burner = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: burner}
spec:
  selector: {matchLabels: {app: burner}}
  template:
    metadata: {labels: {app: burner}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: burn
        image: ${busyboxImage}
        command: [sh, -c, 'while :; do :; done']
        resources: {requests: {cpu: 50m}, limits: {cpu: 200m}}
      - name: rest
        image: ${busyboxImage}
        command: [sleep, infinity]
        resources: {requests: {cpu: 50m}}
`

const elsewhere = `
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: kube-system}
spec: {ports: [{port: 443, targetPort: 4444}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: elsewhere, namespace: kube-system, labels: {kubernetes.io/service-name: elsewhere}}
addressType: IPv4
endpoints: [{addresses: [${nodeAddress}], conditions: {ready: true}}]
ports: [{name: '', port: 4444, protocol: TCP}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  service: {name: elsewhere, namespace: kube-system}
  group: metrics.k8s.io
  version: v1beta1
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 100
`

if (!canRunClusters) {
  test.skip('needs root, containerd and kubectl', () => {})
} else {
  describe('a cluster with its metrics', () => {
    let cluster: Cluster
    beforeAll(async () => {
      cluster = await startCluster()
      await cluster.apply(burner)
      await cluster.waitFor('--for=condition=Available deploy/metrics-server -n kube-system')
      await cluster.waitFor('--for=condition=Available apiservice/v1beta1.metrics.k8s.io')
    })
    afterAll(() => cluster.destroy())

    const untilMatches = async (args: string, pattern: RegExp): Promise<string> => {
      for (const end = Date.now() + 90_000; ; ) {
        const { stdout, stderr } = await cluster.tryKubectl(args)
        if (pattern.test(stdout)) return stdout
        if (Date.now() > end) throw new Error(`kubectl ${args} never gave ${pattern}: ${stdout}${stderr}`)
        await new Promise(resolve => setTimeout(resolve, 500))
      }
    }

    test('every kubectl tops nodes and pods; what burns shows, what rests does not', async () => {
      const seen = await untilMatches('top pods --containers', /burner-\S+ +burn +(1[5-9]\d|2[0-3]\d)m/)
      expect(seen).toMatch(/burner-\S+ +rest +\dm/)
      for (const [, kubectl] of kubectls()) {
        expect(await cluster.kubectl('top nodes', { kubectl })).toMatch(new RegExp(`${cluster.nodeName} +\\d+m +\\d+%`))
        expect(await cluster.kubectl('top pods -A', { kubectl })).toMatch(/kube-system +coredns-\S+ +0m +0Mi/)
      }
      expect(await cluster.kubectl('top pod -l app=burner --no-headers')).toMatch(/^burner-/)
      expect(await cluster.kubectl('get pods.metrics.k8s.io -A')).toMatch(/NAMESPACE +NAME +CPU +MEMORY +WINDOW/)
      expect(await cluster.kubectl('get --raw /apis/metrics.k8s.io/v1beta1/nodes')).toMatch(/"memory":"\d+[KM]i"/)
    })

    test('kubectl autoscale: what burns gets more replicas, and is told why', async () => {
      await cluster.kubectl('autoscale deployment burner --cpu-percent=80 --min=1 --max=3')
      await untilMatches('get deploy burner -o jsonpath={.spec.replicas}', /^3$/)
      const described = await cluster.kubectl('describe hpa burner')
      expect(described).toMatch(/AbleToScale +True +\S+/)
      expect(described).toMatch(/ScalingActive +True +ValidMetricFound/)
      expect(described).toMatch(/SuccessfulRescale +\S+ +horizontal-pod-autoscaler +New size: \d; reason: cpu resource/)
      expect(await cluster.kubectl('get hpa burner --no-headers')).toMatch(
        /Deployment\/burner +cpu: \d+%\/80% +1 +3 +[123]/,
      )
      const old = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/burner'
      const { metadata, spec } = JSON.parse(await cluster.kubectl(`get --raw ${old}`))
      expect(spec.targetCPUUtilizationPercentage).toBe(80)
      expect(metadata.annotations['autoscaling.alpha.kubernetes.io/conditions']).toContain('ValidMetricFound')
      await cluster.kubectl('delete hpa burner')
      await cluster.kubectl('scale deploy burner --replicas=1')
    })

    test('viewers may read metrics, others may not', async () => {
      await cluster.kubectl('create serviceaccount viewer')
      await cluster.kubectl('create rolebinding viewer --clusterrole=view --serviceaccount=default:viewer')
      const as = '--as=system:serviceaccount:default:viewer'
      expect(await cluster.kubectl(`top pods ${as}`)).toMatch(/burner-/)
      const { stderr } = await cluster.tryKubectl(`top nodes ${as}`)
      expect(stderr).toContain('cannot list resource "nodes" in API group "metrics.k8s.io"')
    })
  })

  test('--disable metrics-server leaves it out; the same function runs alone, as any aggregated server', async () => {
    const cluster = await startCluster({ flags: ['--disable', 'metrics-server'] })
    const kubeconfig = join(cluster.bed.dir, 'rancher/k3s/k3s.yaml')
    const tls = cluster.file('server/tls')
    const flags = [
      '--secure-port=4444',
      '--kubelet-preferred-address-types=InternalIP',
      '--metric-resolution=10s',
      `--kubelet-certificate-authority=${tls}/server-ca.crt`,
      `--kubelet-client-certificate=${tls}/client-admin.crt`,
      `--kubelet-client-key=${tls}/client-admin.key`,
    ]
    const skiff = join(import.meta.dirname, '../../bin/skiff')
    const alone = cluster.bed.spawn([skiff, 'operator', 'metrics-server', '--kubeconfig', kubeconfig, '--', ...flags])
    try {
      expect(await cluster.kubectl('get deploy -n kube-system -o name')).not.toContain('metrics-server')
      const { stderr } = await cluster.tryKubectl('top nodes')
      expect(stderr).toContain('Metrics API not available')
      await cluster.apply(elsewhere)
      await cluster.waitFor('--for=condition=Available apiservice/v1beta1.metrics.k8s.io')
      expect(await untilTop(cluster)).toMatch(new RegExp(`${cluster.nodeName} +\\d+m`))
    } finally {
      alone.kill()
      await cluster.destroy()
    }
  })
}

/** The first rounds take a second or two. */
async function untilTop(cluster: Cluster): Promise<string> {
  for (const end = Date.now() + 30_000; ; ) {
    const { stdout, stderr, code } = await cluster.tryKubectl('top nodes --no-headers')
    if (code === 0) return stdout
    if (Date.now() > end) throw new Error(stderr)
    await new Promise(resolve => setTimeout(resolve, 300))
  }
}
