import { describe, expect, test } from '@jest/globals'
import { fieldErrorText } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Mutable } from '../kinds/kind.ts'
import { kindRegistry } from '../schema/registry.ts'
import { admin } from '../testing.ts'
import { copyOf } from '../verbs/copy.ts'
import { partProfiles } from './parts.ts'

const registry = kindRegistry()
const kindOf = (group: string, resource: string) => registry.byResource(group, 'v1', resource)!
const now = '2026-01-02T03:04:05Z'
const context = {
  user: admin,
  clock: { now: () => Date.parse(now) },
  namespace: '',
  dryRun: false,
  warn: () => {},
}

/** What a PUT of `change` to a subresource leaves of it. */
function written(subresource: string, group: string, resource: string, live: KubeObject, change: object): Mutable {
  const draft = copyOf({ ...live, ...change })
  const profile = partProfiles[subresource]!
  const kind = kindOf(group, resource)
  profile.restrict(draft, live, kind)
  profile.prepare(draft, live, context, kind)
  return draft
}

describe('approval', () => {
  const issued = { type: 'Failed', status: 'True', lastUpdateTime: 'then', lastTransitionTime: 'then' }
  const live = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'c' },
    spec: { signerName: 'example.com/s' },
    status: { certificate: 'Y2VydA==', conditions: [issued] },
  }

  test('takes decisions alone, and dates them', () => {
    const approved = { type: 'Approved', status: 'True', reason: 'Yes' }
    const change = {
      spec: {},
      status: { certificate: 'other', conditions: [approved, { type: 'Failed', status: 'False' }] },
    }
    const draft = written('approval', 'certificates.k8s.io', 'certificatesigningrequests', live, change)
    expect(draft.spec).toEqual(live.spec)
    expect(draft.status).toEqual({
      certificate: 'Y2VydA==',
      conditions: [issued, { ...approved, lastUpdateTime: now, lastTransitionTime: now }],
    })
  })
})

describe('resize', () => {
  const container = { name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }
  const live = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { nodeName: 'n', containers: [container] },
  }

  test('takes resources alone', () => {
    const resources = { requests: { cpu: '2' } }
    const wanted = {
      nodeName: 'other',
      containers: [
        { name: 'c', image: 'j', resources },
        { name: 'd', image: 'k' },
      ],
    }
    expect(written('resize', '', 'pods', live, { spec: wanted }).spec).toEqual({
      nodeName: 'n',
      containers: [{ name: 'c', image: 'i', resources }],
    })
  })

  test('refuses another class of service', () => {
    const draft = copyOf({ ...live, spec: { ...live.spec, containers: [{ ...container, resources: {} }] } })
    const found = partProfiles.resize!.validate(draft, live, kindOf('', 'pods')).map(fieldErrorText)
    expect(found).toContain('spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing')
  })
})

describe('status', () => {
  const live = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', labels: { a: '1' } },
    spec: { replicas: 1 },
    status: { replicas: 1 },
  }

  test('keeps the spec and lets metadata of built-in kinds through', () => {
    const metadata = { name: 'd', labels: { a: '1' }, annotations: { b: '2' } }
    const draft = written('status', 'apps', 'deployments', live, {
      metadata,
      spec: { replicas: 9 },
      status: { replicas: 2 },
    })
    expect(draft).toEqual({ ...live, metadata, status: { replicas: 2 } })
  })

  test('of custom kinds keeps metadata too, but for its owners', () => {
    const profile = partProfiles.status!
    const draft = copyOf({ ...live, metadata: { name: 'd', annotations: { b: '2' }, managedFields: [] }, status: {} })
    profile.restrict(draft, live, { ...kindOf('apps', 'deployments'), custom: true })
    expect(draft.metadata).toEqual({ ...live.metadata, managedFields: [] })
    expect(draft.status).toEqual({})
  })
})
