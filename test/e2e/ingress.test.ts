/** The packaged ingress on a real node: charts by HelmChart, real pods behind it, asked from the machine outside. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Cluster, canRunClusters, nodeAddress, startCluster } from '../testbed/cluster.ts'
import { webImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('ingress e2e: skipped, needs root and containerd')

const app = (name: string) => `
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: ${webImage}
          readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }
          volumeMounts: [{ name: cgi, mountPath: /www/cgi-bin }]
      volumes: [{ name: cgi, configMap: { name: cgi, defaultMode: 0755 } }]
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports: [{ port: 80 }]
`
const apps = `
apiVersion: v1
kind: ConfigMap
metadata: { name: cgi }
data:
  who: |
    #!/bin/sh
    printf 'Content-type: text/plain\\r\\n\\r\\n%s %s' "$(hostname | cut -d- -f1)" "$HTTP_X_FORWARDED_PROTO"
${app('a')}${app('b')}`

const routes = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web }
spec:
  rules:
    - host: a.test
      http:
        paths: [{ path: /, pathType: Prefix, backend: { service: { name: a, port: { number: 80 } } } }]
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: { name: strip }
spec: { stripPrefix: { prefixes: [/b] } }
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: { name: web }
spec:
  entryPoints: [web, websecure]
  routes:
    - match: Host(\`a.test\`) && PathPrefix(\`/b\`)
      kind: Rule
      middlewares: [{ name: strip }]
      services: [{ name: b, port: 80 }]
`

suite('the packaged ingress', () => {
  let cluster: Cluster
  const curl = (url: string, ...more: string[]) => cluster.fromOutside(['curl', '-ksS', '-m', '3', ...more, url])
  const resolve = (host: string, port: number) => ['--resolve', `${host}:${port}:${nodeAddress}`]
  const ask = (url: string) => {
    const { hostname, port, protocol } = new URL(url)
    return curl(url, ...resolve(hostname, Number(port) || (protocol === 'https:' ? 443 : 80)))
  }
  const becomes = (url: string, wanted: string) => cluster.eventually(async () => expect(await ask(url)).toBe(wanted))

  beforeAll(async () => {
    cluster = await startCluster({ traefik: true })
    await cluster.apply(apps)
    await cluster.waitFor('--for=condition=Available deployment/traefik -n kube-system --timeout=60s')
    await cluster.waitFor('--for=condition=Available deployment/a deployment/b --timeout=60s')
  }, 150_000)
  afterAll(() => cluster?.destroy())

  test('is what K3s users find', async () => {
    expect(await cluster.kubectl('get helmcharts -n kube-system -o name')).toBe(
      'helmchart.helm.cattle.io/traefik\nhelmchart.helm.cattle.io/traefik-crd\n',
    )
    expect(await cluster.kubectl('get ingressclass traefik -o jsonpath={.spec.controller}')).toBe(
      'traefik.io/ingress-controller',
    )
    await cluster.waitFor(
      `--for=jsonpath={.status.loadBalancer.ingress[0].ip}=${nodeAddress} service/traefik -n kube-system`,
    )
    expect(await curl(`http://${nodeAddress}/`)).toBe('404 page not found\n')
  })

  test('serves an Ingress and an IngressRoute by HTTP and HTTPS through the load balancer', async () => {
    await cluster.apply(routes)
    await becomes('http://a.test/cgi-bin/who', 'a http')
    await becomes('https://a.test/cgi-bin/who', 'a https')
    await becomes('http://a.test/b/cgi-bin/who', 'b http')
    await becomes('https://a.test/b/cgi-bin/who', 'b https')
    await cluster.waitFor(`--for=jsonpath={.status.loadBalancer.ingress[0].ip}=${nodeAddress} ingress/web`)
    expect(await cluster.kubectl('logs -n kube-system deploy/traefik')).toContain('serving on')
  })

  test('no request fails while the backend is rolled over', async () => {
    const roll = cluster
      .kubectl('rollout restart deployment/a')
      .then(() => cluster.kubectl('rollout status deployment/a --timeout=60s'))
    let [over, count] = [false, 0]
    void roll.finally(() => (over = true))
    while (!over || count < 20) {
      expect(await ask('http://a.test/cgi-bin/who')).toBe('a http')
      count++
    }
    await roll
  }, 90_000)

  test('takes ports and a redirection of a HelmChartConfig', async () => {
    await cluster.apply(`
apiVersion: helm.cattle.io/v1
kind: HelmChartConfig
metadata: { name: traefik, namespace: kube-system }
spec:
  valuesContent: |-
    ports:
      web: { port: 8080, exposedPort: 8081, redirections: { entryPoint: { to: websecure, scheme: https } } }
      websecure: { exposedPort: 8444 }
`)
    await cluster.eventually(async () => {
      const answer = await curl(
        'http://a.test:8081/x?y',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code} %{redirect_url}',
        ...resolve('a.test', 8081),
      )
      expect(answer).toBe('301 https://a.test:8444/x?y')
    })
    await becomes('https://a.test:8444/cgi-bin/who', 'a https')
  }, 90_000)
})
