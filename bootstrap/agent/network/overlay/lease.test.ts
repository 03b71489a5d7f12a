import { describe, expect, test } from '@jest/globals'
import type { Node } from '../../../client/resources.ts'
import { annotationChange, leaseOf } from './lease.ts'

const node = (annotations: { [name: string]: string }, podCIDRs?: string[]): Node =>
  ({ metadata: { name: 'n1', annotations }, spec: { podCIDRs, podCIDR: podCIDRs?.[0] } }) as unknown as Node

/** As flannel itself writes them. */
const vxlan = {
  'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"12:c6:65:89:b4:e3"}',
  'flannel.alpha.coreos.com/backend-type': 'vxlan',
  'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
  'flannel.alpha.coreos.com/public-ip': '192.0.2.1',
}

describe('what a node announces', () => {
  test('is its network, the way to it and what its backend needs', () => {
    expect(leaseOf(node(vxlan, ['10.42.1.0/24']))).toEqual({
      node: 'n1',
      type: 'vxlan',
      sides: [
        {
          family: 'IPv4',
          subnet: '10.42.1.0/24',
          publicIp: '192.0.2.1',
          data: { VNI: 1, VtepMAC: '12:c6:65:89:b4:e3' },
        },
      ],
    })
  })

  test.each([
    ['nothing', node({}, ['10.42.1.0/24'])],
    ['no pod CIDR', node(vxlan)],
    [
      'another subnet manager',
      node({ ...vxlan, 'flannel.alpha.coreos.com/kube-subnet-manager': 'false' }, ['10.42.1.0/24']),
    ],
    ['no address of the family', node(vxlan, ['fd00:42::/64'])],
    ['text in place of an address', node({ ...vxlan, 'flannel.alpha.coreos.com/public-ip': 'x; y' }, ['10.42.1.0/24'])],
  ])('with %s is nothing', (_, it) => expect(leaseOf(it)).toBeUndefined())

  test('broken data is no data', () => {
    const lease = leaseOf(node({ ...vxlan, 'flannel.alpha.coreos.com/backend-data': '{' }, ['10.42.1.0/24']))
    expect(lease?.sides[0]?.data).toBeUndefined()
  })
})

describe('what changes about the annotations', () => {
  const announcement = {
    type: 'vxlan',
    sides: [{ family: 'IPv4' as const, publicIp: '192.0.2.1', data: { VNI: 1, VtepMAC: '12:c6:65:89:b4:e3' } }],
    overwritten: false,
  }

  test('is nothing when they are right', () => expect(annotationChange(node(vxlan), announcement)).toBeUndefined())

  test('is all of them for a new node', () => expect(annotationChange(node({}), announcement)).toEqual(vxlan))

  test('is what a former backend left', () => {
    const before = {
      ...vxlan,
      'flannel.alpha.coreos.com/backend-v6-data': '{}',
      'flannel.alpha.coreos.com/public-ipv6': '::1',
    }
    expect(annotationChange(node(before), { ...announcement, type: 'host-gw' })).toEqual({
      'flannel.alpha.coreos.com/backend-type': 'host-gw',
      'flannel.alpha.coreos.com/backend-v6-data': null,
      'flannel.alpha.coreos.com/public-ipv6': null,
    })
  })

  test('with external addresses says so, as K3s does', () => {
    const sides = [{ ...announcement.sides[0]!, publicIp: '203.0.113.1' }]
    expect(annotationChange(node(vxlan), { ...announcement, sides, overwritten: true })).toEqual({
      'flannel.alpha.coreos.com/public-ip': '203.0.113.1',
      'flannel.alpha.coreos.com/public-ip-overwrite': '203.0.113.1',
    })
  })
})
