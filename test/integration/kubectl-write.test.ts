import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { outermost, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

let server: RunningServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.remove())

const settings = (name: string, data: object, labels: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
  data,
})

const stale = 'the object has been modified; please apply your changes to the latest version and try again'

if (outermost.length === 0) test.skip('no kubectl on this machine', () => {})
describe.each(outermost)('kubectl $version', kubectl => {
  let user: Session
  beforeAll(async () => {
    user = await Session.open(kubectl, server.kubeconfig)
    await user.ok('create', 'namespace', user.namespace)
  })
  afterAll(() => user.close())
  const k = (...words: string[]) => user.ok(...words)

  test.each([
    ['serviceaccount/robot', 'serviceaccount robot'],
    ['secret/pull', 'secret docker-registry pull --docker-server=x --docker-username=u --docker-password=p'],
    ['deployment.apps/web', 'deployment web --image=nginx:1 --replicas=2 --port=80'],
    ['service/plain', 'service clusterip plain --tcp=80:8080'],
    ['service/open', 'service nodeport open --tcp=80:8080'],
    ['service/lb', 'service loadbalancer lb --tcp=80'],
    ['service/outside', 'service externalname outside --external-name=example.com'],
    ['job.batch/once', 'job once --image=busybox -- echo hi'],
    ['cronjob.batch/often', 'cronjob often --image=busybox --schedule=*/5_*_*_*_* -- date'],
    ['job.batch/now', 'job now --from=cronjob/often'],
    ['role.rbac.authorization.k8s.io/reader', 'role reader --verb=get,list --resource=pods,deployments.apps'],
    ['rolebinding.rbac.authorization.k8s.io/readers', 'rolebinding readers --role=reader --user=ann'],
    ['resourcequota/few', 'quota few --hard=count/secrets=5'],
    ['poddisruptionbudget.policy/one', 'poddisruptionbudget one --selector=app=web --min-available=1'],
    ['ingress.networking.k8s.io/front', 'ingress front --rule=example.com/*=plain:80'],
  ])('creates %s', async (name, words) => {
    const arguments_ = words.split(' ').map(word => word.replaceAll('_', ' '))
    expect(await k('create', ...arguments_)).toBe(`${name} created`)
    expect(await user.fails('create', ...arguments_)).toMatch(/already exists$/)
    expect(await k('get', name, '-o', 'name')).toBe(name)
  })

  test('refuses what is wrong, and tries without keeping', async () => {
    expect(await k('create', 'cm', 'try', '--dry-run=server')).toBe('configmap/try created (server dry run)')
    expect(await user.fails('get', 'cm', 'try')).toBe('Error from server (NotFound): configmaps "try" not found')
    expect(await user.fails('create', 'cm', 'x', '-n', 'nowhere')).toBe(
      'error: failed to create configmap: namespaces "nowhere" not found',
    )
    expect(await user.givenFails([settings('Bad_Name', {})], 'create', '-f', '-')).toMatch(
      /^The ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of/,
    )
    expect(await user.givenFails([{ apiVersion: 'v9', kind: 'Foo' }], 'create', '-f', '-')).toMatch(
      /no matches for kind "Foo" in version "v9"/,
    )
  })

  test('issues tokens that the server accepts', async () => {
    const token = await k('create', 'token', 'robot', '--duration=10m')
    const named = `--as=system:serviceaccount:${user.namespace}:robot`
    expect(token.split('.')).toHaveLength(3)
    expect(await user.fails('get', 'pods', named)).toBe(
      `Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:${user.namespace}:robot" cannot list resource "pods" in API group "" in the namespace "${user.namespace}"`,
    )
    await k('create', 'rolebinding', 'robots', '--clusterrole=view', `--serviceaccount=${user.namespace}:robot`)
    expect(await k('auth', 'can-i', 'list', 'pods', named)).toBe('yes')
    expect((await user.run(['auth', 'can-i', 'list', 'secrets', named])).out).toBe('no')
  })

  test('applies: created, unchanged, configured, pruned', async () => {
    const two = [settings('a', { x: '1' }, { set: 's' }), settings('b', { x: '1' }, { set: 's' })]
    expect(await user.given(two, 'apply', '-f', '-')).toBe('configmap/a created\nconfigmap/b created')
    expect(await user.given(two, 'apply', '-f', '-')).toBe('configmap/a unchanged\nconfigmap/b unchanged')
    const changed = await user.file('a.yaml', settings('a', { y: '2' }, { set: 's' }))
    const difference = await user.run(['diff', '-f', changed])
    expect(difference).toMatchObject({ code: 1, out: expect.stringMatching(/\n- {2}x: "1"\n\+ {2}"?y"?: "2"/) })
    expect(await k('apply', '-f', changed)).toBe('configmap/a configured')
    expect((await user.run(['diff', '-f', changed])).code).toBe(0)
    expect(await k('get', 'cm', 'a', '-o', 'jsonpath={.data}')).toBe('{"y":"2"}')
    const pruned = await k('apply', '-f', changed, '--prune', '-l', 'set=s', '--prune-allowlist=core/v1/ConfigMap')
    expect(pruned).toBe('configmap/a unchanged\nconfigmap/b pruned')
  })

  test('applies on the server, with conflicts', async () => {
    const mine = await user.file('s.yaml', settings('shared', { x: '1' }))
    const theirs = await user.file('t.yaml', settings('shared', { x: '2' }))
    expect(await k('apply', '--server-side', '-f', mine)).toBe('configmap/shared serverside-applied')
    expect(await user.fails('apply', '--server-side', '--field-manager=other', '-f', theirs)).toMatch(
      /^error: Apply failed with 1 conflict: conflict with "kubectl": \.data\.x\nPlease review the fields above/,
    )
    expect(await k('apply', '--server-side', '--field-manager=other', '--force-conflicts', '-f', theirs)).toBe(
      'configmap/shared serverside-applied',
    )
    const managers = '{range .metadata.managedFields[*]}{.manager}:{.operation} {end}'
    expect(await k('get', 'cm', 'shared', '--show-managed-fields', '-o', `jsonpath=${managers}`)).toBe('other:Apply')
  })

  test('patches in three ways', async () => {
    const patch = (...words: string[]) => k('patch', 'deployment', 'web', ...words)
    const containers = [{ name: 'nginx', image: 'nginx:2' }]
    await patch('-p', JSON.stringify({ spec: { template: { spec: { containers } } } }))
    await patch('--type=merge', '-p', '{"metadata":{"labels":{"x":"y"}}}')
    await patch('--type=json', '-p', '[{"op":"replace","path":"/spec/replicas","value":4}]')
    const shown = '{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].ports[0].containerPort}'
    expect(await k('get', 'deploy', 'web', '-o', `jsonpath=${shown} {.metadata.labels.x} {.spec.replicas}`)).toBe(
      'nginx:2 80 y 4',
    )
    expect(await patch('--type=merge', '-p', '{"metadata":{"labels":{"x":"y"}}}')).toBe(
      'deployment.apps/web patched (no change)',
    )
    await expect(patch('--type=json', '-p', '[{"op":"remove","path":"/nope"}]')).rejects.toThrow(
      'The request is invalid: the server rejected our request due to an error in our request',
    )
    await expect(patch('-p', '{"spec":{"selector":{"matchLabels":{"app":"z"}}}}')).rejects.toThrow(
      /selector.*field is immutable|`selector` does not match template `labels`/,
    )
  })

  test('labels and annotates, also pods that the scheduler has seen', async () => {
    expect(await k('label', 'cm', 'a', 'k=1')).toBe('configmap/a labeled')
    expect(await user.fails('label', 'cm', 'a', 'k=2')).toBe(
      "error: 'k' already has a value (1), and --overwrite is false",
    )
    expect(await k('label', 'cm', 'a', 'k-')).toBe('configmap/a unlabeled')
    expect(await k('annotate', 'cm', 'a', 'n=1')).toMatch(/^configmap\/a annotate/)
    await k('run', 'lone', '--image=busybox')
    await k('wait', '--for=jsonpath={.status.conditions[0].reason}=Unschedulable', 'pod/lone', '--timeout=10s')
    expect(await k('label', 'pod', 'lone', 'k=1')).toBe('pod/lone labeled')
    expect(await k('annotate', 'pods', '--all', 'n=1')).toMatch(/^pod\/lone annotate/m)
  })

  test('replaces and edits', async () => {
    await user.given([settings('e', { v: '1' })], 'create', '-f', '-')
    const old = await user.file('old.yaml', JSON.parse(await k('get', 'cm', 'e', '-o', 'json')))
    const editor = join(user.home, 'editor')
    await writeFile(editor, `#!/bin/sh\nsed -i 's/v: "1"/v: "2"/' "$1"\n`)
    await chmod(editor, 0o755)
    expect((await user.run(['edit', 'cm', 'e'], '', { EDITOR: editor })).out).toBe('configmap/e edited')
    expect(await k('get', 'cm', 'e', '-o', 'jsonpath={.data.v}')).toBe('2')
    expect((await user.run(['edit', 'cm', 'e'], '', { EDITOR: 'true' })).err).toBe('Edit cancelled, no changes made.')
    expect(await user.fails('replace', '-f', old)).toBe(
      `Error from server (Conflict): error when replacing "${old}": Operation cannot be fulfilled on configmaps "e": ${stale}`,
    )
    expect(await user.given([settings('e', { v: '3' })], 'replace', '-f', '-')).toBe('configmap/e replaced')
    expect(await k('get', 'cm', 'e', '-o', 'jsonpath={.data.v}')).toBe('3')
  })

  test('deletes: finalizers, waiting, force, by label', async () => {
    await user.given([settings('held', {}, { set: 'd' }), settings('free', {}, { set: 'd' })], 'create', '-f', '-')
    await k('patch', 'cm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":["example.com/hold"]}}')
    expect(await k('delete', 'cm', '-l', 'set=d', '--wait=false')).toMatch(
      /^configmap "free" deleted.*\nconfigmap "held" deleted/,
    )
    expect(
      await user.fails('patch', 'cm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":["a/b","c/d"]}}'),
    ).toMatch(
      /^The ConfigMap "held" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted/,
    )
    expect(await user.fails('wait', '--for=delete', 'cm/held', '--timeout=200ms')).toMatch(
      /timed out waiting for the condition/,
    )
    const gone = user.run(['wait', '--for=delete', 'cm/held', '--timeout=20s'])
    await k('patch', 'cm', 'held', '--type=json', '-p', '[{"op":"remove","path":"/metadata/finalizers"}]')
    expect((await gone).code).toBe(0)
    const forced = await user.run(['delete', 'pod', 'lone', '--grace-period=0', '--force'])
    expect(forced.out).toMatch(/^pod "lone" force deleted/)
    expect(await user.fails('delete', 'pod', 'lone')).toBe('Error from server (NotFound): pods "lone" not found')
    expect(await k('delete', 'pod', 'lone', '--ignore-not-found')).toBe('')
    expect(await user.fails('delete', 'ns', 'default')).toMatch(
      /^Error from server \(Forbidden\): namespaces "default" is forbidden: this namespace may not be deleted$/m,
    )
  })

  test('empties a namespace and removes it', async () => {
    expect(await k('delete', 'namespace', user.namespace, '--timeout=25s')).toMatch(/^namespace ".*" deleted/)
    expect((await user.run(['get', 'all'])).err).toBe(`No resources found in ${user.namespace} namespace.`)
  })
})
