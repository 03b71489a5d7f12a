import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Resource } from '../../../bootstrap/client/client.ts'
import { configMaps, services } from '../../../bootstrap/client/resources.ts'
import { chartArchive } from '../chart/testing/pack.ts'
import type { Release } from '../release/release.ts'
import { type Bed, releaseBed } from '../release/testing/bed.ts'
import { serveFiles } from '../sources/testing/file-server.ts'
import { helmModule } from './module.ts'

const archive = chartArchive('web', {
  'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n',
  'values.yaml': 'test: {}\nbad: false\n',
  'templates/service.yaml':
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  clusterIP: None\n  ports:\n  - port: {{ .Values.port | default 80 }}\n',
  'templates/bad.yaml': '{{ if .Values.bad }}apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: Not_A_Name\n{{ end }}',
})

let bed: Bed
let namespace: string
let folder: string
beforeAll(async () => {
  bed = await releaseBed()
})
afterAll(() => bed.stop())
beforeEach(async () => {
  namespace = await bed.namespace()
  folder = mkdtempSync(join(tmpdir(), 'skiff-job-'))
  put('/chart/web.tgz.base64', archive.toString('base64'))
  put('/dev/termination-log', '')
})
afterEach(() => rmSync(folder, { recursive: true }))

const mounts = new Set([
  '/chart',
  '/config',
  '/auth',
  '/ca-files',
  '/dev/termination-log',
  '/home/klipper-helm/.docker',
])
/** A file of a volume. */
function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
  /** The termination message. */
  readonly message: string
}

async function run(
  args: readonly string[] = ['install'],
  env: { readonly [name: string]: string } = {},
): Promise<Outcome> {
  let [out, err] = ['', '']
  writeFileSync(join(folder, '/dev/termination-log'), '')
  const code = await helmModule.run({
    args,
    env: { NAME: 'web', CHART_NAMESPACE: namespace, TARGET_NAMESPACE: namespace, CONFIG_HASH: 'ABC', ...env },
    pod: { name: 'p', namespace, uid: 'u', nodeName: 'n', ips: [] },
    client: bed.api,
    certificate: () => ({ cert: '', key: '' }),
    hostPath: path => ([...mounts].some(mount => path.startsWith(mount)) ? join(folder, path) : path),
    stdout: text => (out += text),
    stderr: text => (err += text),
    signal: new AbortController().signal,
  })
  return { code, out, err, message: readFileSync(join(folder, '/dev/termination-log'), 'utf8') }
}
/** Mounts every volume the pod may have. */
function mountAll(): void {
  for (const path of ['/config', '/auth', '/ca-files', '/home/klipper-helm/.docker'])
    mkdirSync(join(folder, path), { recursive: true })
}
beforeEach(mountAll)
const history = (): Promise<Release[]> => bed.engine().history('web', namespace)
const statuses = async () => (await history()).map(({ info, version }) => `${version} ${info.status}`)

test('installs, upgrades, uninstalls, and says so', async () => {
  const installed = await run()
  expect(installed).toMatchObject({ code: 0, err: '', message: 'Installing helm chart\n' })
  expect(installed.out).toMatch(
    /^NAME: web\nLAST DEPLOYED: \w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\nNAMESPACE: \S+\nSTATUS: deployed\nREVISION: 1\nDESCRIPTION: Install complete\nTEST SUITE: None\n$/,
  )
  expect((await history())[0]?.labels).toEqual({ 'helmcharts.helm.cattle.io/configHash': 'ABC' })
  const upgraded = await run(['install'], { EXPECTED_RELEASE_REVISION: '1' })
  expect(upgraded).toMatchObject({ code: 0, message: 'Upgrading helm chart\n' })
  expect(upgraded.out).toMatch(/^Upgrading web\nRelease "web" has been upgraded. Happy Helming!\nNAME: web\n/)
  const removed = await run(['delete'], { EXPECTED_RELEASE_REVISION: '2' })
  expect(removed).toMatchObject({ code: 0, out: 'release "web" uninstalled\n', message: 'Uninstalling helm chart\n' })
  expect(await history()).toEqual([])
  expect(await run(['delete'])).toMatchObject({ code: 0, message: 'No helm chart installed; nothing to delete\n' })
}, 30_000)

test('values: set over the config’s over the chart’s, Secrets over values over valuesContent', async () => {
  const numbers = (who: string, count: number) =>
    `test:\n${Array.from({ length: count }, (_, i) => `  n${i + 1}: ${who}\n`).join('')}`
  put('/config/values-0-000-HelmChart-ValuesContent.yaml', numbers('chart.content', 8))
  put('/config/values-0-001-HelmChart-Values.yaml', numbers('chart.values', 7))
  put('/config/values-0-002-HelmChart-ValuesSecret.yaml', numbers('chart.secret', 6))
  put('/config/values-1-000-HelmChartConfig-ValuesContent.yaml', numbers('config.content', 5))
  put('/config/values-1-001-HelmChartConfig-Values.yaml', numbers('config.values', 4))
  put('/config/values-1-002-HelmChartConfig-ValuesSecret.yaml', numbers('config.secret', 3))
  put('/config/ca-file.pem', 'no values')
  await run(['install', '--set', 'test.n1=1', '--set-string', 'test.n2=a\\,b'])
  expect((await history())[0]?.config).toEqual({
    test: {
      n1: 1,
      n2: 'a,b',
      n3: 'config.secret',
      n4: 'config.values',
      n5: 'config.content',
      n6: 'chart.secret',
      n7: 'chart.values',
      n8: 'chart.content',
    },
  })
  for (const file of ['values-0-000-HelmChart-ValuesContent', 'values-0-001-HelmChart-Values'])
    rmSync(join(folder, `/config/${file}.yaml`))
  rmSync(join(folder, '/config'), { recursive: true })
  mountAll()
  await run()
  expect((await history()).at(-1)?.config ?? {}).toEqual({})
}, 30_000)

describe('a release that fails', () => {
  const bad = ['install', '--set', 'bad=true']
  test('one line says why, the back-off goes on with the policy', async () => {
    const first = await run(bad, { EXPECTED_RELEASE_REVISION: '0' })
    expect(first).toMatchObject({ code: 1 })
    expect(first.err).toMatch(/^Error: INSTALLATION FAILED: .*Not_A_Name/)
    expect(first.message).toMatch(/^Installing helm chart\nError: INSTALLATION FAILED: .*\n$/)
    const again = await run(bad, { EXPECTED_RELEASE_REVISION: '0' })
    expect(again.message).toMatch(/^Uninstalling failed helm chart\nInstalling helm chart\nError: /)
    expect(await statuses()).toEqual(['1 failed'])
    const abort = await run(bad, { FAILURE_POLICY: 'abort' })
    const why = "Release status is 'failed' and failure policy is 'abort'; waiting for operator intervention\n"
    expect(abort).toMatchObject({ code: 1, out: why, message: why })
    expect(await run(['install'], { FAILURE_POLICY: 'retry' })).toMatchObject({
      code: 0,
      message: 'Upgrading web from failed state\n',
    })
    expect(await statuses()).toEqual(['1 superseded', '2 deployed'])
  }, 30_000)

  test.each([
    ['pending-install', 'Uninstalling failed helm chart\nInstalling helm chart\n', ['1 deployed']],
    ['pending-upgrade', 'Retrying upgrade of helm chart\n', ['1 superseded', '2 deployed']],
    ['uninstalling', 'Uninstalling failed helm chart\nInstalling helm chart\n', ['1 deployed']],
  ] as const)(
    '%s: an action cut short is made good',
    async (status, message, wanted) => {
      await run()
      await bed.engine().setStatus('web', namespace, status)
      const outcome = await run()
      expect(outcome.out).toContain(`Previous helm job was interrupted, updating status from ${status} to failed\n`)
      expect(outcome.message).toBe(`Resetting helm release status from '${status}' to 'failed'\n${message}`)
      expect(await statuses()).toEqual(wanted)
    },
    30_000,
  )
})

test('another revision than expected: nothing is touched', async () => {
  await run()
  const outcome = await run(['install'], { EXPECTED_RELEASE_REVISION: '3' })
  expect(outcome).toMatchObject({ code: 0, out: 'Current release revision 1 does not match expected revision 3\n' })
  expect(await statuses()).toEqual(['1 deployed'])
}, 30_000)

test('objects of others are refused, or taken over when asked', async () => {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace },
    spec: { clusterIP: 'None', ports: [{ port: 80 }] },
  }
  await bed.api.create(services, service)
  expect((await run()).message).toMatch(/Error: INSTALLATION FAILED: .*exists and cannot be imported/)
  expect(await run(['install', '--take-ownership'])).toMatchObject({ code: 0 })
  const taken = await bed.get(services as Resource, namespace, 'web')
  expect(taken?.metadata.annotations).toMatchObject({ 'meta.helm.sh/release-name': 'web' })
}, 30_000)

test('a namespace of its own, records in ConfigMaps from install to uninstall', async () => {
  const target = `${namespace}-new`
  const env = { TARGET_NAMESPACE: target, HELM_DRIVER: 'configmap' }
  expect((await run(['install', '--namespace', target, '--create-namespace'], env)).code).toBe(0)
  const records = bed.engine({ driver: 'configmap' })
  const versions = async () =>
    (await records.history('web', target)).map(({ version, info }) => `${version} ${info.status}`)
  expect(await bed.get(configMaps as Resource, target, 'sh.helm.release.v1.web.v1')).toBeDefined()
  expect(await run(['install', '--namespace', target], env)).toMatchObject({ message: 'Upgrading helm chart\n' })
  expect(await versions()).toEqual(['1 superseded', '2 deployed'])
  expect(await bed.engine().history('web', target)).toEqual([])
  expect(await run(['delete'], env)).toMatchObject({ code: 0, message: 'Uninstalling helm chart\n' })
  expect(await versions()).toEqual([])
  expect(await bed.get(services as Resource, target, 'web')).toBeUndefined()
}, 30_000)

test('forceConflicts without server-side apply is no trouble; serverSide auto keeps the method', async () => {
  expect((await run(['install'], { SERVER_SIDE: 'false', FORCE_CONFLICTS: 'true' })).code).toBe(0)
  expect((await run(['install'], { FORCE_CONFLICTS: 'true' })).code).toBe(0)
  expect((await history()).map(({ apply_method }) => apply_method)).toEqual(['csa', 'csa'])
}, 30_000)

test('a chart from a repository with a password', async () => {
  rmSync(join(folder, '/chart'), { recursive: true })
  mkdirSync(join(folder, '/chart'))
  const server = await serveFiles()
  try {
    server.password = 'me:secret'
    server.files.set('/index.yaml', 'entries:\n  web:\n  - version: 1.0.0\n    urls: [web.tgz]\n')
    server.files.set('/web.tgz', archive)
    const env = { REPO: server.url, CHART: 'web/web' }
    expect((await run(['install'], env)).message).toMatch(/Error: INSTALLATION FAILED: looks like .* 401 Unauthorized/)
    put('/auth/username', 'me')
    put('/auth/password', 'secret')
    const outcome = await run(['install'], env)
    expect(outcome).toMatchObject({ code: 0 })
    expect(outcome.out).toContain(`Pulled: ${server.url}/web.tgz\nNAME: web\n`)
  } finally {
    await server.close()
  }
}, 30_000)

test.each<[readonly string[], { readonly [name: string]: string }, number, string]>([
  [['install'], { HELM_VERSION: 'v2' }, 64, 'Helm v2 is EOL effective 2020-11-13; upgrade your chart to helm v3\n'],
  [['install', '--what'], {}, 1, 'Error: unknown argument "--what"\n'],
])('%j with %j: exit %i', async (args, env, code, message) => {
  expect(await run(args, env)).toMatchObject({ code, message })
})

test('a chart that is none', async () => {
  put('/chart/web.tgz.base64', Buffer.from('nonsense').toString('base64'))
  expect((await run()).message).toMatch(/^Installing helm chart\nError: INSTALLATION FAILED: .+\n$/)
})
