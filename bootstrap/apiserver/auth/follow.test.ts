import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { openSqlite } from '../../datastore/sqlite/sqlite.ts'
import { ManualClock } from '../store/manual-clock.ts'
import { openStore } from '../store/open-store.ts'
import type { ResourceStore, Store, Stored } from '../store/store.ts'
import { followAggregation } from './aggregation.ts'
import { BindingIndex } from './bindings.ts'
import { NodePods } from './node-pods.ts'
import { rbacGroup } from './rbac.ts'

const clock = new ManualClock()
const jane = { name: 'jane', uid: '', groups: [], extra: {} }

let dir: string
let datastore: Datastore
let store: Store
let stop: AbortController
let following: Promise<void>[]

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-follow-'))
  stop = new AbortController()
  following = []
  datastore = await openSqlite({ file: join(dir, 'state.db'), clock })
  store = await openStore({ datastore, clock })
})

afterEach(async () => {
  stop.abort()
  await Promise.all(following)
  await store.close()
  await datastore.close()
  await rm(dir, { recursive: true })
})

/** Lets the index take its turns until `holds`. */
async function eventually(holds: () => boolean): Promise<void> {
  const end = performance.now() + 4000
  while (!holds() && performance.now() < end) await new Promise(resolve => setImmediate(resolve))
  expect(holds()).toBe(true)
}

const binding = (name: string, namespace?: string): KubeObject => ({
  apiVersion: `${rbacGroup}/v1`,
  kind: 'RoleBinding',
  metadata: { name, ...(namespace ? { namespace } : {}) },
  roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: 'view' },
  subjects: [{ kind: 'User', name: 'jane' }],
})

test('bindings count from the start, as they come, and until they go', async () => {
  const wide = await store.resource(rbacGroup, 'clusterrolebindings', false)
  const local = await store.resource(rbacGroup, 'rolebindings', true)
  const first = await wide.create(binding('first'))
  const index = new BindingIndex()
  const names = (namespace: string) => Array.from(index.of(jane, namespace), grant => grant.binding)
  following.push(index.follow(wide, stop.signal), index.follow(local, stop.signal))
  expect(names('ns')).toEqual(['first'])

  const second = await local.create(binding('second', 'ns'))
  await eventually(() => names('ns').length === 2)
  expect(names('')).toEqual(['first'])

  await wide.delete('', 'first', first.revision)
  await eventually(() => names('ns').join() === 'second')
  await local.update({ ...binding('second', 'ns'), subjects: [] }, second.revision)
  await eventually(() => names('ns').length === 0)
})

test("a node's pods are known from the start, as they come, and until they go", async () => {
  const pods: ResourceStore = await store.resource('', 'pods', true)
  const pod = (name: string, nodeName?: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'ns' },
    spec: { ...(nodeName ? { nodeName } : {}), serviceAccountName: name, containers: [] },
  })
  await pods.create(pod('a', 'n1'))
  const waiting = await pods.create(pod('b'))
  const index = new NodePods()
  following.push(index.follow(pods, stop.signal))
  const uses = (name: string) => index.uses('n1', 'serviceaccounts', 'ns', name)
  expect([uses('a'), uses('b')]).toEqual([true, false])
  const bound = await pods.update(pod('b', 'n1'), waiting.revision)
  await eventually(() => uses('b'))
  await pods.delete('ns', 'b', bound.revision)
  await eventually(() => !uses('b'))
})

test('an aggregated role follows the roles it selects', async () => {
  const roles = await store.resource(rbacGroup, 'clusterroles', false)
  const role = (name: string, body: object, labels = {}): KubeObject => ({
    apiVersion: `${rbacGroup}/v1`,
    kind: 'ClusterRole',
    metadata: { name, labels },
    ...body,
  })
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { feeds: 'sum' } }] }
  await roles.create(role('sum', { aggregationRule, rules: [] }))
  const update = (wanted: KubeObject): Promise<Stored> => {
    const { resourceVersion, ...metadata } = wanted.metadata
    return roles.update({ ...wanted, metadata }, Number(resourceVersion))
  }
  following.push(followAggregation(roles, update, stop.signal))
  const rules = () => roles.get('', 'sum')!.object.rules
  const part = await roles.create(role('part', { rules: [{ verbs: ['get'] }] }, { feeds: 'sum' }))
  await eventually(() => JSON.stringify(rules()) === '[{"verbs":["get"]}]')
  await roles.delete('', 'part', part.revision)
  await eventually(() => JSON.stringify(rules()) === '[]')
})
