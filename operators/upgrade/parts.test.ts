import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import type { Node, Secret } from '../../bootstrap/client/resources.ts'
import { askChannel, resolveChannel } from './channel.ts'
import { planHash, secretHash } from './digest.ts'
import { downgradeProblem } from './downgrade.ts'
import { drainArgs } from './drain-args.ts'
import { jobOf } from './job.ts'
import { safeName, withTag } from './names.ts'
import { mungeVersion, type PlanSpec } from './plan.ts'
import { selectNodes } from './selection.ts'
import { type Environment, settingsOf } from './settings.ts'
import { nodeOf, planOf } from './testing.ts'
import { planProblem } from './validate.ts'
import { isWithin, parseWindow } from './window.ts'

const secret = (name: string, data?: { [key: string]: string }): Secret =>
  ({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'Opaque', ...(data ? { data } : {}) }) as Secret

describe('the hash', () => {
  const none = () => undefined

  it('is of the version and the account alone', () => {
    const plan = planOf()
    // printf v1.36.2-skiff1system-upgrade | sha224sum
    const hash = planHash(plan, 'v1.36.2-skiff1', none)
    expect(hash).toBe('965e4012a0add6d3a8924afc8ab855440528d41c6fd3add36daedefb')
    const others: Partial<PlanSpec>[] = [
      { upgrade: { image: 'other', args: ['a'], envs: [{ name: 'A', value: 'b' }] } },
      { drain: { force: true } },
      { nodeSelector: {} },
      { concurrency: 9 },
      { secrets: [{ name: 'key', ignoreUpdates: true }] },
    ]
    for (const spec of others) expect(planHash(planOf(spec), 'v1.36.2-skiff1', none)).toBe(hash)
    expect(planHash(plan, 'v1.36.3', none)).not.toBe(hash)
    expect(planHash(planOf({ serviceAccountName: 'other' }), 'v1.36.2-skiff1', none)).not.toBe(hash)
  })

  it('is of Secrets whose changes count, and of fields an annotation names', () => {
    const withKey = planOf({ secrets: [{ name: 'key' }] })
    const [one, two] = ['MQ==', 'Mg=='].map(a => planHash(withKey, 'v1', () => secret('key', { a })))
    expect(one).not.toBe(two)
    const named = (spec: Partial<PlanSpec>) =>
      planHash(
        planOf(spec, { annotations: { 'upgrade.cattle.io/digest': 'spec.concurrency,spec.upgrade.envs' } }),
        'v1',
        none,
      )
    const upgrade = (value: string) => ({ upgrade: { image: 'i', envs: [{ name: 'A', value }] } })
    expect(named({ concurrency: 1 })).not.toBe(named({ concurrency: 2 }))
    expect(named(upgrade('b'))).not.toBe(named(upgrade('c')))
    expect(named(upgrade('b'))).toBe(named({ ...upgrade('b'), cordon: true }))
  })

  // From kubectl's own tests, by which it is told that two hashes agree.
  it.each([
    [{}, 't75bgf6ctb'],
    [{ one: '' }, '74bd68bm66'],
    [{ two: 'Mg==', one: '', three: 'Mw==' }, 'dgcb6h9tmk'],
  ])('of the Secret %j is %s', (data, hash) => {
    expect(secretHash({ ...secret('', data as never), type: 'my-type' } as Secret)).toBe(hash)
  })
})

describe('names', () => {
  it.each([
    [['apply', 'plan', 'on', 'node', 'with', 'hash'], 'apply-plan-on-node-with-hash'],
    [
      ['apply', 'server-plan', 'on', 'n1', 'with', 'e6be86ccf52ef5b5c39910d2e40b23f9b70211a6c91288e5a5b2a1ae'],
      'apply-server-plan-on-n1-with-e6be86ccf52ef5b5c39910d2e40b-979e1',
    ],
  ])('%j', (parts, name) => {
    expect(safeName(...parts)).toBe(name)
  })

  it.each([
    ['rancher/k3s-upgrade', 'rancher/k3s-upgrade:v1'],
    ['rancher/k3s-upgrade:v2', 'rancher/k3s-upgrade:v2'],
    ['docker.io/library/busybox', 'busybox:v1'],
    ['docker.io/rancher/k3s-upgrade', 'rancher/k3s-upgrade:v1'],
    ['registry:5000/upgrade', 'registry:5000/upgrade:v1'],
    ['registry:5000/upgrade:x', 'registry:5000/upgrade:x'],
    ['a@sha256:0123', 'a@sha256:0123'],
  ])('the tag of %s', (image, tagged) => {
    expect(withTag(image, 'v1')).toBe(tagged)
  })
})

describe('a window', () => {
  const at = (time: string) => Date.parse(`2026-01-${time}Z`)

  it.each([
    // 1 January 2026 is a Thursday.
    [{ days: ['thu'], startTime: '10:00', endTime: '11:00' }, '01T10:00:00', true],
    [{ days: ['thu'], startTime: '10:00', endTime: '11:00' }, '01T11:00:00', true],
    [{ days: ['thu'], startTime: '10:00', endTime: '11:00' }, '01T11:00:01', false],
    [{ days: ['thu'], startTime: '10:00', endTime: '11:00' }, '01T09:59:59', false],
    [{ days: ['Friday', '6'], startTime: '10:00', endTime: '11:00' }, '01T10:30:00', false],
    [{ days: ['Friday', '4'], startTime: '10am', endTime: '11' }, '01T10:30:00', true],
    [{ days: ['th'], startTime: '10:15:30', endTime: '11:00pm' }, '01T10:15:29', false],
    [{ days: ['th'], startTime: '10:15:30', endTime: '11:00pm' }, '01T22:59:00', true],
    [{ days: ['thu'], startTime: '10:00', endTime: '11:00', timeZone: 'America/New_York' }, '01T15:30:00', true],
    [{ days: ['thu'], startTime: '22:00', endTime: '02:00' }, '01T23:00:00', true],
    [{ days: ['thu'], startTime: '22:00', endTime: '02:00' }, '02T01:00:00', true],
    [{ days: ['thu'], startTime: '22:00', endTime: '02:00' }, '01T01:00:00', false],
    [{ startTime: '00:00', endTime: '23:59' }, '01T10:00:00', false],
  ])('%j at %s', (window, time, expected) => {
    expect(isWithin(parseWindow(window), at(time))).toBe(expected)
  })
})

describe('a plan is not valid', () => {
  const time = { startTime: '10:00', endTime: '11:00' }

  it.each<[Partial<PlanSpec>, string | undefined]>([
    [{}, undefined],
    [
      { drain: { deleteLocalData: true, deleteEmptydirData: false } },
      'spec.drain cannot specify both deleteEmptydirData and deleteLocalData',
    ],
    [
      { drain: { podSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } } },
      'spec.drain.podSelector: "Near" is not a valid label selector operator',
    ],
    [
      { drain: { timeout: 'soon' } },
      'spec.drain.timeout: "soon" is not a duration, want a text such as 90s, 10m or 1h30m',
    ],
    [{ window: { days: ['day'], ...time } }, 'spec.window is invalid, Invalid weekday: day'],
    [{ window: { days: ['7'], ...time } }, 'spec.window is invalid, Invalid weekday, number out of range: 7'],
    [
      { window: { days: ['mon'], startTime: '25:00', endTime: '' } },
      'spec.window is invalid, Invalid time format: 25:00',
    ],
    [
      { window: { days: ['mon'], ...time, timeZone: 'Mars/Base' } },
      'spec.window is invalid, unknown time zone Mars/Base',
    ],
    [{ window: time }, 'spec.window is invalid, days are missing, so it would never be open'],
    [{ upgrade: { image: '' } }, 'spec.upgrade.image is empty'],
    [{ prepare: { image: '' } }, 'spec.prepare.image is empty'],
    [{ postCompleteDelay: '-5s' }, 'spec.postCompleteDelay is negative'],
    [{ secrets: [{ name: 'a' }, { name: 'b' }] }, 'secrets "a" not found, secrets "b" not found'],
  ])('%j: %s', (spec, problem) => {
    expect(planProblem(planOf(spec), () => undefined)).toBe(problem)
  })

  it('with a name that is too long for the label of its nodes', () => {
    const named = (length: number) => planProblem(planOf({}, { name: 'a'.repeat(length) }), () => undefined)
    expect(named(63)).toBeUndefined()
    expect(named(64)).toBe(
      'metadata.name has 64 characters, want at most 63: nodes get the label plan.upgrade.cattle.io/NAME',
    )
  })
})

describe('nodes', () => {
  it('come in an order that a plan and a hash always give, whatever order they are in', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e'].map(name => {
      const node = nodeOf(name)
      return { ...node, metadata: { ...node.metadata, uid: `uid-${name}` } }
    })
    const first = (hash: string, list: typeof nodes) =>
      selectNodes(planOf({ concurrency: 2 }, { uid: 'p' }), { latestHash: hash }, list).map(
        ({ metadata }) => metadata.name,
      )
    expect(first('x', nodes)).toEqual(first('x', nodes.toReversed()))
    const orders = new Set(['x', 'y', 'z', 'w'].map(hash => first(hash, nodes).join()))
    expect(orders.size).toBeGreaterThan(1)
  })

  it('that were begun stay, even when more than there may be', () => {
    const nodes = ['a', 'b', 'c'].map(name => nodeOf(name))
    const selected = selectNodes(planOf(), { latestHash: 'x', applying: ['c', 'b', 'gone'] }, nodes)
    expect(selected.map(({ metadata }) => metadata.name)).toEqual(['b', 'c'])
  })
})

describe('drain arguments', () => {
  const selector = ['--pod-selector', '!upgrade.cattle.io/controller']

  it.each([
    [{}, [...selector, '--ignore-daemonsets', '--delete-emptydir-data']],
    [{ ignoreDaemonSets: false, deleteEmptydirData: false }, selector],
    [{ ignoreDaemonSets: false, deleteLocalData: false }, selector],
    [{ timeout: 90_000_000_000 }, [...selector, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout', '1m30s']],
    [
      {
        force: true,
        timeout: '5m',
        gracePeriod: 10,
        disableEviction: true,
        skipWaitForDeleteTimeout: 60,
        podSelector: { matchLabels: { app: 'web' } },
      },
      [
        '--pod-selector',
        'app=web,!upgrade.cattle.io/controller',
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--force',
        '--timeout',
        '5m',
        '--grace-period',
        '10',
        '--disable-eviction=true',
        '--skip-wait-for-delete-timeout',
        '60',
      ],
    ],
  ])('%j', (drain, args) => {
    expect(drainArgs(drain, 'n')).toEqual(['drain', 'n', ...args])
  })
})

describe('a Job', () => {
  const status = { latestVersion: 'v1.36.2', latestHash: 'abc' }
  const make = (spec: Partial<PlanSpec>, metadata = {}, env: Environment = {}) => {
    const settings = settingsOf(env, problem => {
      throw new Error(problem)
    })
    const making = { settings, kubectlImage: 'kubectl', controller: 'system-upgrade-controller' }
    return jobOf(planOf(spec, metadata), status, nodeOf('n1.example.com'), making, 0)
  }

  it('prepares, then drains, then upgrades, on the node', () => {
    const job = make(
      {
        prepare: {
          image: 'prep:x',
          args: ['prepare', 'server-plan'],
          volumes: [{ name: 'v', source: '/a', destination: '/b' }],
        },
        upgrade: {
          image: 'up',
          command: ['go'],
          envs: [{ name: 'A', value: 'b' }],
          volumes: [{ name: 'v', source: '/a', destination: '/c' }],
        },
        drain: {},
        cordon: true,
        secrets: [
          { name: 'key', path: 'sub/key', defaultMode: 0o400 },
          { name: 'other', path: '/abs', ignoreUpdates: true },
        ],
        tolerations: [{ operator: 'Exists' }],
        priorityClassName: 'system-node-critical',
        imagePullSecrets: [{ name: 'pull' }],
      },
      {
        labels: { team: 'a', 'x.cattle.io/y': 'z' },
        annotations: {
          note: 'b',
          'kubectl.kubernetes.io/last-applied-configuration': '{}',
          'upgrade.cattle.io/digest': '',
        },
      },
    )
    expect(job.metadata).toMatchObject({ name: 'apply-server-plan-on-n1-with-abc', namespace: 'system-upgrade' })
    expect(job.metadata.labels).toEqual({
      'upgrade.cattle.io/controller': 'system-upgrade-controller',
      'upgrade.cattle.io/exclusive': 'false',
      'upgrade.cattle.io/node': 'n1.example.com',
      'upgrade.cattle.io/plan': 'server-plan',
      'upgrade.cattle.io/version': 'v1.36.2',
      'plan.upgrade.cattle.io/server-plan': 'abc',
      team: 'a',
    })
    expect(job.metadata.annotations).toMatchObject({ note: 'b', 'upgrade.cattle.io/ttl-seconds-after-finished': '900' })
    const { template, ...spec } = job.spec
    expect(spec).toEqual({
      podReplacementPolicy: 'TerminatingOrFailed',
      backoffLimit: 2,
      ttlSecondsAfterFinished: 900,
      completions: 1,
      parallelism: 0,
      activeDeadlineSeconds: 600,
    })
    expect(template.metadata?.annotations).toEqual({ note: 'b' })
    const pod = template.spec!
    expect(pod).toMatchObject({
      hostIPC: true,
      hostPID: true,
      hostNetwork: true,
      dnsPolicy: 'ClusterFirstWithHostNet',
      restartPolicy: 'Never',
      serviceAccountName: 'system-upgrade',
      priorityClassName: 'system-node-critical',
      imagePullSecrets: [{ name: 'pull' }],
      tolerations: [
        { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
        { operator: 'Exists' },
      ],
    })
    expect(pod.initContainers?.map(({ name, image }) => [name, image])).toEqual([
      ['prepare', 'prep:x'],
      ['drain', 'kubectl'],
    ])
    const [upgrade] = pod.containers
    expect(upgrade).toMatchObject({
      image: 'up:v1.36.2',
      command: ['go'],
      securityContext: { privileged: true, capabilities: { add: ['CAP_SYS_BOOT'] } },
    })
    expect(upgrade?.env?.map(({ name, value }) => [name, value])).toEqual([
      ['SYSTEM_UPGRADE_NODE_NAME', undefined],
      ['SYSTEM_UPGRADE_POD_NAME', undefined],
      ['SYSTEM_UPGRADE_POD_UID', undefined],
      ['A', 'b'],
      ['SYSTEM_UPGRADE_PLAN_NAME', 'server-plan'],
      ['SYSTEM_UPGRADE_PLAN_LATEST_HASH', 'abc'],
      ['SYSTEM_UPGRADE_PLAN_LATEST_VERSION', 'v1.36.2'],
    ])
    expect(upgrade?.volumeMounts?.map(({ mountPath }) => mountPath)).toEqual([
      '/host',
      '/run/system-upgrade/pod',
      '/run/system-upgrade/secrets/sub/key',
      '/abs',
      '/c',
    ])
    expect(pod.volumes?.map(({ name }) => name)).toEqual(['host-root', 'pod-info', 'secret-key', 'secret-other', 'v'])
    expect(pod.volumes?.slice(2, 4).map(({ secret }) => secret)).toEqual([
      { secretName: 'key', optional: false, defaultMode: 0o400 },
      { secretName: 'other', optional: true },
    ])
  })

  it("keeps away from the plan's own others, or from all exclusive ones", () => {
    const terms = (spec: Partial<PlanSpec>) =>
      make(spec).spec.template.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.map(
        ({ labelSelector, topologyKey }) => [labelSelector?.matchExpressions?.[0], topologyKey],
      )
    expect(terms({})).toEqual([
      [{ key: 'upgrade.cattle.io/plan', operator: 'In', values: ['server-plan'] }, 'kubernetes.io/hostname'],
    ])
    expect(terms({ exclusive: true })).toEqual([
      [{ key: 'upgrade.cattle.io/exclusive', operator: 'In', values: ['true'] }, 'kubernetes.io/hostname'],
    ])
  })

  it.each<[Partial<PlanSpec>, Environment, number | undefined]>([
    [{}, {}, 600],
    [{ jobActiveDeadlineSecs: 30 }, {}, 30],
    [{ jobActiveDeadlineSecs: 0 }, {}, undefined],
    [{ jobActiveDeadlineSecs: -1 }, { SYSTEM_UPGRADE_JOB_ACTIVE_DEADLINE_SECONDS: '900' }, 900],
    [{ jobActiveDeadlineSecs: 0 }, { SYSTEM_UPGRADE_JOB_ACTIVE_DEADLINE_SECONDS_MAX: '60' }, 60],
    [{ jobActiveDeadlineSecs: 90 }, { SYSTEM_UPGRADE_JOB_ACTIVE_DEADLINE_SECONDS_MAX: '60' }, 60],
  ])('has the deadline of %j and %j', (spec, env, seconds) => {
    expect(make(spec, {}, env).spec.activeDeadlineSeconds).toBe(seconds)
  })

  it('outlives the delay after it', () => {
    expect(make({ postCompleteDelay: '30m' }).spec.ttlSecondsAfterFinished).toBe(1860)
    expect(make({ postCompleteDelay: '5m' }).spec.ttlSecondsAfterFinished).toBe(900)
  })

  it('is as the environment says', () => {
    const job = make(
      {},
      {},
      {
        SYSTEM_UPGRADE_JOB_BACKOFF_LIMIT: '99',
        SYSTEM_UPGRADE_JOB_IMAGE_PULL_POLICY: 'Always',
        SYSTEM_UPGRADE_JOB_PRIVILEGED: 'false',
        SYSTEM_UPGRADE_JOB_POD_REPLACEMENT_POLICY: 'Failed',
        SYSTEM_UPGRADE_JOB_TTL_SECONDS_AFTER_FINISH: '10',
      },
    )
    expect(job.spec).toMatchObject({ backoffLimit: 99, podReplacementPolicy: 'Failed', ttlSecondsAfterFinished: 10 })
    expect(job.spec.template.spec?.containers[0]).toMatchObject({
      imagePullPolicy: 'Always',
      securityContext: { privileged: false },
    })
  })
})

describe('a downgrade', () => {
  it.each([
    ['rancher/k3s-upgrade', 'v1.36.3+k3s1', true],
    ['rancher/k3s-upgrade', 'v1.36.4+k3s1', false],
    ['rancher/k3s-upgrade', 'v1.40.0', false],
    ['rancher/k3s-upgrade', 'v1.9.99', true],
    ['registry:5000/a/skiff-upgrade', 'v1.35.0', true],
    ['rancher/k3s-upgrade:v1.35.0-k3s1', 'v1.37.0', true],
    ['rancher/k3s-upgrade:latest', 'v1.35.0', false],
    ['example/os-upgrade', 'v1.35.0', false],
    ['k3s-upgrade@sha256:0123', 'v1.35.0', false],
  ])('by %s to %s: %p', (image, version, refused) => {
    const node = { ...nodeOf('n'), status: { nodeInfo: { kubeletVersion: 'v1.36.4+skiff1' } } } as Node
    const problem = downgradeProblem(planOf({ upgrade: { image } }), { latestVersion: mungeVersion(version) }, node)
    expect(problem !== undefined).toBe(refused)
  })
})

describe('settings', () => {
  it('that cannot be read are as if they were not there, and complained of', () => {
    const problems: string[] = []
    const settings = settingsOf(
      {
        SYSTEM_UPGRADE_JOB_BACKOFF_LIMIT: 'many',
        SYSTEM_UPGRADE_JOB_PRIVILEGED: 'perhaps',
        SYSTEM_UPGRADE_PLAN_POLLING_INTERVAL: 'often',
      },
      problem => problems.push(problem),
    )
    expect(settings).toMatchObject({ backoffLimit: 2, privileged: true, pollingIntervalMs: 900_000 })
    expect(problems).toEqual([
      'SYSTEM_UPGRADE_JOB_BACKOFF_LIMIT: "many" is not a number',
      'SYSTEM_UPGRADE_JOB_PRIVILEGED: "perhaps" is neither true nor false',
      'SYSTEM_UPGRADE_PLAN_POLLING_INTERVAL: "often" is not a duration',
    ])
  })

  it.each([
    ['1m', 900_000],
    ['61s', 61_000],
    ['1h', 3_600_000],
  ])('of a polling interval of %s mean %d ms', (text, ms) => {
    expect(settingsOf({ SYSTEM_UPGRADE_PLAN_POLLING_INTERVAL: text }, () => {}).pollingIntervalMs).toBe(ms)
  })
})

describe('a channel', () => {
  const signal = AbortSignal.timeout(30_000)
  const answer = (status: number, location?: string) => async () => ({ status, statusText: 'Text', location })
  const resolve = (url: string, ask: Parameters<typeof resolveChannel>[1]) =>
    resolveChannel({ url, latestVersion: 'v1', clusterId: 'id' }, ask, signal)

  it.each([
    [302, '/k3s/releases/tag/v1.36.2%2Bk3s1', 'v1.36.2+k3s1'],
    [302, 'https://other/v3/', 'v3'],
    [200, undefined, 'stable'],
    [301, '/elsewhere/v4', 'stable'],
    [307, '/elsewhere/v4', 'stable'],
  ])('that answers %d to %s means %s', async (status, location, version) => {
    expect(await resolve('https://example.com/v1/stable', answer(status, location))).toBe(version)
  })

  it.each([
    [404, undefined, 'unexpected response: HTTP/1.1 404 Text'],
    [500, undefined, 'unexpected response: HTTP/1.1 500 Text'],
    [302, undefined, 'http: no Location header in response'],
  ])('that answers %d to %s is no use', async (status, location, why) => {
    await expect(resolve('https://example.com/stable', answer(status, location))).rejects.toThrow(why)
  })

  it('is asked once, by GET, with what is known', async () => {
    const seen: { method: string | undefined; url: string | undefined; headers: IncomingHttpHeaders }[] = []
    const server = createServer(({ method, url, headers }, response) => {
      seen.push({ method, url, headers })
      response.writeHead(302, { location: '/releases/v1.36.3' }).end('body')
    })
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/stable`
    try {
      expect(await resolve(url, askChannel)).toBe('v1.36.3')
      expect(seen).toHaveLength(1)
      expect(seen[0]).toMatchObject({
        method: 'GET',
        url: '/stable',
        headers: { 'x-suc-cluster-id': 'id', 'x-suc-latest-version': 'v1' },
      })
    } finally {
      server.close()
    }
    await expect(resolve(url, askChannel)).rejects.toThrow(/^Get "http:.*": connect ECONNREFUSED/)
    await expect(resolve('ftp://example.com/x', askChannel)).rejects.toThrow(
      'unsupported protocol scheme "ftp", want https',
    )
  })
})
