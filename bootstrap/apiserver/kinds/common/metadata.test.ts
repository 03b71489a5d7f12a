import { describe, expect, test } from '@jest/globals'
import { fieldErrorText } from '../../../api/errors.ts'
import { objectOf } from '../harness.ts'
import type { MetadataRules } from './metadata.ts'
import { collapseOwners, validateObjectMeta, validateObjectMetaUpdate } from './metadata.ts'
import { configMapKey, dns1035Label, dnsLabel, ipFamily, portName } from './names.ts'

const rules: MetadataRules = { namespaced: true }
const errorsOf = (metadata: object, given = rules) =>
  validateObjectMeta(objectOf('v1', 'ConfigMap', { metadata }), given).map(fieldErrorText)

const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const labelText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }

describe('on create', () => {
  test.each([
    [{ name: 'a', namespace: 'b' }, []],
    [{ namespace: 'b' }, ['metadata.name: Required value: name or generateName is required']],
    [{ name: 'a' }, ['metadata.namespace: Required value']],
    [{ name: 'A_', namespace: 'b' }, [`metadata.name: Invalid value: "A_": ${subdomainText}`]],
    [{ name: 'a', namespace: 'b', generateName: 'a-' }, []],
    [{ name: 'a', namespace: 'b', labels: { k: '-' } }, [`metadata.labels: Invalid value: "-": ${labelText}`]],
    [
      { name: 'a', namespace: 'b', labels: { '/k': '' } },
      ['metadata.labels: Invalid value: "/k": prefix part must be non-empty'],
    ],
    [
      { name: 'a', namespace: 'b', annotations: { k: 'x'.repeat(262144) } },
      ['metadata.annotations: Too long: may not be more than 262144 bytes'],
    ],
    [
      { name: 'a', namespace: 'b', finalizers: ['mine'] },
      [
        'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
      ],
    ],
    [
      { name: 'a', namespace: 'b', finalizers: ['orphan', 'foregroundDeletion'] },
      [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
      ],
    ],
    [
      { name: 'a', namespace: 'b', ownerReferences: [{ ...owner, uid: '' }] },
      ['metadata.ownerReferences.uid: Invalid value: "": must not be empty'],
    ],
  ])('%#: %j', (metadata, expected) => {
    expect(errorsOf(metadata)).toEqual(expected)
  })

  test('a cluster-scoped object has no namespace', () => {
    const found = errorsOf({ name: 'a', namespace: 'b' }, { namespaced: false })
    expect(found).toEqual(['metadata.namespace: Forbidden: not allowed on this type'])
  })

  test('two controllers', () => {
    const ownerReferences = ['p', 'q'].map(name => ({ ...owner, name, controller: true }))
    expect(errorsOf({ name: 'a', namespace: 'b', ownerReferences })[0]).toContain(
      'Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/q',
    )
  })
})

describe('on update', () => {
  const old = { name: 'a', namespace: 'b', uid: 'u', resourceVersion: '1', generation: 2 }
  const updated = (metadata: object, before: object = old) =>
    validateObjectMetaUpdate(
      objectOf('v1', 'ConfigMap', { metadata: { ...old, ...metadata } }),
      objectOf('v1', 'ConfigMap', { metadata: before }),
    ).map(fieldErrorText)

  test.each([
    [{}, []],
    [{ name: 'c' }, ['metadata.name: Invalid value: "c": field is immutable']],
    [{ uid: 'w' }, ['metadata.uid: Invalid value: "w": field is immutable']],
    [{ generation: 1 }, ['metadata.generation: Invalid value: 1: must not be decremented']],
    [{ resourceVersion: '' }, ['metadata.resourceVersion: Invalid value: "": must be specified for an update']],
  ])('%#: %j', (metadata, expected) => {
    expect(updated(metadata)).toEqual(expected)
  })

  test('finalizers are not added to an object that is being deleted', () => {
    const before = { ...old, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a.b/c'] }
    expect(updated({ ...before, finalizers: ['a.b/c', 'a.b/d'] }, before)).toEqual([
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.b/d"}',
    ])
    expect(updated({ ...before, finalizers: [] }, before)).toEqual([])
  })
})

test('finalizers of custom objects have any qualified name', () => {
  const finalizers = ['mine', 'not one']
  const found = errorsOf({ name: 'a', namespace: 'b', finalizers }, { namespaced: true, anyFinalizer: true })
  expect(found).toEqual([
    expect.stringMatching(/^metadata.finalizers: Invalid value: "not one": name part must consist/),
  ])
})

test('repeated owners are collapsed with a warning', () => {
  const metadata = { ownerReferences: [owner, { ...owner }] }
  expect(collapseOwners(metadata)).toContain('duplicate UID(s) observed: u')
  expect(metadata.ownerReferences).toEqual([owner])
  expect(collapseOwners(metadata)).toBeUndefined()
})

test.each([
  [dnsLabel('a.b'), ['must not contain dots']],
  [dnsLabel('a'.repeat(64)), ['must be no more than 63 bytes']],
  [dns1035Label('abc-1'), []],
  [portName('a--b'), ['must not contain consecutive hyphens']],
  [portName('80'), ['must contain at least one letter (a-z)']],
  [configMapKey('..a'), ["must not start with '..'"]],
  [configMapKey('a.b_C-1'), []],
])('name checks %#', (found, expected) => {
  expect(found).toEqual(expected)
})

test.each([
  ['10.0.0.1', 4],
  ['256.0.0.1', 0],
  ['fd00::1', 6],
  ['::', 6],
  ['fd00::1%eth0', 0],
  ['nonsense', 0],
])('family of %s is %d', (text, family) => {
  expect(ipFamily(text)).toBe(family)
})
