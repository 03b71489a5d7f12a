import { expect, test } from '@jest/globals'
import { groupId } from './kubeconfig.ts'

const table = 'root:x:0:\nwheel:x:10:alice\n'

test('groups by name or number', () => {
  expect(groupId('wheel', table)).toBe(10)
  expect(groupId('1234', table)).toBe(1234)
  expect(() => groupId('whee', table)).toThrow('--write-kubeconfig-group whee: no such group')
})
