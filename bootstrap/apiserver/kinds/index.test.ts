import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import { parseApiVersion } from '../../api/object.ts'
import { kindRegistry } from '../schema/registry.ts'
import { cells, create, objectOf, update, updateStatus } from './harness.ts'
import { strategyOf } from './index.ts'

const samples = '../shared/testdata/kubernetes-api'

test('an unknown kind has the default table and nothing else', () => {
  const strategy = strategyOf('example.com', 'Thing')
  expect(Object.keys(strategy)).toEqual(['table'])
  expect(strategy.table?.columns.map(column => column.name)).toEqual(['Name', 'Created At'])
})

describe('no kind throws on what a client may send', () => {
  const kinds = [...kindRegistry(strategyOf).all()]
  const shapes: [string, object][] = [
    ['nothing', {}],
    ['an empty spec', { spec: {} }],
    ['an empty template', { spec: { template: {}, jobTemplate: {}, selector: {} } }],
    ['empty items', { spec: { rules: [{}], ports: [{}], drivers: [{}], metrics: [{}] }, webhooks: [{}], rules: [{}] }],
  ]
  test.each(shapes)('%s', (_name, fields) => {
    for (const kind of kinds) {
      const { strategy } = kind
      const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`
      const { object } = create(strategy, objectOf(apiVersion, kind.kind, fields))
      update(strategy, object, draft => Object.assign(draft, { spec: fields }))
      updateStatus(strategy, object, {})
      cells(strategy, object)
      strategy.fields?.(object)
      strategy.warnings?.(object, undefined)
    }
    expect(kinds.length).toBeGreaterThan(60)
  })
})

const files = existsSync(samples) ? readdirSync(samples).filter(name => name.endsWith('.json')) : []
const withSamples = files.length > 0 ? test : test.skip

withSamples('upstream’s sample objects pass through every hook unharmed', () => {
  for (const file of files) {
    const object = JSON.parse(readFileSync(`${samples}/${file}`, 'utf8')) as KubeObject
    if (!object.metadata) continue
    const { group } = parseApiVersion(object.apiVersion)
    const strategy = strategyOf(group, object.kind)
    const { object: stored } = create(strategy, object)
    expect(stored.metadata.name).toBe(object.metadata.name)
    update(strategy, stored, () => undefined)
    cells(strategy, stored)
  }
})

/** Order and width of the columns, "+" before those of -o wide. */
const tables: [string, string, string][] = [
  ['', 'Pod', 'Name Ready Status Restarts Age +IP +Node +Nominated_Node +Readiness_Gates'],
  ['apps', 'Deployment', 'Name Ready Up-to-date Available Age +Containers +Images +Selector'],
  [
    'apps',
    'DaemonSet',
    'Name Desired Current Ready Up-to-date Available Node_Selector Age +Containers +Images +Selector',
  ],
  ['batch', 'CronJob', 'Name Schedule Timezone Suspend Active Last_Schedule Age +Containers +Images +Selector'],
  [
    '',
    'PersistentVolume',
    'Name Capacity Access_Modes Reclaim_Policy Status Claim StorageClass VolumeAttributesClass Reason Age +VolumeMode',
  ],
  ['scheduling.k8s.io', 'PriorityClass', 'Name Value Global-Default Age PreemptionPolicy'],
  ['certificates.k8s.io', 'CertificateSigningRequest', 'Name Age SignerName Requestor RequestedDuration Condition'],
  [
    'storage.k8s.io',
    'CSIDriver',
    'Name AttachRequired PodInfoOnMount StorageCapacity TokenRequests RequiresRepublish Modes Age',
  ],
  [
    'flowcontrol.apiserver.k8s.io',
    'FlowSchema',
    'Name PriorityLevel MatchingPrecedence DistinguisherMethod Age MissingPL',
  ],
  ['rbac.authorization.k8s.io', 'RoleBinding', 'Name Role Age +Users +Groups +ServiceAccounts'],
  ['rbac.authorization.k8s.io', 'ClusterRole', 'Name Created_At'],
]
test.each(tables)('columns of %s %s', (group, kind, expected) => {
  const columns = strategyOf(group, kind).table?.columns ?? []
  const shown = columns.map(({ name, priority }) => `${priority === 1 ? '+' : ''}${name.replaceAll(' ', '_')}`)
  expect(shown.join(' ')).toBe(expected)
})
