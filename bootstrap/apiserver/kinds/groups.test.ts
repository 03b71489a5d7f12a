import { describe, expect, test } from '@jest/globals'
import { dnsSubdomain } from './common/names.ts'
import { cells, create, objectOf, update, updateStatus } from './harness.ts'
import { strategyOf } from './index.ts'

const run = (group: string, kind: string, fields: object) =>
  create(strategyOf(group, kind), objectOf(group === '' ? 'v1' : `${group}/v1`, kind, fields))
const backend = { service: { name: 'web', port: { number: 80 } } }

describe('what is stored', () => {
  const cases: [string, string, object, object][] = [
    [
      'discovery.k8s.io',
      'EndpointSlice',
      { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] },
      { ports: [{ name: '', protocol: 'TCP' }] },
    ],
    [
      'networking.k8s.io',
      'NetworkPolicy',
      { spec: { podSelector: {}, egress: [{ ports: [{ port: 53 }] }] } },
      { spec: { policyTypes: ['Ingress', 'Egress'], egress: [{ ports: [{ protocol: 'TCP' }] }] } },
    ],
    ['networking.k8s.io', 'Ingress', { spec: { defaultBackend: backend } }, { status: { loadBalancer: {} } }],
    [
      'rbac.authorization.k8s.io',
      'RoleBinding',
      { roleRef: { kind: 'Role', name: 'r' }, subjects: [{ kind: 'User', name: 'u' }] },
      { roleRef: { apiGroup: 'rbac.authorization.k8s.io' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io' }] },
    ],
    [
      'storage.k8s.io',
      'StorageClass',
      { provisioner: 'a.b/c' },
      { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' },
    ],
    [
      'storage.k8s.io',
      'CSIDriver',
      { metadata: { name: 'd' }, spec: {} },
      {
        spec: { attachRequired: true, volumeLifecycleModes: ['Persistent'], fsGroupPolicy: 'ReadWriteOnceWithFSType' },
      },
    ],
    ['scheduling.k8s.io', 'PriorityClass', { value: 1 }, { preemptionPolicy: 'PreemptLowerPriority' }],
    [
      'policy',
      'PodDisruptionBudget',
      { spec: { minAvailable: 1 } },
      { status: { disruptionsAllowed: 0, expectedPods: 0 } },
    ],
    [
      'apiregistration.k8s.io',
      'APIService',
      {
        metadata: { name: 'v1.a.b' },
        spec: { group: 'a.b', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 },
      },
      { status: { conditions: [{ type: 'Available', status: 'True', reason: 'Local' }] } },
    ],
    [
      'resource.k8s.io',
      'ResourceClaim',
      { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c' } }] } } },
      { spec: { devices: { requests: [{ exactly: { allocationMode: 'ExactCount', count: 1 } }] } }, status: {} },
    ],
  ]
  test.each(cases)('%s %s', (group, kind, fields, expected) => {
    const { object, errors } = run(group, kind, fields)
    expect(errors).toEqual([])
    expect(object).toMatchObject(expected)
  })

  test('a webhook gets its defaults', () => {
    const webhook = {
      name: 'a.example.com',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      clientConfig: { service: { name: 's', namespace: 'n' } },
      rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
    }
    const { object, errors } = run('admissionregistration.k8s.io', 'MutatingWebhookConfiguration', {
      webhooks: [webhook],
    })
    expect(errors).toEqual([])
    expect(object).toMatchObject({
      webhooks: [
        {
          failurePolicy: 'Fail',
          matchPolicy: 'Equivalent',
          timeoutSeconds: 10,
          reinvocationPolicy: 'Never',
          namespaceSelector: {},
          objectSelector: {},
          clientConfig: { service: { port: 443 } },
          rules: [{ scope: '*' }],
        },
      ],
    })
  })

  test('a signing request names who sent it', () => {
    const request = Buffer.from('-----BEGIN CERTIFICATE REQUEST-----').toString('base64')
    const spec = { request, signerName: 'a.b/c', usages: ['client auth'], username: 'forged', uid: 'forged' }
    const { object, errors } = run('certificates.k8s.io', 'CertificateSigningRequest', { spec })
    expect(errors).toEqual([])
    expect(object).toMatchObject({ spec: { username: 'tester', uid: '1', groups: ['testers'] }, status: {} })
  })
})

describe('what is refused', () => {
  const cases: [string, string, object, string[]][] = [
    ['discovery.k8s.io', 'EndpointSlice', {}, ['addressType: Required value']],
    [
      'discovery.k8s.io',
      'EndpointSlice',
      { addressType: 'IPv4', endpoints: [{ addresses: ['fd00::1'] }, {}] },
      [
        'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address',
        'endpoints[1].addresses: Required value: must contain at least 1 address',
      ],
    ],
    [
      'networking.k8s.io',
      'Ingress',
      { spec: {} },
      ['spec: Invalid value: {}: either `defaultBackend` or `rules` must be specified'],
    ],
    [
      'networking.k8s.io',
      'Ingress',
      { spec: { rules: [{ host: '1.2.3.4', http: { paths: [{ path: 'x', pathType: 'Prefix', backend }] } }] } },
      [
        'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
        'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
      ],
    ],
    [
      'rbac.authorization.k8s.io',
      'Role',
      { rules: [{ nonResourceURLs: ['/x'], verbs: ['get'] }, {}] },
      [
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
        'rules[1].verbs: Required value: verbs must contain at least one value',
        'rules[1].apiGroups: Required value: resource rules must supply at least one api group',
        'rules[1].resources: Required value: resource rules must supply at least one resource',
      ],
    ],
    [
      'rbac.authorization.k8s.io',
      'ClusterRoleBinding',
      { roleRef: { kind: 'Role', name: 'r' }, subjects: [{ kind: 'ServiceAccount', name: 's' }] },
      [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        'subjects[0].namespace: Required value',
      ],
    ],
    [
      'scheduling.k8s.io',
      'PriorityClass',
      { value: 1000000001 },
      ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000'],
    ],
    [
      'policy',
      'PodDisruptionBudget',
      { spec: { minAvailable: 1, maxUnavailable: '101%' } },
      [
        'spec: Invalid value: {"minAvailable":1,"maxUnavailable":"101%"}: minAvailable and maxUnavailable cannot be both set',
        'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
      ],
    ],
    [
      'coordination.k8s.io',
      'Lease',
      { spec: { leaseDurationSeconds: 0 } },
      ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
    ],
    ['storage.k8s.io', 'StorageClass', {}, ['provisioner: Required value']],
    [
      'authorization.k8s.io',
      'SubjectAccessReview',
      { spec: { user: 'u' } },
      [
        'spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ],
    ],
    [
      'admissionregistration.k8s.io',
      'ValidatingWebhookConfiguration',
      {
        webhooks: [
          {
            name: 'short',
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
            clientConfig: { url: 'https://a' },
            timeoutSeconds: 31,
          },
        ],
      },
      [
        'webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots',
        'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
      ],
    ],
    [
      'networking.k8s.io',
      'NetworkPolicy',
      { spec: { ingress: [{ from: [{}], ports: [{ port: 80, endPort: 79 }] }] } },
      [
        'spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`',
        'spec.ingress[0].from[0]: Required value: must specify a peer',
      ],
    ],
  ]
  test.each(cases)('%s %s %#', (group, kind, fields, errors) => {
    expect(run(group, kind, fields).errors).toEqual(errors)
  })
})

describe('what updates may not do', () => {
  const cases: [string, string, object, object, string[]][] = [
    [
      'rbac.authorization.k8s.io',
      'RoleBinding',
      { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'a' } },
      { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'b' } },
      [
        'roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"b"}: cannot change roleRef',
      ],
    ],
    [
      'scheduling.k8s.io',
      'PriorityClass',
      { value: 1 },
      { value: 2 },
      ['value: Forbidden: may not be changed in an update.'],
    ],
    [
      'storage.k8s.io',
      'StorageClass',
      { provisioner: 'a.b/c' },
      { provisioner: 'a.b/d' },
      ['provisioner: Forbidden: updates to provisioner are forbidden.'],
    ],
    [
      'node.k8s.io',
      'RuntimeClass',
      { handler: 'a' },
      { handler: 'b' },
      ['handler: Invalid value: "b": field is immutable'],
    ],
    [
      'discovery.k8s.io',
      'EndpointSlice',
      { addressType: 'IPv4' },
      { addressType: 'IPv6' },
      ['addressType: Invalid value: "IPv6": field is immutable'],
    ],
  ]
  test.each(cases)('%s %s', (group, kind, fields, change, errors) => {
    const { object } = run(group, kind, fields)
    expect(update(strategyOf(group, kind), object, draft => Object.assign(draft, change)).errors).toEqual(errors)
  })
})

test('a signing request is approved or denied, not both, and only through /approval', () => {
  const strategy = strategyOf('certificates.k8s.io', 'CertificateSigningRequest')
  const approved = { type: 'Approved', status: 'True' }
  const both = { conditions: [approved, { type: 'Denied', status: 'True' }] }
  const request = objectOf('certificates.k8s.io/v1', 'CertificateSigningRequest', {
    status: { conditions: [approved] },
  })
  const problems = strategy.validateStatusUpdate?.({ ...request, status: both }, request)
  expect(problems?.map(problem => problem.detail)).toEqual(['Approved and Denied conditions are mutually exclusive'])
  const written = updateStatus(strategy, request, {
    certificate: 'x',
    conditions: [{ type: 'Denied', status: 'True' }],
  })
  expect(written.object.status).toMatchObject({ certificate: 'x', conditions: [approved] })
})

describe('rows', () => {
  const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }
  const current = { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 10 } } }
  const cases: [string, string, object, object][] = [
    [
      'discovery.k8s.io',
      'EndpointSlice',
      { addressType: 'IPv4', ports: [{ port: 80 }], endpoints: [{ addresses: ['10.0.0.1'] }] },
      { AddressType: 'IPv4', Ports: '80', Endpoints: '10.0.0.1' },
    ],
    ['discovery.k8s.io', 'EndpointSlice', {}, { Ports: '<unset>', Endpoints: '<unset>' }],
    [
      'networking.k8s.io',
      'Ingress',
      { spec: { rules: [{ host: 'a.b' }], tls: [{}] }, status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } },
      { Class: '<none>', Hosts: 'a.b', Address: '1.2.3.4', Ports: '80, 443' },
    ],
    [
      'networking.k8s.io',
      'IPAddress',
      { spec: { parentRef: { resource: 'services', namespace: 'n', name: 's' } } },
      { ParentRef: 'services/n/s' },
    ],
    [
      'policy',
      'PodDisruptionBudget',
      { spec: { minAvailable: '50%' } },
      { 'Min Available': '50%', 'Max Unavailable': 'N/A' },
    ],
    [
      'storage.k8s.io',
      'StorageClass',
      { metadata: { name: 'l', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } },
      { Name: 'l (default)', ReclaimPolicy: 'Delete', AllowVolumeExpansion: false },
    ],
    [
      'certificates.k8s.io',
      'CertificateSigningRequest',
      {
        spec: { username: 'u', expirationSeconds: 86400 },
        status: { conditions: [{ type: 'Approved' }], certificate: 'x' },
      },
      { Requestor: 'u', RequestedDuration: '24h', Condition: 'Approved,Issued' },
    ],
    [
      'rbac.authorization.k8s.io',
      'RoleBinding',
      { roleRef: { kind: 'Role', name: 'r' }, subjects: [{ kind: 'ServiceAccount', namespace: 'n', name: 's' }] },
      { Role: 'Role/r', ServiceAccounts: 'n/s', Users: '' },
    ],
    [
      'resource.k8s.io',
      'ResourceClaim',
      { status: { allocation: {}, reservedFor: [{}] } },
      { State: 'allocated,reserved' },
    ],
    [
      'apiregistration.k8s.io',
      'APIService',
      {
        spec: { service: { namespace: 'n', name: 's' } },
        status: { conditions: [{ type: 'Available', status: 'False', reason: 'X' }] },
      },
      { Service: 'n/s', Available: 'False (X)' },
    ],
  ]
  test.each(cases)('%s %s %j', (group, kind, fields, expected) => {
    expect(cells(strategyOf(group, kind), objectOf(`${group}/v1`, kind, fields))).toMatchObject(expected)
  })

  const autoscaler = strategyOf('autoscaling', 'HorizontalPodAutoscaler')
  const scaleTargetRef = { kind: 'Deployment', name: 'web' }

  test('an autoscaler', () => {
    const spec = { scaleTargetRef, metrics: [cpu, cpu, cpu], minReplicas: 1, maxReplicas: 3 }
    const object = objectOf('autoscaling/v2', 'HorizontalPodAutoscaler', {
      spec,
      status: { currentMetrics: [current] },
    })
    expect(cells(autoscaler, object)).toMatchObject({
      Reference: 'Deployment/web',
      Targets: 'cpu: 10%/80%, cpu: <unknown>/80% + 1 more...',
      MinPods: '1',
      MaxPods: 3,
    })
  })

  test('an autoscaler of version 1 behaves the same', () => {
    const spec = { scaleTargetRef, maxReplicas: 3, targetCPUUtilizationPercentage: 50 }
    const { object, errors } = create(autoscaler, objectOf('autoscaling/v1', 'HorizontalPodAutoscaler', { spec }))
    expect(errors).toEqual([])
    expect(object).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { ...spec, minReplicas: 1 } })
    expect(cells(autoscaler, object)).toMatchObject({ Targets: 'cpu: <unknown>/50%' })
    const broken = create(
      autoscaler,
      objectOf('autoscaling/v1', 'HorizontalPodAutoscaler', { spec: { scaleTargetRef } }),
    )
    expect(broken.errors[0]).toBe('spec.maxReplicas: Invalid value: 0: must be greater than 0')
  })
})

test.each([
  ['', 'Service', 'a.b', false],
  ['', 'Pod', 'a.b', true],
  ['apps', 'StatefulSet', 'a.b', false],
  ['apps', 'Deployment', 'a.b', true],
  ['rbac.authorization.k8s.io', 'ClusterRole', 'system:node', true],
  ['rbac.authorization.k8s.io', 'ClusterRole', 'a/b', false],
  ['apiregistration.k8s.io', 'APIService', 'v1.', true],
  ['networking.k8s.io', 'IPAddress', '10.0.0.1', true],
  ['networking.k8s.io', 'IPAddress', 'web', false],
])('name of %s %s: %s', (group, kind, name, fits) => {
  const check = strategyOf(group, kind).validateName ?? dnsSubdomain
  expect(check(name).length === 0).toBe(fits)
})
