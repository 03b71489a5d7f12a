/** The cluster's DNS as users meet it: kubectl, lookups from pods, coredns-custom. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'

const testOrSkip = canRunClusters ? test : test.skip
if (!canRunClusters) console.log('dns e2e: skipped, needs root and containerd')

let cluster: Cluster

beforeAll(async () => {
  if (!canRunClusters) return
  cluster = await startCluster()
  await cluster.waitFor('--for=condition=Available deployment/coredns -n kube-system')
}, 120_000)

afterAll(async () => cluster?.destroy(), 60_000)

const dig = (name: string) =>
  cluster.bed.run(['dig', '+short', '+time=2', '+tries=1', '@10.43.0.10', name]).then(({ stdout }) => stdout.trim())

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

testOrSkip(
  'logs, lookups, coredns-custom with both kinds of keys, and a mistake in it',
  async () => {
    const logs = () => cluster.kubectl('-n kube-system logs deployment/coredns')
    expect(await logs()).toContain('plugin/reload: Running configuration SHA512')
    expect(await dig('kubernetes.default.svc.cluster.local')).toBe('10.43.0.1')
    const pod = (await cluster.kubectl('-n kube-system get pods -l k8s-app=kube-dns -o name')).trim()

    const custom = (data: { readonly [key: string]: string }) =>
      cluster.apply(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'coredns-custom', namespace: 'kube-system' },
          data,
        }),
      )
    const server = 'example.com:53 {\n  hosts {\n    192.0.2.80 www.example.com\n  }\n}\n'
    const override = 'rewrite name exact api.internal kubernetes.default.svc.cluster.local\n'
    await custom({ 'example.server': server, 'names.override': override })
    await until('the server block answers', async () => (await dig('www.example.com')) === '192.0.2.80')
    await until('the override rewrites', async () => (await dig('api.internal')) === '10.43.0.1')

    await custom({ 'example.server': server, 'names.override': 'rewrite nonsense\n' })
    await until('the mistake is logged', async () =>
      (await logs()).includes('custom/names.override:1: plugin/rewrite: invalid rule type "nonsense"'),
    )
    expect(await dig('www.example.com')).toBe('192.0.2.80')
    expect(await dig('api.internal')).toBe('10.43.0.1')
    await until('the ConfigMap tells', async () =>
      (await cluster.kubectl('-n kube-system describe configmap coredns-custom')).includes('InvalidConfiguration'),
    )
    expect((await cluster.kubectl('-n kube-system get pods -l k8s-app=kube-dns -o name')).trim()).toBe(pod)
    expect(
      await cluster.kubectl(`-n kube-system get ${pod} -o jsonpath={.status.containerStatuses[0].restartCount}`),
    ).toBe('0')
  },
  120_000,
)
