/** Everyday actions, compared with Helm 4 (helm-pair.ts). Differences we want are listed in docs/helm.md. */
import { describe, test } from '@jest/globals'
import { deployments } from '../../bootstrap/client/resources.ts'
import { chart, configMap, hook, yaml } from '../../operators/helmchart/release/testing/charts.ts'
import {
  asHelm,
  check,
  foreign,
  helm,
  here,
  install,
  job,
  meanwhile,
  onDisk,
  patchWeb,
  rollback,
  same,
  service,
  settings,
  sides,
  uninstall,
  upgrade,
  web,
} from './helm-pair.ts'

asHelm(() => {
  describe.each(sides)('server-side %s', serverSide => {
    const all = [settings({ a: '1' }), web(), service([{ port: 80 }])]

    test('install, upgrade, rollback, uninstall', () =>
      same(
        install(all, { serverSide, labels: { team: 'a', plan: 'b' } }),
        upgrade([settings({ b: '2' }), web({ replicas: 2 }, { image: 'web:2' })], { labels: { plan: 'null' } }),
        rollback(1),
        upgrade(all, { values: { color: 'red' }, description: 'By hand' }),
        upgrade(all),
        uninstall(),
      ))

    test('what others changed stays', () =>
      same(
        install([web({}, { env: [{ name: 'A', value: '1' }], args: ['a'] }), settings({ a: '1' })], { serverSide }),
        patchWeb({
          metadata: { labels: { theirs: 'yes' } },
          spec: {
            replicas: 5,
            template: {
              spec: {
                containers: [
                  { name: 'web', env: [{ name: 'B', value: '2' }] },
                  { name: 'side', image: 's' },
                ],
              },
            },
          },
        }),
        upgrade([web({}, { env: [{ name: 'C', value: '3' }] }), settings({ a: '1' })]),
        upgrade([web({}, {}), settings({ a: '2' })]),
      ))

    test('lists with keys, lists of values, and fields that exclude each other', () =>
      same(
        install(
          [
            web({
              strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2 } },
              template: {
                metadata: { labels: { app: 'web' }, finalizers: ['example.com/a', 'example.com/b'] },
                spec: {
                  volumes: [
                    { name: 'v', emptyDir: {} },
                    { name: 'w', configMap: { name: 'c' } },
                  ],
                  containers: [
                    { name: 'web', image: 'web:1', ports: [{ containerPort: 80 }, { containerPort: 81, name: 'b' }] },
                  ],
                },
              },
            }),
            service([
              { port: 53, protocol: 'UDP', name: 'u' },
              { port: 80, name: 'h' },
            ]),
          ],
          { serverSide },
        ),
        upgrade([
          web({
            strategy: { type: 'Recreate' },
            template: {
              metadata: { labels: { app: 'web' }, finalizers: ['example.com/b', 'example.com/c'] },
              spec: {
                volumes: [
                  { name: 'w', emptyDir: {} },
                  { name: 'x', configMap: { name: 'c' } },
                ],
                containers: [
                  { name: 'web', image: 'web:1', ports: [{ containerPort: 81, name: 'b' }, { containerPort: 82 }] },
                ],
              },
            },
          }),
          service([
            { port: 80, name: 'h', targetPort: 8080 },
            { port: 53, protocol: 'UDP', name: 'u' },
          ]),
        ]),
      ))

    test('an object of somebody else is not taken', () =>
      same(foreign('settings'), install([settings({ a: '1' })], { serverSide })))

    test('an object of somebody else is taken when told to', () =>
      same(
        foreign('settings'),
        install([settings({ a: '1' })], { serverSide, takeOwnership: true }),
        foreign('more'),
        upgrade([settings({ a: '1' }), configMap('more', { b: '2' })]),
        upgrade([settings({ a: '1' }), configMap('more', { b: '2' })], { takeOwnership: true }),
      ))

    test('hooks and their policies', () =>
      same(
        install(
          [
            settings({ a: '1' }),
            job('first', 'pre-install,post-upgrade', { 'helm.sh/hook-weight': '-5' }),
            job('gone', 'post-install,pre-upgrade', { 'helm.sh/hook-delete-policy': 'hook-succeeded' }),
            hook('kept', 'pre-install,pre-upgrade,pre-rollback,pre-delete'),
          ],
          { serverSide },
        ),
        upgrade([
          settings({ a: '2' }),
          hook('kept', 'pre-install,pre-upgrade,pre-rollback,pre-delete'),
          job('new', 'post-upgrade'),
        ]),
        rollback(1),
        check(),
        uninstall(),
      ))

    test('a hook that fails', () =>
      same(
        install([settings({ a: '1' }), job('bad', 'pre-install')], { serverSide }),
        uninstall(),
        install(
          [settings({ a: '1' }), job('bad-one', 'post-install', { 'helm.sh/hook-delete-policy': 'hook-failed' })],
          { serverSide },
        ),
        upgrade([settings({ a: '2' }), job('bad', 'pre-upgrade')]),
        upgrade([settings({ a: '3' }), job('bad', 'test')]),
        check(),
        uninstall(),
      ))

    test('a resource that is to be kept', () =>
      same(
        install([settings({ a: '1' }, { annotations: { 'helm.sh/resource-policy': 'keep' } }), web()], { serverSide }),
        upgrade([web()]),
        upgrade([web(), configMap('stays', {}, { annotations: { 'helm.sh/resource-policy': 'keep' } })]),
        uninstall(),
      ))

    test('an upgrade the server refuses', () =>
      same(
        install([settings({ a: '1' }), web()], { serverSide }),
        upgrade([settings({ a: '2' }), web({ selector: { matchLabels: { app: 'other' } } })]),
        upgrade([settings({ a: '3' }), web()]),
      ))

    test('waiting in vain', () =>
      same(
        install([settings({ a: '1' }), web()], { serverSide, wait: true, timeoutMs: 500 }),
        upgrade([settings({ a: '1' })]),
        upgrade([settings({ a: '2' }), web()], { wait: true, timeoutMs: 500 }),
      ))

    test('atomic actions', () =>
      same(
        install([settings({ a: '1' }), web()], { serverSide, atomic: true, timeoutMs: 500 }),
        install([settings({ a: '1' })], { serverSide, atomic: true }),
        upgrade([settings({ a: '2' }), web()], { atomic: true, timeoutMs: 500 }),
      ))

    test('history: kept short, kept after uninstalling', () =>
      same(
        install([settings({ a: '1' })], { serverSide }),
        upgrade([settings({ a: '2' })], { maxHistory: 3 }),
        upgrade([settings({ a: '3' })], { maxHistory: 3 }),
        upgrade([settings({ a: '4' })], { maxHistory: 3 }),
        uninstall({ keepHistory: true, description: 'Bye' }),
        uninstall({ keepHistory: true }),
        upgrade([settings({ a: '5' })]),
        uninstall(),
      ))
  })

  test('from client-side to server-side and back', () =>
    same(
      install([settings({ a: '1', b: '1' }), web({ replicas: 2 })], { serverSide: 'false' }),
      upgrade([settings({ a: '2' }), web()], { serverSide: 'true' }),
      upgrade([settings({ a: '3' }), web()], { serverSide: 'false' }),
      rollback(2),
    ))

  test('conflicts with what somebody else applied', () =>
    same(
      install([web({ replicas: 1 })]),
      meanwhile(namespace =>
        here.bed.api.patch(
          deployments,
          { name: 'web', namespace },
          { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 3 } },
          { type: 'apply', fieldManager: 'somebody', force: true },
        ),
      ),
      upgrade([web({ replicas: 2 })]),
      upgrade([web({ replicas: 2 })], { forceConflicts: true }),
    ))

  test('a field that does not exist', () => same(install([web({ replica: 1 })])))

  test('kinds that are not served', () =>
    same(
      install([
        yaml({ apiVersion: 'example.com/v1', kind: 'Nothing', metadata: { name: 'n' } }),
        yaml({ apiVersion: 'apps/v9', kind: 'Deployment', metadata: { name: 'm', namespace: 'elsewhere' } }),
      ]),
      install([settings({ a: '1' })]),
      upgrade([yaml({ apiVersion: 'example.com/v1', kind: 'Nothing', metadata: { name: 'n' } })]),
    ))

  test('names', () =>
    same(
      install([settings({})], { name: 'Upper' }),
      install([settings({})], { name: 'x'.repeat(54) }),
      upgrade([settings({})], { name: 'Upper' }),
      upgrade([settings({})]),
      rollback(1),
      install([settings({})]),
      install([settings({})]),
      rollback(7),
      install([settings({})], { name: 'other', labels: { owner: 'me' } }),
    ))

  test('a namespace that is not there', () =>
    same({
      helm: async namespace => helm('install', 'app', await onDisk([settings({})]), '-n', `${namespace}-no`),
      ours: (engine, namespace) =>
        engine.install({
          name: 'app',
          namespace: `${namespace}-no`,
          chart: chart('app', () => [settings({})]),
          values: {},
        }),
    }))
})
