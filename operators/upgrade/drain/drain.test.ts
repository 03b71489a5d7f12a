import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { errors, failure } from '../../../bootstrap/api/errors.ts'
import type { CoreV1Event } from '../../../bootstrap/api/types.gen.ts'
import { daemonSets, nodes, type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { FakeClock, turns } from '../../../bootstrap/client/testing/fake-clock.ts'
import { type Call, MemoryClient } from '../../../bootstrap/client/testing/memory-client.ts'
import { plans } from '../plan.ts'
import { planOf } from '../testing.ts'
import { parseCommand } from './arguments.ts'
import { runKubectl } from './command.ts'
import { refusalTeller } from './refusals.ts'

let clock: FakeClock
let client: MemoryClient
let stop: AbortController
let lines: string[]

beforeEach(async () => {
  clock = new FakeClock()
  client = new MemoryClient({ now: () => clock.now() })
  stop = new AbortController()
  lines = []
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, spec: {} })
})
afterEach(() => stop.abort())

const owned = (kind: string, name: string): Partial<Pod['metadata']> => ({
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: 'x', controller: true }],
})
const replicated = owned('ReplicaSet', 'web')

const add = (name: string, metadata: object = replicated, spec: object = {}, status: object = {}): Pod =>
  client.seed(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', ...metadata },
    spec: { nodeName: 'n', containers: [], ...spec },
    status: { phase: 'Running', ...status },
  } as unknown as Pod)

const run = (...args: string[]) =>
  runKubectl(args, {
    client,
    clock,
    signal: stop.signal,
    out: line => void lines.push(line),
    err: line => void lines.push(`! ${line}`),
  })
/** As a Plan's pod does it. */
const drainFor = (plan: string | undefined) =>
  runKubectl(['drain', 'n', '--force'], {
    client,
    clock,
    signal: stop.signal,
    out: () => {},
    err: () => {},
    refused: refusalTeller({ client, clock, namespace: 'system-upgrade', node: 'n', plan }),
  })
const drain = (...flags: string[]) => run('drain', 'n', ...flags)
const exists = (name: string) => client.store.table('/pods').has(`default/${name}`)
const gone = (name: string) => client.delete(pods, { name, namespace: 'default' }, { gracePeriodSeconds: 0 })
const isCordoned = async () => (await client.get(nodes, { name: 'n' })).spec?.unschedulable === true
const budget = failure(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.")
const beforeEviction = (refuse: (name: string) => Error | undefined) => {
  client.before = ({ subresource, name }: Call) => {
    const refusal = subresource === 'eviction' ? refuse(name) : undefined
    if (refusal) throw refusal
  }
}

describe('cordon', () => {
  it('marks the node, says so, and that it was marked already', async () => {
    expect(await run('cordon', 'n')).toBe(0)
    expect(await isCordoned()).toBe(true)
    expect(await run('cordon', 'n')).toBe(0)
    expect(await run('uncordon', 'n')).toBe(0)
    expect(await isCordoned()).toBe(false)
    expect(await run('uncordon', 'n')).toBe(0)
    expect(lines).toEqual([
      'node/n cordoned',
      'node/n already cordoned',
      'node/n uncordoned',
      'node/n already uncordoned',
    ])
  })

  it('fails for a node that is not there, or may not be marked', async () => {
    expect(await run('cordon', 'm')).toBe(1)
    client.before = ({ verb }) => {
      if (verb === 'patch') throw errors.forbidden(nodes, 'n', 'no')
    }
    expect(await drain('--force')).toBe(1)
    expect(lines).toEqual([
      '! Error from server (NotFound): nodes "m" not found',
      '! error: unable to cordon node "n": nodes "n" is forbidden: no',
    ])
  })
})

describe('drain', () => {
  it('evicts what a controller replaces, and waits until it is gone', async () => {
    add('web-1')
    add('web-2')
    const ending = drain()
    await turns(20)
    expect(await isCordoned()).toBe(true)
    await gone('web-1')
    await clock.advance(1000)
    await gone('web-2')
    await clock.advance(1000)
    expect(await ending).toBe(0)
    expect(lines).toEqual([
      'node/n cordoned',
      'evicting pod default/web-1',
      'evicting pod default/web-2',
      'pod/web-1 evicted',
      'pod/web-2 evicted',
      'node/n drained',
    ])
    expect(client.calls.filter(({ subresource }) => subresource === 'eviction')).toHaveLength(2)
  })

  it.each([
    [
      'a pod without a controller',
      {},
      {},
      [],
      'cannot delete Pods that declare no controller (use --force to override): default/p',
    ],
    [
      'local storage',
      replicated,
      { volumes: [{ name: 'v', emptyDir: {} }] },
      [],
      'cannot delete Pods with local storage (use --delete-emptydir-data to override): default/p',
    ],
    [
      'a DaemonSet',
      owned('DaemonSet', 'agent'),
      {},
      [],
      'cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/p',
    ],
    [
      'a DaemonSet that is gone',
      owned('DaemonSet', 'lost'),
      {},
      ['--ignore-daemonsets'],
      'cannot delete daemonsets.apps "lost" not found: default/p',
    ],
  ])('refuses %s, and touches nothing', async (_, metadata, spec, flags, why) => {
    await client.create(daemonSets, {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'agent', namespace: 'default' },
      spec: {} as never,
    })
    add('p', metadata, spec)
    add('other')
    expect(await drain(...flags)).toBe(1)
    expect(exists('other')).toBe(true)
    expect(lines).toEqual([
      'node/n cordoned',
      `! error: unable to drain node "n" due to error: ${why}, continuing command...`,
      '! There are pending nodes to be drained:\n n',
      `! ${why}`,
    ])
  })

  it('says all that is in its way at once', async () => {
    add('a', {})
    add('b', replicated, { volumes: [{ name: 'v', emptyDir: {} }] })
    expect(await drain()).toBe(1)
    expect(lines[1]).toBe(
      '! error: unable to drain node "n" due to error: [cannot delete Pods that declare no controller (use --force to override): default/a, cannot delete Pods with local storage (use --delete-emptydir-data to override): default/b], continuing command...',
    )
  })

  it('leaves mirror pods and those of DaemonSets, and takes the rest when told to', async () => {
    await client.create(daemonSets, {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'agent', namespace: 'default' },
      spec: {} as never,
    })
    add('agent-1', owned('DaemonSet', 'agent'))
    add('static', { annotations: { 'kubernetes.io/config.mirror': 'x' } })
    add('bare', {})
    add('lost-1', owned('DaemonSet', 'lost'))
    add('scratch', replicated, { volumes: [{ name: 'v', emptyDir: {} }] })
    add('over', {}, {}, { phase: 'Succeeded' })
    const ending = drain('--force', '--ignore-daemonsets', '--delete-emptydir-data')
    await turns(20)
    for (const name of ['bare', 'lost-1', 'scratch']) await gone(name)
    await clock.advance(1000)
    expect(await ending).toBe(0)
    expect(['agent-1', 'static', 'over'].map(exists)).toEqual([true, true, false])
    expect(lines[1]).toBe(
      '! Warning: ignoring DaemonSet-managed Pods: default/agent-1; deleting Pods that declare no controller: default/bare',
    )
  })

  it('tells the Plan once for each pod that a disruption budget holds', async () => {
    client.seed(plans, planOf())
    add('web-1')
    add('web-2')
    const causes = [{ message: 'The disruption budget web needs 3 healthy pods and has 3 currently' }]
    let refusals = 5
    beforeEviction(() => (refusals-- > 0 ? failure(429, 'TooManyRequests', budget.message, { causes }) : undefined))
    const draining = drainFor('server-plan')
    while (refusals > 0) await clock.advance(5000)
    await turns()
    const said = [...client.store.table('/events').values()].map(event => {
      const { involvedObject, reason, message } = event as unknown as CoreV1Event
      return `${involvedObject.kind} ${involvedObject.name} ${reason}: ${message}`
    })
    const why = `has to stay for now: ${budget.message} ${causes[0]!.message}.`
    expect(said.sort()).toEqual([
      `Plan server-plan DrainWaiting: Node n is not drained yet, pod default/web-1 ${why}`,
      `Plan server-plan DrainWaiting: Node n is not drained yet, pod default/web-2 ${why}`,
    ])
    stop.abort()
    await draining.catch(() => {})
  })

  it('asks again every five seconds while a disruption budget forbids it', async () => {
    add('web-1')
    let refusals = 2
    beforeEviction(() => (refusals-- > 0 ? budget : undefined))
    const ending = drain()
    await turns(20)
    await clock.advance(4999)
    expect(refusals).toBe(1)
    await clock.advance(1)
    await clock.advance(5000)
    await gone('web-1')
    await clock.advance(1000)
    expect(await ending).toBe(0)
    const refused = `! error when evicting pods/"web-1" -n "default" (will retry after 5s): ${budget.message}`
    const asked = 'evicting pod default/web-1'
    expect(lines).toEqual([
      'node/n cordoned',
      asked,
      refused,
      asked,
      refused,
      asked,
      'pod/web-1 evicted',
      'node/n drained',
    ])
  })

  it('gives up after its timeout, and says what is left', async () => {
    add('web-1')
    beforeEviction(() => budget)
    const ending = drain('--timeout', '12s')
    await turns(20)
    await clock.advance(20_000)
    expect(await ending).toBe(1)
    const why = 'error when evicting pods/"web-1" -n "default": global timeout reached: 12s'
    expect(lines.slice(-5)).toEqual([
      `! There are pending pods in node "n" when an error occurred: ${why}`,
      '! pod/web-1',
      `! error: unable to drain node "n" due to error: ${why}, continuing command...`,
      '! There are pending nodes to be drained:\n n',
      `! ${why}`,
    ])
  })

  it('gives up on a pod that does not go in time', async () => {
    add('web-1')
    const ending = drain('--timeout=3s')
    await turns(20)
    await clock.advance(5000)
    expect(await ending).toBe(1)
    expect(lines.at(-1)).toBe(
      '! error when waiting for pod "web-1" in namespace "default" to terminate: global timeout reached: 3s',
    )
  })

  it('waits for a pod that goes with its namespace, and goes on when one is gone already', async () => {
    add('web-1')
    add('web-2')
    const cause = { reason: 'NamespaceTerminating', message: 'x', field: 'metadata.namespace' }
    const terminating = failure(403, 'Forbidden', 'namespace is being terminated', { causes: [cause] })
    beforeEviction(name => (name === 'web-1' ? terminating : errors.notFound(pods, name)))
    const ending = drain()
    await turns(20)
    expect(lines).toContain(
      '! error when evicting pod "web-1" from terminating namespace "default" (will retry after 5s): namespace is being terminated',
    )
    await client.delete(pods, { name: 'web-1', namespace: 'default' })
    await clock.advance(5000)
    await gone('web-1')
    await clock.advance(1000)
    expect(await ending).toBe(0)
  })

  it('stops at what the API forbids', async () => {
    add('web-1')
    beforeEviction(() => errors.forbidden(pods, 'web-1', 'no such right'))
    expect(await drain()).toBe(1)
    expect(lines.at(-1)).toBe(
      '! error when evicting pods/"web-1" -n "default": pods "web-1" is forbidden: no such right',
    )
  })

  it('deletes instead of evicting when told to, with the grace period it was given', async () => {
    add('web-1', replicated, { terminationGracePeriodSeconds: 30 })
    beforeEviction(() => budget)
    const ending = drain('--disable-eviction=true', '--grace-period', '7')
    await turns(20)
    const pod = await client.get(pods, { name: 'web-1', namespace: 'default' })
    expect(pod.metadata.deletionGracePeriodSeconds).toBe(7)
    await gone('web-1')
    await clock.advance(1000)
    expect(await ending).toBe(0)
    expect(lines).toEqual(['node/n cordoned', 'pod/web-1 deleted', 'node/n drained'])
  })

  it('does not wait for pods that should have been gone long ago', async () => {
    add('stuck', { ...replicated, finalizers: ['x'], deletionTimestamp: '2025-12-31T23:58:00Z' })
    add('slow', { ...replicated, finalizers: ['x'] })
    const ending = drain('--skip-wait-for-delete-timeout', '60')
    await turns(20)
    expect(lines).toEqual(['node/n cordoned', 'evicting pod default/slow'])
    await clock.advance(120_000)
    expect(await ending).toBe(0)
    expect(lines.slice(2)).toEqual([
      'pod "slow" has DeletionTimestamp older than 60 seconds, skipping',
      'node/n drained',
    ])
  })

  it('spares pods its selector leaves out', async () => {
    add('web-1', { ...replicated, labels: { 'upgrade.cattle.io/controller': 'x' } })
    expect(await drain('--pod-selector', '!upgrade.cattle.io/controller')).toBe(0)
    expect(exists('web-1')).toBe(true)
  })

  it('ends when it is told to', async () => {
    add('web-1')
    beforeEviction(() => budget)
    const ending = drain()
    await turns(20)
    stop.abort(new Error('stop'))
    await expect(ending).rejects.toThrow('stop')
  })
})

describe('arguments', () => {
  it.each([
    [['get', 'pods'], 'unknown command "get", want drain, cordon or uncordon'],
    [['drain'], 'USAGE: drain NODE [flags]'],
    [['drain', 'a', 'b'], 'USAGE: drain NODE [flags]'],
    [['drain', 'a', '--what'], 'unknown flag: --what'],
    [['cordon', 'a', '--force'], 'unknown flag: --force'],
    [['drain', 'a', '--timeout'], 'flag needs an argument: --timeout'],
    [['drain', 'a', '--timeout', '5'], 'invalid argument "5" for "--timeout" flag: want a duration such as 90s or 10m'],
    [['drain', 'a', '--grace-period=x'], 'invalid argument "x" for "--grace-period" flag: want a number'],
    [['drain', 'a', '--pod-selector', 'a in'], '--pod-selector=<pod_selector> must be a valid label selector'],
  ])('%j: %s', (args, why) => {
    expect(() => parseCommand(args)).toThrow(why)
  })
})
