import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kubectls, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

let server: RunningServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.remove())

const web = (replicas: number) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } },
  },
})

if (kubectls.length === 0) test.skip('no kubectl on this machine', () => {})

// What versions of kubectl do differently: discovery, OpenAPI, request encodings, watches.
describe.each(kubectls)('kubectl $version', kubectl => {
  let user: Session
  beforeAll(async () => {
    user = await Session.open(kubectl, server.kubeconfig)
  })
  afterAll(() => user.close())
  const k = (...words: string[]) => user.ok(...words)

  test('discovers, explains, creates', async () => {
    expect(await k('create', 'namespace', user.namespace)).toBe(`namespace/${user.namespace} created`)
    expect(await k('api-resources', '--api-group=apps')).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m)
    expect(await k('explain', 'deployment.spec.strategy')).toMatch(/type\t<string>/)
    expect(await k('create', 'configmap', 'settings', '--from-literal=a=1')).toBe('configmap/settings created')
    expect(await k('create', 'secret', 'generic', 'secret', '--from-literal=a=1')).toBe('secret/secret created')
    expect(await k('create', 'role', 'r', '--verb=get', '--resource=pods')).toBe(
      'role.rbac.authorization.k8s.io/r created',
    )
    expect(await k('create', 'job', 'j', '--image=busybox')).toBe('job.batch/j created')
    expect(await k('auth', 'can-i', 'create', 'pods')).toBe('yes')
    expect(await k('get', 'cm,secret', '-o', 'name')).toBe(
      'configmap/kube-root-ca.crt\nconfigmap/settings\nsecret/secret',
    )
  })

  test('applies, changes, deletes', async () => {
    expect(await user.given([web(2)], 'apply', '-f', '-')).toBe('deployment.apps/web created')
    expect(await user.given([web(2)], 'apply', '-f', '-')).toBe('deployment.apps/web unchanged')
    expect((await user.run(['diff', '-f', await user.file('web.yaml', web(3))])).out).toMatch(
      /- {2}replicas: 2\n\+ {2}replicas: 3/,
    )
    expect(await user.given([web(3)], 'apply', '-f', '-')).toBe('deployment.apps/web configured')
    expect(await user.given([web(3)], 'apply', '--server-side', '-f', '-')).toBe(
      'deployment.apps/web serverside-applied',
    )
    expect(await k('scale', 'deployment/web', '--replicas=1')).toBe('deployment.apps/web scaled')
    expect(await k('label', 'deployment/web', 'a=b')).toBe('deployment.apps/web labeled')
    expect(await k('get', 'deployment/web')).toMatch(/^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/1 +/)
    const misspelt = { ...web(1), spec: { ...web(1).spec, replica: 1 } }
    expect(await user.givenFails([misspelt], 'create', '-f', '-')).toMatch(
      /Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replica"$/,
    )
    expect(await k('wait', '--for=jsonpath={.spec.replicas}=1', 'deployment/web', '--timeout=5s')).toMatch(
      /condition met$/,
    )
    expect(await k('delete', 'deployment', 'web', '--timeout=20s')).toMatch(/^deployment.apps "web" deleted/)
    expect(await user.fails('get', 'deployment', 'web')).toBe(
      'Error from server (NotFound): deployments.apps "web" not found',
    )
  })
})
