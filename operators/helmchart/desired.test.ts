import { describe, expect, test } from '@jest/globals'
import type { Secret } from '../../bootstrap/client/resources.ts'
import { desiredFor, expecting, hashOfJob } from './desired.ts'
import type { HelmChart, HelmChartConfig, HelmChartSpec } from './helm-chart.ts'
import type { JobSettings } from './job-template.ts'

const settings: JobSettings = { image: undefined, apiServerPort: 6444, proxies: {} }
const metadata = { name: 'web', namespace: 'apps', uid: 'u' }
const chartOf = (spec: HelmChartSpec, extra = {}): HelmChart => ({
  apiVersion: 'helm.cattle.io/v1',
  kind: 'HelmChart',
  metadata: { ...metadata, ...extra },
  spec,
})
const configOf = (spec: HelmChartConfig['spec']): HelmChartConfig => ({
  apiVersion: 'helm.cattle.io/v1',
  kind: 'HelmChartConfig',
  metadata,
  ...(spec ? { spec } : {}),
})
const terminating = { deletionTimestamp: '2026-01-01T00:00:00Z' }

function podOf(spec: HelmChartSpec, config?: HelmChartConfig, using = settings, extra = {}) {
  return desiredFor(chartOf(spec, extra), config, [], using).job.spec.template.spec!
}
const containerOf = (spec: HelmChartSpec, extra = {}) => podOf(spec, undefined, settings, extra).containers[0]!
const envOf = (spec: HelmChartSpec, config?: HelmChartConfig, using = settings) =>
  Object.fromEntries(podOf(spec, config, using).containers[0]!.env!.map(({ name, value }) => [name, value]))
const filesOf = (spec: HelmChartSpec, config?: HelmChartConfig) =>
  podOf(spec, config)
    .volumes!.find(({ name }) => name === 'values')!
    .projected!.sources!.flatMap(({ secret }) =>
      secret!.items!.map(({ key, path }) => `${path} = ${secret!.name}/${key}${secret!.optional ? ' (optional)' : ''}`),
    )

describe('arguments', () => {
  test.each<[HelmChartSpec, string[]]>([
    [{ chart: 'web' }, ['install']],
    [
      { targetNamespace: 'there', createNamespace: true, takeOwnership: true, version: '^1' },
      ['install', '--namespace', 'there', '--create-namespace', '--take-ownership', '--version', '^1'],
    ],
    [
      { set: { b: 1, a: 'true', c: 'null', d: 'False', e: '1', f: 'x,y', g: 'x\\,y', h: 'x\\\\,y' } },
      [
        ['install', '--set', 'a=true', '--set', 'b=1', '--set', 'c=null', '--set', 'd=False'],
        ['--set-string', 'e=1', '--set-string', 'f=x\\,y', '--set-string', 'g=x\\,y', '--set-string', 'h=x\\\\\\,y'],
      ].flat(),
    ],
  ])('%j', (spec, args) => expect(containerOf(spec).args).toEqual(args))

  test('of an uninstall', () => {
    const { args, volumeMounts } = containerOf({ version: '1', set: { a: 1 }, timeout: 'nonsense' }, terminating)
    expect(args).toEqual(['delete'])
    expect(volumeMounts?.map(({ name }) => name)).toEqual(['klipper-helm', 'klipper-cache', 'klipper-config', 'tmp'])
  })
})

describe('environment', () => {
  test('of a chart that says nothing', () => {
    expect(envOf({ chart: 'web' })).toEqual({
      NAME: 'web',
      VERSION: '',
      REPO: '',
      HELM_DRIVER: 'secret',
      CHART_NAMESPACE: 'apps',
      CHART: 'web',
      HELM_VERSION: '',
      TARGET_NAMESPACE: 'apps',
      AUTH_PASS_CREDENTIALS: 'false',
      INSECURE_SKIP_TLS_VERIFY: 'false',
      PLAIN_HTTP: 'false',
      FAILURE_POLICY: 'reinstall',
      SERVER_SIDE: 'auto',
      FORCE_CONFLICTS: 'false',
    })
  })

  test.each<[string, HelmChartSpec, object]>([
    ['repo', { chart: 'web', repo: 'https://r' }, { CHART: 'web/web', REPO: 'https://r' }],
    ['timeout', { timeout: '15m' }, { TIMEOUT: '15m0s' }],
    ['target', { targetNamespace: 'there' }, { TARGET_NAMESPACE: 'there', CHART_NAMESPACE: 'apps' }],
    ['driver', { driver: 'configmap' }, { HELM_DRIVER: 'configmap' }],
    [
      'bootstrap',
      { bootstrap: true },
      { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '6444', BOOTSTRAP: 'true' },
    ],
    [
      'switches',
      { authPassCredentials: true, insecureSkipTLSVerify: true, plainHTTP: true },
      { AUTH_PASS_CREDENTIALS: 'true', INSECURE_SKIP_TLS_VERIFY: 'true', PLAIN_HTTP: 'true' },
    ],
    [
      'policies',
      { failurePolicy: 'retry', serverSide: 'false', forceConflicts: true },
      { FAILURE_POLICY: 'retry', SERVER_SIDE: 'false', FORCE_CONFLICTS: 'true' },
    ],
  ])('%s', (_, spec, wanted) => expect(envOf(spec)).toMatchObject(wanted))

  test('the config wins, also by its default failure policy, but not with what it leaves out', () => {
    const spec: HelmChartSpec = { failurePolicy: 'retry', serverSide: 'false', forceConflicts: true }
    expect(envOf(spec, configOf({ failurePolicy: 'reinstall' }))).toMatchObject({
      FAILURE_POLICY: 'reinstall',
      SERVER_SIDE: 'false',
      FORCE_CONFLICTS: 'true',
    })
    expect(envOf(spec, configOf({ serverSide: 'true', forceConflicts: false }))).toMatchObject({
      SERVER_SIDE: 'true',
      FORCE_CONFLICTS: 'false',
    })
  })

  test('the proxies of the server', () => {
    const proxies = { HTTPS_PROXY: 'http://proxy', NO_PROXY: '.svc' }
    expect(envOf({}, undefined, { ...settings, proxies })).toMatchObject(proxies)
  })
})

describe('values', () => {
  test('files in the order of precedence', () => {
    const spec: HelmChartSpec = {
      values: { b: 1, a: { d: null, c: true } },
      valuesContent: 'text',
      repoCA: 'PEM',
      valuesSecrets: [
        { name: 's1', keys: ['x', 'y'] },
        { name: 'none', keys: [] },
        { name: 'chart-values-web', keys: ['stolen'] },
        { name: 's2', keys: ['z'], ignoreUpdates: true },
      ],
    }
    const config = configOf({ values: {}, valuesContent: 'more', valuesSecrets: [{ name: 's3', keys: ['k'] }] })
    expect(filesOf(spec, config)).toEqual([
      'values-0-000-HelmChart-ValuesContent.yaml = chart-values-web/HelmChartValuesContent',
      'values-0-001-HelmChart-Values.yaml = chart-values-web/HelmChartValues',
      'ca-file.pem = chart-values-web/RepoCA',
      'values-1-000-HelmChartConfig-ValuesContent.yaml = chart-values-web/HelmChartConfigValuesContent',
      'values-1-001-HelmChartConfig-Values.yaml = chart-values-web/HelmChartConfigValues',
      'values-0-002-HelmChart-ValuesSecret.yaml = s1/x',
      'values-0-003-HelmChart-ValuesSecret.yaml = s1/y',
      'values-0-004-HelmChart-ValuesSecret.yaml = s2/z (optional)',
      'values-1-002-HelmChartConfig-ValuesSecret.yaml = s3/k',
    ])
    const { data = {} } = desiredFor(chartOf(spec), config, [], settings).values!
    const texts = Object.fromEntries(Object.entries(data).map(([key, text]) => [key, atob(text)]))
    expect(texts).toEqual({
      HelmChartValuesContent: 'text',
      HelmChartValues: 'a:\n  c: true\n  d: null\nb: 1\n',
      RepoCA: 'PEM',
      HelmChartConfigValuesContent: 'more',
      HelmChartConfigValues: '{}\n',
    })
  })

  test('chartContent travels in a ConfigMap', () => {
    const { content } = desiredFor(chartOf({ chartContent: 'H4sI' }), undefined, [], settings)
    expect(content?.data).toEqual({ 'web.tgz.base64': 'H4sI' })
  })
})

describe('the pod', () => {
  test('is the one K3s makes, with the module in place of the image', () => {
    const pod = podOf({})
    expect(pod).toMatchObject({
      runtimeClassName: 'embedded',
      restartPolicy: 'OnFailure',
      priorityClassName: 'system-cluster-critical',
      serviceAccountName: 'helm-web',
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'helm',
          image: 'embedded/helm',
          imagePullPolicy: 'IfNotPresent',
          resources: { requests: { cpu: '100m', memory: '10M' } },
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            readOnlyRootFilesystem: true,
          },
        },
      ],
    })
    expect(pod.containers[0]?.volumeMounts).toEqual([
      { name: 'klipper-helm', mountPath: '/home/klipper-helm/.helm' },
      { name: 'klipper-cache', mountPath: '/home/klipper-helm/.cache' },
      { name: 'klipper-config', mountPath: '/home/klipper-helm/.config' },
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'values', mountPath: '/config' },
      { name: 'content', mountPath: '/chart' },
    ])
    expect(pod.volumes?.[0]).toEqual({ name: 'klipper-helm', emptyDir: { medium: 'Memory' } })
  })

  test.each<[string, HelmChartSpec, JobSettings, string]>([
    ['the chart', { jobImage: ' mine:1 ' }, settings, 'mine:1'],
    ['the server', {}, { ...settings, image: 'ours:1' }, 'ours:1'],
    ['the chart before the server', { jobImage: 'mine:1' }, { ...settings, image: 'ours:1' }, 'mine:1'],
  ])('runs a real image when %s names one', (_, spec, using, image) => {
    const pod = podOf(spec, undefined, using)
    expect(pod.runtimeClassName).toBeUndefined()
    expect(pod.containers[0]?.image).toBe(image)
  })

  test('of a bootstrap chart needs no ready node and no network', () => {
    expect(podOf({ bootstrap: true })).toMatchObject({
      hostNetwork: true,
      nodeSelector: { 'node-role.kubernetes.io/control-plane': 'true' },
      tolerations: [
        { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
        { key: 'node.kubernetes.io/network-unavailable', effect: 'NoSchedule' },
        { key: 'node.cloudprovider.kubernetes.io/uninitialized', operator: 'Equal', value: 'true' },
        { key: 'CriticalAddonsOnly', operator: 'Exists' },
        { key: 'node-role.kubernetes.io/etcd', operator: 'Exists', effect: 'NoExecute' },
        { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
      ],
    })
  })

  test('sees the Secrets and certificates the chart names; its security contexts replace ours as a whole', () => {
    const pod = podOf({
      authSecret: { name: 'a' },
      dockerRegistrySecret: { name: 'd' },
      repoCAConfigMap: { name: 'c' },
      podSecurityContext: { runAsUser: 7 },
      securityContext: { privileged: true },
    })
    const volume = (name: string) => pod.volumes?.find(one => one.name === name)
    const path = (name: string) => pod.containers[0]?.volumeMounts?.find(one => one.name === name)?.mountPath
    expect(volume('auth')?.secret?.secretName).toBe('a')
    expect(volume('dockerconfig')?.secret?.items).toEqual([{ key: '.dockerconfigjson', path: 'config.json' }])
    expect(volume('ca-files')?.configMap?.name).toBe('c')
    expect(['auth', 'dockerconfig', 'ca-files'].map(path)).toEqual(['/auth', '/home/klipper-helm/.docker', '/ca-files'])
    expect(pod.securityContext).toEqual({ runAsUser: 7 })
    expect(pod.containers[0]?.securityContext).toEqual({ privileged: true })
  })

  test('backOffLimit', () => {
    const limit = (spec: HelmChartSpec) => desiredFor(chartOf(spec), undefined, [], settings).job.spec.backoffLimit
    expect([limit({}), limit({ backOffLimit: 10 })]).toEqual([1000, 10])
  })
})

describe('the hash', () => {
  const hash = (spec: HelmChartSpec, config?: HelmChartConfig, secrets: readonly Secret[] = []) =>
    hashOfJob(desiredFor(chartOf(spec), config, secrets, settings).job)
  const secret = (text: string): Secret => ({ apiVersion: 'v1', kind: 'Secret', metadata: {}, data: { v: text } })
  const base: HelmChartSpec = { chart: 'web', values: { a: 1, b: 2 } }

  test('differs with everything that counts, and with nothing else', () => {
    const all = [
      hash(base),
      hash({ ...base, version: '2' }),
      hash({ ...base, valuesContent: 'x' }),
      hash({ ...base, backOffLimit: 3 }),
      hash({ ...base, chartContent: 'x' }),
      hash(base, configOf({ valuesContent: 'x' })),
      hash(base, undefined, [secret('YQ==')]),
      hash(base, undefined, [secret('Yg==')]),
    ]
    expect(new Set(all).size).toBe(all.length)
    expect(hash({ values: { b: 2, a: 1 }, chart: 'web' })).toBe(all[0])
    expect(all[0]).toMatch(/^SHA256=[0-9A-F]{64}$/)
  })

  test('does not know the revision; what a label can hold of it is handed to the pod', () => {
    const desired = desiredFor(chartOf(base), undefined, [], settings)
    const job = expecting(desired, 7)
    expect(hashOfJob(job)).toBe(hashOfJob(desired.job))
    expect(job.spec.template.spec?.containers[0]?.env?.slice(-2)).toEqual([
      { name: 'EXPECTED_RELEASE_REVISION', value: '7' },
      { name: 'CONFIG_HASH', value: hashOfJob(job)?.slice('SHA256='.length).slice(0, 63) },
    ])
  })
})
