import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { outermost, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

let server: RunningServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.remove())

const ready = [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: '2050-01-01T00:00:00Z' }]
const taints = [{ key: 'example.com/quiet', effect: 'NoSchedule' }]
const capacity = { cpu: '4', memory: '4Gi', pods: '110' }

if (outermost.length === 0) test.skip('no kubectl on this machine', () => {})
describe.each(outermost)('kubectl $version', kubectl => {
  let user: Session
  beforeAll(async () => {
    user = await Session.open(kubectl, server.kubeconfig)
    await user.ok('create', 'namespace', user.namespace)
    await user.ok('create', 'deployment', 'web', '--image=nginx:1', '--replicas=2', '--port=80')
  })
  afterAll(() => user.close())
  const k = (...words: string[]) => user.ok(...words)

  test('rolls out, back and on', async () => {
    expect(await user.fails('rollout', 'status', 'deployment/web', '--timeout=300ms')).toMatch(
      /timed out waiting for the condition/,
    )
    expect(await k('set', 'image', 'deployment/web', 'nginx=nginx:2')).toBe('deployment.apps/web image updated')
    expect(await k('set', 'env', 'deployment/web', 'A=b')).toBe('deployment.apps/web env updated')
    await k(
      'wait',
      '--for=jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}=3',
      'deploy/web',
      '--timeout=20s',
    )
    expect(await k('rollout', 'history', 'deployment/web')).toMatch(
      /REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n3 +<none>/,
    )
    expect(await k('rollout', 'history', 'deployment/web', '--revision=2')).toMatch(/Image:\tnginx:2/)
    expect(await k('rollout', 'undo', 'deployment/web', '--to-revision=1')).toBe('deployment.apps/web rolled back')
    expect(await k('get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).toBe('nginx:1')
    expect(await user.fails('rollout', 'undo', 'deployment/web', '--to-revision=99')).toBe(
      'error: unable to find specified revision 99 in history',
    )
    expect(await k('rollout', 'restart', 'deployment/web')).toBe('deployment.apps/web restarted')
    expect(await k('rollout', 'pause', 'deployment/web')).toBe('deployment.apps/web paused')
    expect(await user.fails('rollout', 'pause', 'deployment/web')).toBe(
      'error: deployments.apps "web" is already paused',
    )
    expect(await k('rollout', 'resume', 'deployment/web')).toBe('deployment.apps/web resumed')
  })

  test('scales and exposes', async () => {
    expect(await k('scale', 'deployment/web', '--replicas=3')).toBe('deployment.apps/web scaled')
    expect(await user.fails('scale', 'deployment/web', '--replicas=4', '--current-replicas=1')).toMatch(
      /[Ee]xpected replicas to be 1,? (was|but was) 3/,
    )
    expect(await k('autoscale', 'deployment', 'web', '--min=1', '--max=5')).toBe(
      'horizontalpodautoscaler.autoscaling/web autoscaled',
    )
    expect(await k('expose', 'deployment', 'web', '--port=80')).toBe('service/web exposed')
    expect(await k('get', 'service', 'web')).toMatch(/\nweb +ClusterIP +10\.43\.\d+\.\d+ +<none> +80\/TCP +\d+s$/)
    expect(await user.fails('expose', 'deployment', 'web', '--port=80')).toBe(
      'Error from server (AlreadyExists): services "web" already exists',
    )
    expect(await k('delete', 'deployment', 'web', '--cascade=orphan')).toMatch(/^deployment.apps "web" deleted/)
    const left = (await k('get', 'rs', '-l', 'app=web', '-o', 'name')).split('\n')
    expect(left.length).toBeGreaterThan(1)
    await k('delete', 'rs', '-l', 'app=web', '--cascade=foreground', '--timeout=25s')
    expect((await user.run(['get', 'pods', '-l', 'app=web'])).err).toMatch(/^No resources found/)
  })

  test('looks after nodes', async () => {
    const name = `node-${kubectl.minor}`
    await user.given([{ apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { taints } }], 'create', '-f', '-')
    const status = JSON.stringify({ status: { capacity, allocatable: capacity, conditions: ready } })
    await k('patch', 'node', name, '--subresource=status', '--type=merge', '-p', status)
    expect(await k('get', 'node', name)).toMatch(/^NAME +STATUS +ROLES +AGE +VERSION\nnode-\d+ +Ready +<none>/)
    expect(await k('taint', 'node', name, 'a=b:NoSchedule')).toBe(`node/${name} tainted`)
    expect(await k('taint', 'node', name, 'a-')).toBe(`node/${name} untainted`)
    expect(await k('cordon', name)).toBe(`node/${name} cordoned`)
    expect(await k('get', 'node', name)).toMatch(/Ready,SchedulingDisabled/)
    expect(await k('uncordon', name)).toBe(`node/${name} uncordoned`)
    const container = { name: 'c', image: 'i' }
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'bare' },
      spec: { nodeName: name, containers: [container], terminationGracePeriodSeconds: 0 },
    }
    await user.given([pod], 'create', '-f', '-')
    expect(await user.fails('drain', name, '--timeout=5s')).toMatch(
      /cannot delete .*Pods .*declare no controller.*: v1-\d+\/bare/,
    )
    expect(await k('drain', name, '--force', '--timeout=20s')).toContain(`node/${name} drained`)
    expect(await k('describe', 'node', name)).toMatch(/Unschedulable: +true/)
    await k('delete', 'node', name)
  })

  test('describes what there is', async () => {
    await k('create', 'cm', 'cm', '--from-literal=a=1')
    await k('create', 'secret', 'generic', 'secret', '--from-literal=a=1')
    await k('create', 'job', 'job', '--image=busybox')
    await k('create', 'cronjob', 'cron', '--image=busybox', '--schedule=0 0 1 1 *')
    await k('create', 'ingress', 'ing', '--rule=example.com/*=web:80')
    await k('create', 'quota', 'quota', '--hard=pods=10')
    await k('create', 'role', 'role', '--verb=get', '--resource=pods')
    await k('create', 'rolebinding', 'binding', '--role=role', '--user=ann')
    await k('create', 'deployment', 'again', '--image=nginx')
    await k('run', 'pod', '--image=nginx')
    const text = async (words: string) => await k('describe', ...words.split(' '))
    expect(await text('pod pod')).toMatch(/Name: +pod\n[\s\S]*Service Account: +default\n[\s\S]*Type: +Projected/)
    expect(await text('deployment again')).toMatch(/Replicas: +1 desired[\s\S]*StrategyType: +RollingUpdate/)
    expect(await text('rs -l app=again')).toMatch(/Controlled By: +Deployment\/again/)
    expect(await text('service web')).toMatch(/Type: +ClusterIP[\s\S]*TargetPort: +80\/TCP/)
    expect(await text('job job')).toMatch(/Completion Mode: +NonIndexed/)
    expect(await text('cronjob cron')).toMatch(/Concurrency Policy: +Allow/)
    expect(await text('ingress ing')).toMatch(/example.com +\n +\/ +web:80/)
    expect(await text('cm cm')).toMatch(/Data\n====\na:\n----\n1/)
    expect(await text('secret secret')).toMatch(/a: +1 bytes/)
    expect(await text('sa default')).toMatch(/Name: +default/)
    expect(await text('quota quota')).toMatch(/Resource +Used +Hard\n-+ +-+ +-+/)
    expect(await text('role role')).toMatch(/pods +\[\] +\[\] +\[get\]/)
    expect(await text('rolebinding binding')).toMatch(/User +ann/)
    expect(await text(`ns ${user.namespace}`)).toMatch(/Status: +Active\n\nResource Quotas/)
    expect(await text('hpa web')).toMatch(/Reference: +Deployment\/web/)
    expect(await text('endpointslices -l kubernetes.io/service-name=web')).toMatch(/AddressType: +IPv4/)
    expect(await text('clusterrole view')).toMatch(/PolicyRule:/)
  })

  test('approves certificates', async () => {
    const name = `csr-${kubectl.minor}`
    const key = join(user.home, 'key.pem')
    const subject = [
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-subj',
      '/CN=ann/O=dev',
    ]
    const request = execFileSync('openssl', subject, { stdio: ['ignore', 'pipe', 'ignore'] }).toString('base64')
    const spec = {
      request,
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
      expirationSeconds: 3600,
    }
    await user.given(
      [{ apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec }],
      'create',
      '-f',
      '-',
    )
    expect(await k('get', 'csr', name)).toMatch(/kubernetes.io\/kube-apiserver-client +system:admin +60m +Pending$/)
    expect(await k('certificate', 'approve', name)).toBe(
      `certificatesigningrequest.certificates.k8s.io/${name} approved`,
    )
    expect(await k('get', 'csr', name)).toMatch(/ Approved(,Issued)?$/)
    expect(await user.fails('certificate', 'deny', name)).toMatch(/is already Approved/)
    expect(await k('describe', 'csr', name)).toMatch(/Common Name: +ann/)
  })

  test('reconciles roles and proxies', async () => {
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'rr', namespace: user.namespace },
      rules,
    }
    expect(await user.given([role], 'auth', 'reconcile', '-f', '-')).toMatch(
      /^role.rbac.authorization.k8s.io\/rr reconciled/,
    )
    const proxy = user.follow('proxy', '--port=0')
    const port = await proxy.seen(/127\.0\.0\.1:(\d+)/)
    const reply = await fetch(`http://127.0.0.1:${port}/api/v1/namespaces/default/services/kubernetes`)
    expect(await reply.json()).toMatchObject({ kind: 'Service', metadata: { name: 'kubernetes' } })
    await proxy.end()
  })
})
