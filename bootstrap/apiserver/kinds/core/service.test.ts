import { describe, expect, test } from '@jest/globals'
import { cells, create, objectOf, update } from '../harness.ts'
import { service } from './service.ts'

const serviceOf = (spec: object, rest: object = {}) => objectOf('v1', 'Service', { spec, ...rest })
const web = { ports: [{ port: 80 }] }

test('defaults of a cluster service', () => {
  const { object, errors } = create(service, serviceOf(web))
  expect(errors).toEqual([])
  expect(object).toMatchObject({
    spec: {
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
    },
    status: { loadBalancer: {} },
  })
})

test('defaults of a load balancer and of client affinity', () => {
  const { object, errors } = create(service, serviceOf({ ...web, type: 'LoadBalancer', sessionAffinity: 'ClientIP' }))
  expect(errors).toEqual([])
  expect(object).toMatchObject({
    spec: {
      externalTrafficPolicy: 'Cluster',
      allocateLoadBalancerNodePorts: true,
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
    },
  })
})

describe('validation', () => {
  const invalid: [string, object, string[]][] = [
    ['no ports', {}, ['spec.ports: Required value']],
    ['headless without ports', { clusterIP: 'None' }, []],
    ['unnamed ports', { ports: [{ port: 80 }, { port: 81, name: 'b' }] }, ['spec.ports[0].name: Required value']],
    [
      'port twice',
      {
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b' },
        ],
      },
      ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
    ],
    [
      'bad type',
      { ...web, type: 'Magic' },
      [
        'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ],
    ],
    [
      'node port of a cluster service',
      { ports: [{ port: 80, nodePort: 30080 }] },
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ],
    ['external name', { type: 'ExternalName' }, ['spec.externalName: Required value']],
    [
      'loopback address',
      { ...web, externalIPs: ['127.0.0.1'] },
      ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ],
    [
      'class without balancer',
      { ...web, loadBalancerClass: 'a/b' },
      ["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ],
  ]
  test.each(invalid)('%s', (_name, spec, errors) => {
    expect(create(service, serviceOf(spec)).errors).toEqual(errors)
  })

  test('names are DNS-1035 labels', () => {
    expect(service.validateName?.('1a')).toHaveLength(1)
    expect(service.validateName?.('a1')).toEqual([])
  })
})

describe('updates', () => {
  const stored = serviceOf({
    ...(create(service, serviceOf({ ...web, type: 'NodePort' })).object.spec as object),
    clusterIP: '10.43.0.5',
    clusterIPs: ['10.43.0.5'],
    ports: [{ port: 80, targetPort: 80, protocol: 'TCP', nodePort: 30080 }],
  })

  test('allocated values survive an update that leaves them out', () => {
    const { object, errors } = update(service, stored, draft => {
      draft.spec = { type: 'NodePort', ports: [{ port: 80 }] }
    })
    expect(errors).toEqual([])
    expect(object).toMatchObject({
      spec: { clusterIP: '10.43.0.5', clusterIPs: ['10.43.0.5'], ports: [{ nodePort: 30080 }] },
    })
  })

  test('the cluster IP does not change', () => {
    const { errors } = update(service, stored, draft => Object.assign(draft.spec as object, { clusterIP: '10.43.0.6' }))
    expect(errors).toEqual(['spec.clusterIPs[0]: Invalid value: ["10.43.0.6"]: may not change once set'])
  })

  test('a node port goes with the type that needs it', () => {
    const { object, errors } = update(service, stored, draft =>
      Object.assign(draft.spec as object, { type: 'ClusterIP' }),
    )
    expect(errors).toEqual([])
    expect(JSON.stringify(object.spec)).not.toMatch(/nodePort|externalTrafficPolicy/)
  })
})

test.each([
  [{ type: 'ClusterIP', clusterIPs: ['10.43.0.1'], ports: [{ port: 443, protocol: 'TCP' }] }, {}, '<none>', '443/TCP'],
  [
    { type: 'NodePort', clusterIP: 'None', ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }] },
    {},
    '<none>',
    '80:30080/TCP',
  ],
  [{ type: 'LoadBalancer' }, {}, '<pending>', '<none>'],
  [{ type: 'LoadBalancer' }, { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } }, '1.2.3.4', '<none>'],
  [{ type: 'ExternalName', externalName: 'a.b' }, {}, 'a.b', '<none>'],
])('external address and ports of %j', (spec, status, external, ports) => {
  expect(cells(service, serviceOf(spec, { status }))).toMatchObject({ 'External-IP': external, 'Port(s)': ports })
})
