/** Releases shared with the real Helm: what our engine installs it manages, and the reverse. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { deployments } from '../../bootstrap/client/resources.ts'
import type { ReleaseActions } from '../../operators/helmchart/release/release.ts'
import { type Bed, releaseBed } from '../../operators/helmchart/release/testing/bed.ts'
import { chart, configMap, hook } from '../../operators/helmchart/release/testing/charts.ts'

jest.setTimeout(60_000)

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const helms = [
  { name: 'Helm 3.10', path: 'node_modules/.bin/helm', serverSide: false },
  { name: 'Helm 3', path: '.tools/test/helm3/helm', serverSide: false },
  { name: 'Helm 4', path: '.tools/test/helm4/helm', serverSide: true },
].filter(({ path }) => existsSync(join(root, path)))

const deployment = (image: string, extra: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'web', image, ...extra }] },
    },
  },
})

/** The same chart twice: in files for the real Helm, as a function for ours. */
const shop = chart('shop', ({ values: { image = '', setting = '' } }) => [
  configMap('settings', { setting }),
  JSON.stringify(deployment(String(image), setting === 'none' ? {} : { env: [{ name: 'SETTING', value: setting }] })),
  hook('before', 'pre-upgrade,pre-install'),
])
const files: { readonly [path: string]: string } = {
  'Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 0.1.0\nappVersion: "1.0"\n',
  'values.yaml': 'color: blue\n',
  'templates/settings.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {setting: {{ .Values.setting | quote }}}\n',
  'templates/web.yaml': `${JSON.stringify(deployment('IMAGE', { env: 'ENV' }))
    .replace('"IMAGE"', '{{ .Values.image | quote }}')
    .replace(
      ',"env":"ENV"',
      '{{ if ne .Values.setting "none" }},"env":[{"name":"SETTING","value":{{ .Values.setting | quote }}}]{{ end }}',
    )}\n`,
  'templates/hook.yaml': `${hook('before', 'pre-upgrade,pre-install')}\n`,
  'templates/NOTES.txt': 'Thank you for shop.\n',
}

let bed: Bed
let directory: string
beforeAll(async () => {
  bed = await releaseBed()
  directory = await mkdtemp(join(tmpdir(), 'skiff-helm-'))
  await writeFile(join(directory, 'kubeconfig'), JSON.stringify(bed.kubeconfig))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory, 'shop', name, '..'), { recursive: true })
    await writeFile(join(directory, 'shop', name), text)
  }
})
afterAll(async () => {
  await bed.stop()
  await rm(directory, { recursive: true, force: true })
})

if (helms.length === 0) test('needs helm', () => console.info('skipped: no helm on this machine'))

describe.each(helms)('$name', ({ name, path, serverSide }) => {
  let program: string
  beforeAll(async () => {
    // Helm calls its field manager after itself.
    program = join(directory, name.replace(' ', '-'), 'helm')
    await mkdir(join(program, '..'))
    await symlink(join(root, path), program)
  })

  async function helm(...args: readonly string[]): Promise<string> {
    const env = { PATH: '/usr/bin:/bin', HOME: directory, KUBECONFIG: join(directory, 'kubeconfig') }
    return (await run(program, args, { env })).stdout
  }
  const json = async (...args: readonly string[]) => JSON.parse(await helm(...args, '-o', 'json')) as unknown
  const set = (image: string, setting: string) => ['--set', `image=${image},setting=${setting}`]
  const web = async (namespace: string) => {
    const found = (await bed.get(deployments as never, namespace, 'web')) as unknown as {
      spec: { replicas: number; template: { spec: { containers: { image: string; env?: object[] }[] } } }
    }
    const [{ image, env }] = found.spec.template.spec.containers as [{ image: string; env?: object[] }]
    return { image, env, replicas: found.spec.replicas }
  }
  const statuses = async (engine: ReleaseActions, namespace: string) =>
    (await engine.history('shop', namespace)).map(({ version, info }) => `${version} ${info.status}`)

  test.each(['true', 'false'] as const)('manages what ours installed (server-side: %s)', async side => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const values = { image: 'a:1', setting: 'one' }
    await engine.install({ name: 'shop', namespace, chart: shop, values, serverSide: side, labels: { team: 'red' } })
    expect(await json('ls', '-A', '--filter', '^shop$', '-l', 'team=red')).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({
          name: 'shop',
          namespace,
          revision: '1',
          status: 'deployed',
          chart: 'shop-0.1.0',
          app_version: '1.0',
        }),
      ]) as object,
    )
    expect(await json('get', 'values', 'shop', '-n', namespace)).toEqual(values)
    expect(await json('get', 'values', 'shop', '-n', namespace, '-a')).toEqual({ ...values, color: 'blue' })
    expect(await helm('get', 'manifest', 'shop', '-n', namespace)).toContain('# Source: shop/templates/0.yaml')
    expect(await helm('get', 'hooks', 'shop', '-n', namespace)).toContain('"is":"a hook"')
    expect(await helm('get', 'notes', 'shop', '-n', namespace)).toContain('Thank you for shop.')
    expect(await helm('get', 'all', 'shop', '-n', namespace)).toContain('LAST DEPLOYED: ')
    expect(await helm('status', 'shop', '-n', namespace)).toMatch(/STATUS: deployed\nREVISION: 1/)
    expect(await json('history', 'shop', '-n', namespace)).toMatchObject([
      { revision: 1, status: 'deployed', description: 'Install complete' },
    ])

    await helm('upgrade', 'shop', join(directory, 'shop'), '-n', namespace, ...set('a:2', 'none'))
    expect(await web(namespace)).toEqual({ image: 'a:2', replicas: 1 })
    expect(await statuses(engine, namespace)).toEqual(['1 superseded', '2 deployed'])
    await helm('rollback', 'shop', '1', '-n', namespace)
    expect(await web(namespace)).toEqual({ image: 'a:1', env: [{ name: 'SETTING', value: 'one' }], replicas: 1 })
    await engine.upgrade({ name: 'shop', namespace, chart: shop, values: { image: 'a:3', setting: 'two' } })
    expect(await web(namespace)).toEqual({ image: 'a:3', env: [{ name: 'SETTING', value: 'two' }], replicas: 1 })
    expect(await statuses(engine, namespace)).toEqual(['1 superseded', '2 superseded', '3 superseded', '4 deployed'])
    await helm('uninstall', 'shop', '-n', namespace)
    expect(await bed.configMaps(namespace)).not.toHaveProperty('settings')
    expect(await engine.history('shop', namespace)).toEqual([])
  })

  test.each(serverSide ? ['true', 'false'] : [undefined])(
    'installs what ours manages (server-side: %s)',
    async side => {
      const namespace = await bed.namespace()
      const engine = bed.engine()
      const how = side === undefined ? [] : [`--server-side=${side}`]
      await helm('install', 'shop', join(directory, 'shop'), '-n', namespace, ...set('b:1', 'one'), ...how)
      const [first] = await engine.history('shop', namespace)
      expect(first).toMatchObject({
        version: 1,
        info: { status: 'deployed' },
        config: { image: 'b:1', setting: 'one' },
      })
      await engine.upgrade({ name: 'shop', namespace, chart: shop, values: { image: 'b:2', setting: 'none' } })
      expect(await web(namespace)).toEqual({ image: 'b:2', replicas: 1 })
      await engine.rollback({ name: 'shop', namespace })
      expect(await web(namespace)).toEqual({ image: 'b:1', env: [{ name: 'SETTING', value: 'one' }], replicas: 1 })
      expect(await json('history', 'shop', '-n', namespace)).toMatchObject([
        { revision: 1, status: 'superseded', description: 'Install complete' },
        { revision: 2, status: 'superseded', description: 'Upgrade complete' },
        { revision: 3, status: 'deployed', description: 'Rollback to 1' },
      ])
      expect(await json('get', 'values', 'shop', '-n', namespace)).toEqual({ image: 'b:1', setting: 'one' })
      await engine.uninstall({ name: 'shop', namespace })
      expect(await json('ls', '-n', namespace)).toEqual([])
      expect(await bed.get(deployments as never, namespace, 'web')).toBeUndefined()
    },
  )
})
