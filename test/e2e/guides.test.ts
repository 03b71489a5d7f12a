/** The manifests and commands of K3s' guides that concern its packaged components, as they are written there. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Node } from '../../bootstrap/client/resources.ts'
import { type Cluster, canRunClusters, nodeAddress, startCluster } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('guides e2e: skipped, needs root and containerd')

const traefikConfig = `
apiVersion: helm.cattle.io/v1
kind: HelmChartConfig
metadata:
  name: traefik
  namespace: kube-system
spec:
  valuesContent: |-
    ports:
      web:
        exposedPort: 80
      websecure:
        exposedPort: 443
`
const traefikPorts = traefikConfig.replace('exposedPort: 80', 'port: 8080').replace('exposedPort: 443', 'port: 8443')

const myService = `
apiVersion: v1
kind: Service
metadata:
  name: my-service
spec:
  type: LoadBalancer
  ports:
  - port: 80
    targetPort: 8080
  selector:
    app: my-app
`

const myPvc = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: my-pvc
spec:
  accessModes:
  - ReadWriteOnce
  storageClassName: local-path
  resources:
    requests:
      storage: 1Gi
`

const corednsCustom = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: coredns-custom
  namespace: kube-system
data:
  example.server: |
    example.com:53 {
      forward . 1.1.1.1
    }
`

const localPathConfig = `
# Local path provisioner configuration
apiVersion: v1
kind: ConfigMap
metadata:
  name: local-path-config
  namespace: kube-system
data:
  config.json: |
    {
      "nodePathMap": [
        {
          "node": "DEFAULT_PATH_FOR_NON_LISTED_NODES",
          "paths": ["/var/lib/rancher/k3s/storage"]
        },
        {
          "node": "ssd-node-*",
          "paths": ["/mnt/fast-ssd/k3s-storage"]
        }
      ]
    }
`

/** What the guides leave to the reader: a pod that uses the claim, and one behind the service. */
const myPods = `
apiVersion: v1
kind: Pod
metadata: { name: writer }
spec:
  restartPolicy: Never
  securityContext: { runAsUser: 1000 }
  containers:
    - name: c
      image: ${busyboxImage}
      command: [sh, -c, "echo kept > /data/file && cat /data/file"]
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: my-pvc } }]
---
apiVersion: v1
kind: Pod
metadata: { name: my-app, labels: { app: my-app } }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: web, image: ${webImage}, args: ["8080"] }]
`

suite("what K3s' guides say", () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ traefik: true })
  }, 150_000)
  afterAll(() => cluster?.destroy())

  test('the packaged components come up by themselves', async () => {
    const deployments = ['coredns', 'local-path-provisioner', 'metrics-server', 'traefik'].map(
      name => `deployment/${name}`,
    )
    await cluster.waitFor(`--for=condition=Available ${deployments.join(' ')} -n kube-system --timeout=60s`)
    expect(
      await cluster.kubectl('get addon -n kube-system -o jsonpath={.items[*].status.conditions[*].status}'),
    ).not.toContain('False')
    expect(await cluster.kubectl('get storageclass local-path -o jsonpath={.provisioner}/{.volumeBindingMode}')).toBe(
      'rancher.io/local-path/WaitForFirstConsumer',
    )
  }, 90_000)

  test('kubectl logs -n kube-system deployment/coredns and daemonset/svclb-traefik', async () => {
    expect(await cluster.kubectl('logs -n kube-system deployment/coredns')).toContain('.:53')
    await cluster.waitFor(
      `--for=jsonpath={.status.loadBalancer.ingress[0].ip}=${nodeAddress} service/traefik -n kube-system`,
    )
    await cluster.kubectl('logs -n kube-system daemonset/svclb-traefik')
  }, 60_000)

  test('kubectl top nodes and pods', async () => {
    await cluster.eventually(async () => expect(await cluster.kubectl('top nodes')).toContain(cluster.nodeName))
    await cluster.eventually(async () => expect(await cluster.kubectl('top pods -A')).toContain('coredns'))
  }, 60_000)

  test('the claim is bound to a volume that its pod writes', async () => {
    await cluster.apply(`${myPvc}---${myPods}`)
    await cluster.waitFor('--for=jsonpath={.status.phase}=Succeeded pod/writer --timeout=60s')
    expect(await cluster.kubectl('logs writer')).toBe('kept\n')
    expect(await cluster.kubectl('get pvc my-pvc -o jsonpath={.status.phase}/{.status.capacity.storage}')).toBe(
      'Bound/1Gi',
    )
  }, 90_000)

  test('local-path-config with a path for each kind of node is taken up', async () => {
    await cluster.kubectl('delete pod writer --wait=true')
    await cluster.kubectl('delete pvc my-pvc --wait=true')
    await cluster.apply(localPathConfig)
    await cluster.apply(`${myPvc}---${myPods}`)
    await cluster.eventually(async () =>
      expect(
        await cluster.kubectl('get pv -o jsonpath={.items[*].spec.local.path}{.items[*].spec.hostPath.path}'),
      ).toMatch(/^\/var\/lib\/rancher\/k3s\/storage\/pvc-[-0-9a-f]+_default_my-pvc$/),
    )
  }, 90_000)

  test('a LoadBalancer on a port that traefik has says so', async () => {
    await cluster.apply(myService)
    await cluster.eventually(async () =>
      expect(await cluster.kubectl('get events --field-selector=involvedObject.name=my-service')).toContain(
        'port 80/TCP belongs to the older service kube-system/traefik',
      ),
    )
  }, 60_000)

  test('HelmChartConfigs in server/manifests change traefik, and stay applied', async () => {
    cluster.writeManifest('traefik-config.yaml', traefikPorts)
    await cluster.eventually(async () => {
      const port =
        'get deployment traefik -n kube-system -o jsonpath={.spec.template.spec.containers[0].ports[?(@.name=="web")].containerPort}'
      expect(await cluster.kubectl(port.split(' '))).toBe('8080')
    })
    await cluster.waitFor('--for=condition=Available deployment/traefik -n kube-system --timeout=60s')
    await cluster.eventually(async () =>
      expect(await cluster.fromOutside(['curl', '-sS', '-m', '3', `http://${nodeAddress}/`])).toBe(
        '404 page not found\n',
      ),
    )
    cluster.writeManifest('traefik-config.yaml', traefikConfig)
    await cluster.eventually(async () =>
      expect(await cluster.fromOutside(['curl', '-ksS', '-m', '3', `https://${nodeAddress}/`])).toBe(
        '404 page not found\n',
      ),
    )
  }, 120_000)

  test('coredns-custom adds a server; names of the cluster stay answered', async () => {
    cluster.writeManifest('coredns-custom.yaml', corednsCustom)
    await cluster.eventually(async () =>
      expect(await cluster.kubectl('logs -n kube-system deployment/coredns')).toContain('Reloading complete'),
    )
    const dig = ['dig', '+short', '+time=2', '@10.43.0.10', 'kubernetes.default.svc.cluster.local']
    expect(await cluster.exec(dig)).toBe('10.43.0.1\n')
  }, 60_000)

  test('disabled components go, with all that was theirs', async () => {
    await cluster.stopServer()
    const disabled = ['traefik', 'servicelb', 'local-storage', 'metrics-server']
    const config = `disable:\n${disabled.map(name => `  - ${name}\n`).join('')}`
    writeFileSync(join(cluster.bed.dir, 'rancher/k3s/config.yaml'), config)
    await cluster.restart()
    await cluster.eventually(async () => {
      const names = 'get deploy,ds,svc,helmchart,storageclass,apiservice -A -o name'
      const left = await cluster.kubectl(names)
      expect(left.split('\n').filter(name => /traefik|svclb|local-path|metrics/.test(name))).toEqual([])
    })
    for (const file of ['traefik.yaml', 'local-storage.yaml', 'metrics-server/metrics-apiservice.yaml'])
      expect(existsSync(cluster.file(`server/manifests/${file}`))).toBe(false)
  }, 120_000)

  test('the node tells what it was configured with', async () => {
    const { metadata } = await cluster.get<Node>(`node ${cluster.nodeName}`)
    const told = JSON.parse(metadata.annotations?.['k3s.io/node-args'] ?? '[]') as string[]
    expect([told[0], told.slice(1, 5)]).toEqual(['server', ['--disable', 'traefik', '--disable', 'servicelb']])
    expect(metadata.annotations?.['k3s.io/node-config-hash']).toMatch(/^[A-Z2-7]{52}====$/)
  })
})
