/** HelmCharts with real pods: where charts come from, what changes lead to, what goes wrong on the way, and how it ends. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ociArchive } from '../../bootstrap/agent/images/oci-archive.ts'
import type { ConfigMap, Job, Pod } from '../../bootstrap/api/types.gen.ts'
import { chartArchive } from '../../operators/helmchart/chart/testing/pack.ts'
import type { HelmChart, HelmChartSpec } from '../../operators/helmchart/helm-chart.ts'
import { keyPair } from '../../operators/helmchart/sources/testing/certificates.ts'
import { canRunRegistry, helmProgram, registryProgram } from '../../operators/helmchart/sources/testing/registry.ts'
import { type Cluster, canRunClusters, nodeAddress, startCluster } from '../testbed/cluster.ts'
import { busyboxImage } from '../testbed/images.ts'

const suite = canRunClusters ? describe : describe.skip

/** A chart that can be slow, and can fail. */
const archiveOf = (version: string) =>
  chartArchive('probe', {
    'Chart.yaml': `apiVersion: v2\nname: probe\nversion: ${version}\n`,
    'values.yaml': 'who: nobody\nslow: ""\nbad: false\n',
    'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  who: "{{ .Values.who }}"
  chart: "{{ .Chart.Version }}"
  revision: "{{ .Release.Revision }}"
`,
    'templates/bad.yaml': `{{ if .Values.bad }}apiVersion: v1
kind: ConfigMap
metadata:
  name: Not_A_Name
{{ end }}`,
    'templates/hook.yaml': `{{ if .Values.slow }}apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hook
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
        - name: hook
          image: ${busyboxImage}
          command: [sleep, "{{ .Values.slow }}"]
{{ end }}`,
    'templates/NOTES.txt': 'Thank you, {{ .Values.who }}.\n',
  })
const inline = archiveOf('1.0.0').toString('base64')
const indexOf = (versions: readonly string[]) =>
  `apiVersion: v1\nentries:\n  probe:\n${versions.map(version => `  - name: probe\n    version: ${version}\n    urls: [probe-${version}.tgz]\n`).join('')}`

/** In klipper-helm's place: says what it finds. */
const klipperName = 'docker.io/library/klipper:1'
const klipperScript = `#!/bin/sh
echo "user $(id -u) does $*"
env
for file in /config/*.yaml /chart/* /auth/* /ca-files/* /home/klipper-helm/.docker/*; do
  [ ! -f "$file" ] || echo "$file: $(head -n 1 "$file")"
done
cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo
for folder in / /tmp /home/klipper-helm/.helm /home/klipper-helm/.cache /home/klipper-helm/.config; do
  (: >"$folder/try") 2>/dev/null && echo "writes $folder"
done
echo said >/dev/termination-log
`
async function klipperImage(): Promise<Buffer> {
  const links = ['sh', 'id', 'env', 'head', 'cat'].map(name => ({
    path: `bin/${name}`,
    type: 'symlink' as const,
    target: '/bin/busybox',
  }))
  const files = [
    { path: 'bin', type: 'directory' as const, mode: 0o755 },
    { path: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 },
    ...links,
    { path: 'entry', content: Buffer.from(klipperScript), mode: 0o755 },
  ]
  return ociArchive({ name: klipperName, files, entrypoint: ['/entry'], user: '1000' })
}

suite('HelmCharts', () => {
  let cluster: Cluster
  let namespaces = 0
  beforeAll(async () => {
    cluster = await startCluster()
    writeFileSync(cluster.file('agent/images/klipper.tar'), await klipperImage())
    const folder = cluster.file('server/static/charts')
    mkdirSync(folder, { recursive: true })
    for (const version of ['1.0.0', '1.1.0', '2.0.0'])
      writeFileSync(join(folder, `probe-${version}.tgz`), archiveOf(version))
    writeFileSync(join(folder, 'index.yaml'), indexOf(['1.0.0', '1.1.0', '2.0.0']))
  }, 120_000)
  afterAll(() => cluster.destroy())

  /** A namespace of the test's own. */
  async function place(): Promise<string> {
    const name = `helm-${++namespaces}`
    await cluster.kubectl(`create namespace ${name}`)
    return name
  }
  const apply = (namespace: string, spec: HelmChartSpec, kind: 'HelmChart' | 'HelmChartConfig' = 'HelmChart') =>
    cluster.apply(JSON.stringify({ apiVersion: 'helm.cattle.io/v1', kind, metadata: { name: 'web', namespace }, spec }))
  const patch = (namespace: string, spec: object) =>
    cluster.kubectl(['patch', 'hc', 'web', '-n', namespace, '--type=merge', '-p', JSON.stringify({ spec })])
  const config = async (namespace: string) => (await cluster.get<ConfigMap>(`configmap web -n ${namespace}`)).data
  /** Waits until what the release makes is this. */
  const expectConfig = (namespace: string, wanted: object) =>
    cluster.eventually(async () => expect(await config(namespace)).toMatchObject(wanted), 60)
  const helm = async (args: string) =>
    cluster.exec([helmProgram, ...args.split(' ')], { env: { KUBECONFIG: '/etc/rancher/k3s/k3s.yaml', HOME: '/tmp' } })
  const statusOf = async (namespace: string) =>
    JSON.parse(await helm(`list -a -n ${namespace} -o json`)).map((release: { revision: string; status: string }) =>
      [release.revision, release.status].join(' '),
    )
  const remove = async (namespace: string) => {
    await cluster.kubectl(`delete hc web -n ${namespace} --timeout=60s`)
    expect(await cluster.kubectl(`get jobs,secrets,serviceaccounts -n ${namespace} -o name`)).toBe(
      'serviceaccount/default\n',
    )
    expect((await cluster.tryKubectl(`get clusterrolebinding helm-${namespace}-web`)).code).not.toBe(0)
  }

  test('from inline content to gone: Job, log, status, config, helm’s own view, uninstall', async () => {
    const namespace = await place()
    await apply(namespace, { chartContent: inline, set: { who: 'you' } })
    await cluster.waitFor(`--for=condition=Complete job/helm-install-web -n ${namespace}`)
    expect(await config(namespace)).toEqual({ who: 'you', chart: '1.0.0', revision: '1' })
    const log = await cluster.kubectl(`logs job/helm-install-web -n ${namespace}`)
    expect(log).toMatch(/^NAME: web\nLAST DEPLOYED: .*\nNAMESPACE: helm-\d+\nSTATUS: deployed\nREVISION: 1\n/m)
    expect(log).toContain('NOTES:\nThank you, you.\n')
    const { items } = await cluster.get<{ items: Pod[] }>(`pods -n ${namespace}`)
    expect(items[0]?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({
      exitCode: 0,
      message: 'Installing helm chart\n',
    })
    expect(await cluster.kubectl(`get hc web -n ${namespace}`)).toMatch(/FAILED\s+web\s+False/)
    expect(await statusOf(namespace)).toEqual(['1 deployed'])
    await expect(patch(namespace, { driver: 'configmap' })).rejects.toThrow(
      'The HelmChart "web" is invalid: spec.driver: Invalid value: "configmap": driver is immutable after creation\n',
    )

    await apply(namespace, { valuesContent: 'who: them' }, 'HelmChartConfig')
    await cluster.eventually(async () => expect(await statusOf(namespace)).toEqual(['2 deployed']), 30)
    expect(await config(namespace)).toMatchObject({ who: 'you' })
    await patch(namespace, { set: null })
    await expectConfig(namespace, { who: 'them', revision: '3' })
    await cluster.kubectl(`delete hcc web -n ${namespace}`)
    await expectConfig(namespace, { who: 'nobody', revision: '4' })
    await cluster.kubectl(`delete job helm-install-web -n ${namespace}`)
    await expectConfig(namespace, { revision: '5' })
    await remove(namespace)
    expect(await statusOf(namespace)).toEqual([])
  }, 120_000)

  test('from a repository, by constraint; the next version by an edit; from the API’s own address', async () => {
    const namespace = await place()
    const repo = 'https://127.0.0.1:6443/static/charts'
    await apply(namespace, {
      repo,
      chart: 'probe',
      version: '^1',
      targetNamespace: `${namespace}-target`,
      createNamespace: true,
    })
    await expectConfig(`${namespace}-target`, { chart: '1.1.0' })
    await patch(namespace, { version: null })
    await expectConfig(`${namespace}-target`, { chart: '2.0.0', revision: '2' })
    await patch(namespace, { repo: null, chart: 'https://%{KUBERNETES_API}%/static/charts/probe-1.0.0.tgz' })
    await expectConfig(`${namespace}-target`, { chart: '1.0.0', revision: '3' })
    await remove(namespace)
    expect(await statusOf(`${namespace}-target`)).toEqual([])
  }, 120_000)

  test('from a repository with a password, which comes later than the HelmChart', async () => {
    const namespace = await place()
    const settings = join(cluster.bed.dir, 'httpd.conf')
    writeFileSync(settings, '/:me:secret\n')
    const address = '127.0.0.1:8099'
    const home = cluster.file('server/static/charts')
    const server = cluster.bed.spawn(['busybox', 'httpd', '-f', '-p', address, '-c', settings, '-h', home])
    try {
      await apply(namespace, { repo: `http://${address}`, chart: 'probe', authSecret: { name: 'login' } })
      await cluster.waitFor(`--for=create pod -l helmcharts.helm.cattle.io/chart=web -n ${namespace}`)
      const login = ['--from-literal=username=me', '--from-literal=password=secret']
      await cluster.kubectl(['create', 'secret', 'generic', 'login', '-n', namespace, ...login])
      await expectConfig(namespace, { chart: '2.0.0' })
      await cluster.kubectl(`delete hc web -n ${namespace} --timeout=60s`)
    } finally {
      server.kill()
    }
  }, 120_000)

  /** A second registry of the same charts, and what a chart needs to get in: the ConfigMap "ca", the Secret "login". */
  async function lockedRegistry(namespace: string, settings: { readonly http: object }) {
    const { dir } = cluster.bed
    const host = '127.0.0.1:5001'
    const ca = keyPair(dir, 'ca')
    const { certFile: certificate, keyFile: key } = keyPair(dir, 'registry', ca)
    writeFileSync(join(dir, 'users'), execFileSync('htpasswd', ['-Bbn', 'me', 'secret'], { stdio: 'pipe' }))
    const auth = { htpasswd: { realm: 'charts', path: join(dir, 'users') } }
    const http = { addr: host, tls: { certificate, key } }
    writeFileSync(join(dir, 'locked.json'), JSON.stringify({ ...settings, http, auth }))
    await cluster.kubectl(`create configmap ca -n ${namespace} --from-file=ca.crt=${ca.certFile}`)
    const login = `--docker-server=${host} --docker-username=me --docker-password=secret`
    await cluster.kubectl(`create secret docker-registry login -n ${namespace} ${login}`)
    return { host, process: cluster.bed.spawn([registryProgram, 'serve', join(dir, 'locked.json')]) }
  }

  const registryTest = canRunRegistry ? test : test.skip
  registryTest(
    'from an OCI registry, open, and with TLS and passwords',
    async () => {
      const namespace = await place()
      const storage = { filesystem: { rootdirectory: '/tmp/registry' } }
      const settings = { version: 0.1, log: { level: 'error' }, storage, http: { addr: '127.0.0.1:5000' } }
      writeFileSync(join(cluster.bed.dir, 'registry.json'), JSON.stringify(settings))
      const registry = cluster.bed.spawn([registryProgram, 'serve', join(cluster.bed.dir, 'registry.json')])
      try {
        for (const version of ['1.0.0', '1.1.0']) {
          const file = join(cluster.bed.dir, `probe-${version}.tgz`)
          writeFileSync(file, archiveOf(version))
          await cluster.eventually(() => helm(`push ${file} oci://127.0.0.1:5000/charts`))
        }
        await apply(namespace, { chart: 'oci://127.0.0.1:5000/charts/probe', plainHTTP: true })
        await expectConfig(namespace, { chart: '1.1.0' })
        const log = await cluster.kubectl(`logs job/helm-install-web -n ${namespace}`)
        expect(log).toMatch(/Pulled: 127.0.0.1:5000\/charts\/probe:1.1.0\nDigest: sha256:/)
        const locked = await lockedRegistry(namespace, settings)
        try {
          await patch(namespace, {
            chart: `oci://${locked.host}/charts/probe`,
            version: '1.0.0',
            plainHTTP: null,
            repoCAConfigMap: { name: 'ca' },
            dockerRegistrySecret: { name: 'login' },
          })
          await expectConfig(namespace, { chart: '1.0.0', revision: '2' })
          await cluster.kubectl(`delete hc web -n ${namespace} --timeout=60s`)
        } finally {
          locked.process.kill()
        }
      } finally {
        registry.kill()
      }
    },
    120_000,
  )

  test('bootstrap: on a node that takes nobody else, on its network', async () => {
    const namespace = await place()
    const taint = 'node-role.kubernetes.io/control-plane:NoSchedule'
    await cluster.kubectl(`taint node ${cluster.nodeName} ${taint}`)
    try {
      await apply(namespace, { chartContent: inline, bootstrap: true })
      await expectConfig(namespace, { chart: '1.0.0' })
      const { items } = await cluster.get<{ items: Pod[] }>(`pods -n ${namespace}`)
      expect(items[0]?.status).toMatchObject({ podIP: nodeAddress, hostIP: nodeAddress })
      await remove(namespace)
    } finally {
      await cluster.kubectl(`taint node ${cluster.nodeName} ${taint}-`)
    }
  }, 120_000)

  test('jobImage: a container with klipper-helm’s arguments, environment, files and user', async () => {
    const namespace = await place()
    await cluster.eventually(async () => expect(cluster.logs()).toContain(klipperName))
    await cluster.kubectl(`create configmap ca -n ${namespace} --from-literal=ca.crt=CERTIFICATE`)
    const login = ['--from-literal=username=me', '--from-literal=password=secret']
    await cluster.kubectl(['create', 'secret', 'generic', 'auth', '-n', namespace, ...login])
    const docker = '--docker-server=r --docker-username=me --docker-password=secret'
    await cluster.kubectl(`create secret docker-registry docker -n ${namespace} ${docker}`)
    await apply(namespace, {
      chartContent: inline,
      jobImage: klipperName,
      set: { who: 'a,b' },
      valuesContent: 'who: content',
      values: { who: 'values' },
      authSecret: { name: 'auth' },
      repoCAConfigMap: { name: 'ca' },
      dockerRegistrySecret: { name: 'docker' },
      timeout: '90s',
    })
    await cluster.waitFor(`--for=condition=Complete job/helm-install-web -n ${namespace}`)
    const lines = (await cluster.kubectl(`logs job/helm-install-web -n ${namespace}`)).split('\n')
    expect(lines).toEqual(
      expect.arrayContaining([
        'user 1000 does install --set-string who=a\\,b',
        'NAME=web',
        `TARGET_NAMESPACE=${namespace}`,
        'HELM_DRIVER=secret',
        'TIMEOUT=1m30s',
        'FAILURE_POLICY=reinstall',
        'KUBERNETES_SERVICE_HOST=10.43.0.1',
        '/config/values-0-000-HelmChart-ValuesContent.yaml: who: content',
        '/config/values-0-001-HelmChart-Values.yaml: who: values',
        `/chart/web.tgz.base64: ${inline}`,
        '/auth/username: me',
        '/auth/password: secret',
        '/ca-files/ca.crt: CERTIFICATE',
        expect.stringMatching(/^\/home\/klipper-helm\/\.docker\/config\.json: \{"auths":\{"r":/),
        namespace,
      ]),
    )
    expect(lines.filter(line => line.startsWith('writes '))).toEqual(
      ['/tmp', '/home/klipper-helm/.helm', '/home/klipper-helm/.cache', '/home/klipper-helm/.config'].map(
        folder => `writes ${folder}`,
      ),
    )
    const { items } = await cluster.get<{ items: Pod[] }>(`pods -n ${namespace}`)
    expect(items[0]?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ message: 'said\n' })
    await cluster.kubectl(`delete hc web -n ${namespace} --timeout=60s`)
  }, 120_000)

  describe('a chart that fails', () => {
    test.each([
      ['reinstall', '1 deployed'],
      ['retry', '3 deployed'],
    ] as const)(
      '%s',
      async (failurePolicy, wanted) => {
        const namespace = await place()
        await apply(namespace, { chartContent: inline, failurePolicy, set: { bad: 'true' } })
        await cluster.eventually(async () => expect(await statusOf(namespace)).toEqual(['1 failed']), 60)
        await cluster.eventually(async () => {
          const { items } = await cluster.get<{ items: Pod[] }>(`pods -n ${namespace}`)
          const status = items[0]?.status?.containerStatuses?.[0]
          const message = (status?.state?.terminated ?? status?.lastState?.terminated)?.message
          expect(message).toMatch(/\nError: (INSTALLATION|UPGRADE) FAILED: .*Not_A_Name/)
        }, 60)
        await patch(namespace, { set: null, values: { who: 'cured' } })
        await expectConfig(namespace, { who: 'cured' })
        await cluster.eventually(async () => {
          const [status] = await statusOf(namespace)
          expect(status).toMatch(failurePolicy === 'retry' ? /^\d+ deployed$/ : new RegExp(`^${wanted}$`))
        })
        await remove(namespace)
      },
      120_000,
    )

    test('abort: nothing is touched, the Job says why and fails', async () => {
      const namespace = await place()
      await apply(namespace, { chartContent: inline, failurePolicy: 'abort', set: { bad: 'true' }, backOffLimit: 1 })
      await cluster.waitFor(`--for=condition=Failed job/helm-install-web -n ${namespace}`)
      await cluster.waitFor(
        `--for=jsonpath={.status.conditions[?(@.type=="Failed")].status}=True hc/web -n ${namespace}`,
      )
      expect(await statusOf(namespace)).toEqual(['1 failed'])
      const chart = await cluster.get<HelmChart>(`hc web -n ${namespace}`)
      expect(chart.status?.conditions?.[1]).toMatchObject({ reason: 'Job failed' })
      await remove(namespace)
    }, 120_000)
  })

  const jobUid = async (namespace: string, action = 'install') =>
    (await cluster.get<Job>(`job helm-${action}-web -n ${namespace}`)).metadata?.uid
  const hookRuns = (namespace: string) =>
    cluster.waitFor(`--for=jsonpath={.status.active}=1 job/web-hook -n ${namespace}`)

  test('two quick changes: the last one counts', async () => {
    const namespace = await place()
    await apply(namespace, { chartContent: inline, set: { who: 'one' } })
    await patch(namespace, { set: { who: 'two' } })
    await patch(namespace, { set: { who: 'three' } })
    await expectConfig(namespace, { who: 'three' })
    await cluster.waitFor(`--for=condition=Complete job/helm-install-web -n ${namespace}`)
    const uid = await jobUid(namespace)
    await patch(namespace, { set: { who: 'three' } })
    expect(await jobUid(namespace)).toBe(uid)
    await remove(namespace)
  }, 120_000)

  test('deleted while it installs: nothing is left', async () => {
    const namespace = await place()
    await apply(namespace, { chartContent: inline, set: { slow: 5 } })
    await hookRuns(namespace)
    await remove(namespace)
    expect((await cluster.tryKubectl(`get configmap web -n ${namespace}`)).code).not.toBe(0)
    expect(await statusOf(namespace)).toEqual([])
  }, 120_000)

  test('a namespace that goes takes its HelmChart along, installed or installing', async () => {
    const [one, two] = [await place(), await place()]
    await apply(one, { chartContent: inline })
    await expectConfig(one, {})
    await apply(two, { chartContent: inline, set: { slow: 5 } })
    await hookRuns(two)
    await cluster.kubectl(`delete namespace ${one} ${two} --timeout=100s`, { timeoutMs: 110_000 })
  }, 150_000)

  describe('the server is killed', () => {
    test('while it installs', async () => {
      const namespace = await place()
      await apply(namespace, { chartContent: inline, set: { slow: 4 } })
      await hookRuns(namespace)
      await cluster.kill9()
      await cluster.restart()
      await expectConfig(namespace, { who: 'nobody' })
      await cluster.waitFor(`--for=condition=Complete job/helm-install-web -n ${namespace}`)
      expect((await statusOf(namespace))[0]).toMatch(/ deployed$/)
      await remove(namespace)
    }, 180_000)

    test('while it upgrades, and while it uninstalls', async () => {
      const namespace = await place()
      await apply(namespace, { chartContent: inline })
      await expectConfig(namespace, { revision: '1' })
      await patch(namespace, { set: { slow: 4, who: 'new' } })
      await hookRuns(namespace)
      await cluster.kill9()
      await cluster.restart()
      await expectConfig(namespace, { who: 'new' })
      await cluster.eventually(async () => expect((await statusOf(namespace))[0]).toMatch(/ deployed$/), 60)
      await cluster.kubectl(`delete hc web -n ${namespace} --wait=false`)
      await cluster.kill9()
      await cluster.restart()
      await cluster.waitFor(`--for=delete hc/web -n ${namespace}`)
      expect(await statusOf(namespace)).toEqual([])
    }, 180_000)
  })
})
