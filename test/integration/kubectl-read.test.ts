import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { outermost, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

let server: RunningServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.remove())

const settings = (name: string, team: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels: { team } },
  data: { a: '1' },
})

if (outermost.length === 0) test.skip('no kubectl on this machine', () => {})
describe.each(outermost)('kubectl $version', kubectl => {
  let user: Session
  beforeAll(async () => {
    user = await Session.open(kubectl, server.kubeconfig)
    await user.ok('create', 'namespace', user.namespace)
    await user.given([settings('one', 'red'), settings('two', 'blue'), settings('three', 'red')], 'create', '-f', '-')
  })
  afterAll(() => user.close())
  const k = (...words: string[]) => user.ok(...words)

  test('says who is who', async () => {
    expect(await k('version')).toMatch(/Server Version: .*v1\.36\.\d+\+skiff\d+/)
    expect(await k('cluster-info')).toContain(`is running at`)
    expect(await k('auth', 'can-i', '*', '*')).toBe('yes')
    if (kubectl.minor >= 28)
      expect(await k('auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}')).toBe('system:admin')
  })

  test('lists what there is', async () => {
    expect(await k('api-resources', '--api-group=apps')).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m)
    const names = (await k('api-resources', '-o', 'name', '--verbs=list,watch')).split('\n')
    expect(names).toEqual(expect.arrayContaining(['pods', 'deployments.apps', 'leases.coordination.k8s.io']))
    expect((await k('api-versions')).split('\n')).toEqual(expect.arrayContaining(['v1', 'apps/v1', 'autoscaling/v2']))
    expect(await k('get', '--raw', '/readyz')).toBe('ok')
    expect(await user.fails('get', 'nonsense')).toBe(`error: the server doesn't have a resource type "nonsense"`)
    expect(await user.fails('get', '--raw', '/nope')).toMatch(/^Error from server \(NotFound\)/)
  })

  test('explains', async () => {
    const strategy = await k('explain', 'deployment.spec.strategy')
    expect(strategy).toMatch(/KIND: +Deployment\nVERSION: +(apps\/)?v1/)
    expect(strategy).toMatch(/^ {2,3}type\t<string>/m)
    const all = await k('explain', 'pods', '--recursive')
    expect(all).toMatch(/^ +containers\t<\[\]Container>/m)
    expect(all).toMatch(/^ +containerPort\t<integer>/m)
    expect(await user.fails('explain', 'pods.nope')).toMatch(/field "nope" does not exist/)
  })

  test('prints in every form', async () => {
    expect(await k('get', 'cm', 'one')).toMatch(/^NAME +DATA +AGE\none +1 +\d+s$/)
    expect(JSON.parse(await k('get', 'cm', 'one', '-o', 'json'))).toMatchObject({ kind: 'ConfigMap', data: { a: '1' } })
    expect(await k('get', 'cm', 'one', '-o', 'yaml')).toMatch(/^apiVersion: v1\ndata:\n {2}a: "1"\nkind: ConfigMap/)
    expect(await k('get', 'cm', 'one', '-o', 'name')).toBe('configmap/one')
    expect(await k('get', 'cm', 'one', '-o', 'jsonpath={.data.a}')).toBe('1')
    expect(await k('get', 'cm', 'one', '-o', 'go-template={{.metadata.name}}')).toBe('one')
    expect(await k('get', 'cm', 'one', '--no-headers', '-o', 'custom-columns=N:.metadata.name,A:.data.a')).toMatch(
      /^one +1$/,
    )
    expect(await k('get', 'cm', 'one', '--show-labels')).toMatch(/LABELS\none .* team=red$/)
    expect(await k('get', 'cm', '-L', 'team')).toMatch(/TEAM\n(.*\n)*two .* blue$/)
    expect(await k('get', 'cm', 'one', '-o', 'wide', '--show-kind')).toMatch(/\nconfigmap\/one /)
    expect(await k('get', 'cm', 'one', '-o', 'yaml', '--show-managed-fields')).toContain('manager: kubectl-create')
  })

  test('selects, sorts and pages', async () => {
    const names = async (...words: string[]) => (await k('get', 'cm', '-o', 'name', ...words)).split('\n')
    expect(await names('-l', 'team=red')).toEqual(['configmap/one', 'configmap/three'])
    expect(await names('-l', 'team in (blue),!nope')).toEqual(['configmap/two'])
    expect(await names('--field-selector', 'metadata.name=two')).toEqual(['configmap/two'])
    expect(await names('--chunk-size=1')).toHaveLength(4)
    expect(await k('get', 'cm', '--chunk-size=1', '--no-headers')).toMatch(/^kube-root-ca.crt.*\none.*\nthree.*\ntwo/)
    expect(await k('get', 'cm', '-l', 'team', '--sort-by=.metadata.labels.team', '-o', 'name')).toMatch(
      /^configmap\/two\n/,
    )
    expect(await k('get', 'cm', '-A', '--field-selector', `metadata.namespace=${user.namespace}`)).toMatch(
      /^NAMESPACE +NAME/,
    )
    expect(await user.fails('get', 'cm', '--field-selector', 'x=y')).toMatch(
      /"x" is not a known field selector: only "metadata.name", "metadata.namespace"$/,
    )
    expect(await user.fails('get', 'pods', '--field-selector', 'x=y')).toMatch(/field label not supported: x$/)
  })

  test('says what is missing', async () => {
    expect(await user.fails('get', 'pod', 'x')).toBe('Error from server (NotFound): pods "x" not found')
    expect(await user.fails('get', 'deploy/x')).toBe('Error from server (NotFound): deployments.apps "x" not found')
    expect((await user.run(['get', 'pods'])).err).toBe(`No resources found in ${user.namespace} namespace.`)
    expect((await user.run(['get', 'pods', '-n', 'nowhere'])).err).toBe('No resources found in nowhere namespace.')
    expect(await user.fails('top', 'nodes')).toBe('error: Metrics API not available')
    expect(await user.fails('logs', 'x')).toMatch(
      /^(error: error from server|Error from server) \(NotFound\).*pods "x" not found/,
    )
  })

  test('watches', async () => {
    const waiting = user.run(['wait', '--for=delete', 'cm/one', '--timeout=20s'])
    const watch = user.follow('get', 'cm', '-w', '--output-watch-events')
    await watch.seen(/ADDED +two/)
    await k('create', 'cm', 'late')
    await k('label', 'cm', 'late', 'a=b')
    await k('delete', 'cm', 'late', 'one')
    expect((await waiting).out).toMatch(/^configmap\/one condition met/)
    await watch.seen(/DELETED +late/)
    await watch.end()
    const shown = watch.output.split('\n').map(line => line.split(/ +/).slice(0, 2).join(' '))
    expect(shown.slice(0, 2)).toEqual(['EVENT NAME', 'ADDED kube-root-ca.crt'])
    expect(shown).toContain('DELETED late')
  })
})
