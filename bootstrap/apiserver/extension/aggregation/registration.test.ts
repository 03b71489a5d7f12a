import { describe, expect, test } from '@jest/globals'
import type { APIService } from '../../../api/types.gen.ts'
import { kindRegistry } from '../../schema/registry.ts'
import { builtInPriority } from './priorities.ts'
import { actionFor, managedLabel, type Wanted, wantedServices } from './registration.ts'

const spec = { group: 'g', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 }
const wanted = (managed: Wanted['managed']): Wanted => ({ name: 'v1.g', managed, spec })
const current = (label: string | undefined, group = 'g'): APIService => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: 'v1.g', labels: label === undefined ? {} : { [managedLabel]: label } },
  spec: { ...spec, group },
})
const fresh = { atStart: true, synced: false }

describe("what happens to an APIService of this server's own", () => {
  test.each<[string, Wanted | undefined, APIService | undefined, typeof fresh, string]>([
    ['nothing wanted, nothing there', undefined, undefined, fresh, 'none'],
    ['built in and missing', wanted('onstart'), undefined, fresh, 'create'],
    ['built in and deleted since', wanted('onstart'), undefined, { atStart: true, synced: true }, 'none'],
    ['custom and missing', wanted('true'), undefined, { atStart: false, synced: true }, 'create'],
    ["somebody else's", wanted('true'), current(undefined, 'other'), fresh, 'none'],
    ['as it should be', wanted('true'), current('true'), fresh, 'none'],
    ['custom and changed', wanted('true'), current('true', 'other'), { atStart: false, synced: true }, 'update'],
    ['built in and changed before the start', wanted('onstart'), current('onstart', 'other'), fresh, 'update'],
    ['built in, made after the start', wanted('true'), current('onstart'), { atStart: false, synced: false }, 'none'],
    ['no longer built in', undefined, current('onstart'), fresh, 'delete'],
    ['no longer built in, looked at already', undefined, current('onstart'), { atStart: true, synced: true }, 'none'],
    ['no longer custom', undefined, current('true'), { atStart: false, synced: true }, 'delete'],
    ['unmanaged and not ours', undefined, current(undefined), fresh, 'none'],
  ])('%s', (_, target, there, state, action) => {
    expect(actionFor(target, there, state)).toBe(action)
  })
})

test("built-in groups have upstream's priorities", () => {
  const services = wantedServices(kindRegistry())
  expect(services.get('v1.')?.spec).toEqual({
    group: '',
    version: 'v1',
    groupPriorityMinimum: 18_000,
    versionPriority: 1,
  })
  expect(services.get('v2.autoscaling')?.spec).toMatchObject({ groupPriorityMinimum: 17_500, versionPriority: 30 })
  expect(services.has('v1.apiregistration.k8s.io')).toBe(false)
  expect(builtInPriority('certificates.k8s.io', 'v1alpha1')).toEqual({ group: 17_300, version: 1 })
})
