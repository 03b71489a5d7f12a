import { expect, test } from '@jest/globals'
import type { Node } from '../../api/types.gen.ts'
import { isAtLeast, waitingFor } from './readiness.ts'

const nodes = (...versions: string[]) =>
  versions.map(kubeletVersion => ({ status: { nodeInfo: { kubeletVersion } } }) as unknown as Node)
const idle = { status: {} }

test.each([
  ['there is no plan', undefined, nodes('v1.36.5+k3s1'), 'Plan server-plan to be created'],
  [
    'nodes are being upgraded',
    { status: { applying: ['b', 'a'] } },
    nodes('v1.36.5+k3s1'),
    'Plan server-plan to upgrade a, b',
  ],
  ['there is no control plane', idle, [], 'nodes of the control plane'],
  [
    'a node has not followed',
    { status: { applying: [] } },
    nodes('v1.36.5+k3s1', 'v1.36.4+k3s1'),
    'all nodes of the control plane to report one version: v1.36.4+k3s1, v1.36.5+k3s1',
  ],
  [
    'none has begun',
    idle,
    nodes('v1.36.4+k3s1', 'v1.36.4+k3s1'),
    'the control plane to become v1.36.5-k3s1: it is v1.36.4+k3s1',
  ],
  ['all are there', idle, nodes('v1.36.5+k3s1', 'v1.36.5+k3s1'), undefined],
  ['all are further', idle, nodes('v1.37.0+k3s1'), undefined],
])('agents wait where %s', (_, plan, controlPlane, expected) => {
  expect(waitingFor('server-plan', plan, controlPlane, 'v1.36.5-k3s1')).toBe(expected)
})

test.each([
  ['v1.36.4+skiff1', 'v1.36.4-skiff1', true],
  ['v1.36.4+skiff2', 'v1.36.4-skiff1', true],
  ['v1.36.4+skiff10', 'v1.36.4-skiff9', true],
  ['v1.36.4+skiff1', 'v1.36.4-skiff2', false],
  ['v1.36.10+skiff1', 'v1.36.9-skiff1', true],
  ['v1.36.4+skiff1', 'v1.37.0-skiff1', false],
  ['v1.36.4-rc1+skiff1', 'v1.36.4-skiff1', false],
  ['v1.36.4+skiff1', 'v1.36.4-rc1-skiff1', true],
  ['v1.36.4-rc2+skiff1', 'v1.36.4-rc1-skiff1', true],
  ['nightly', 'nightly', true],
  ['v1.36.4+skiff1', 'nightly', false],
])('%s is at least %s: %s', (version, wanted, expected) => {
  expect(isAtLeast(version, wanted)).toBe(expected)
})
