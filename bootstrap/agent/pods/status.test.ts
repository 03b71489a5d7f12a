import { describe, expect, test } from '@jest/globals'
import type { PodSpec, PodStatus } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import { podStatus, type StatusFacts } from './status.ts'
import { testContainer, testPod, testSandbox } from './testing.ts'
import type { ViewedContainer } from './view.ts'

const now = '2026-01-02T04:00:00Z'

function statusOf(pod: Pod, containers: readonly ViewedContainer[], more: Partial<StatusFacts> = {}): PodStatus {
  return podStatus(pod, {
    view: { sandboxes: [testSandbox()], containers },
    waiting: new Map(),
    isReady: () => true,
    isStarted: () => true,
    hostIps: ['192.0.2.1'],
    podIps: ['10.42.0.7'],
    terminal: false,
    failure: undefined,
    previous: undefined,
    now,
    ...more,
  })
}

const two: Partial<PodSpec> = { containers: [{ name: 'a' }, { name: 'b' }] }
const withInit: Partial<PodSpec> = { initContainers: [{ name: 'i' }] }
const withSidecar: Partial<PodSpec> = {
  initContainers: [{ name: 'i', restartPolicy: 'Always' }],
  restartPolicy: 'Never',
}
const run = (name: string) => testContainer(name)
const done = (name: string) => testContainer(name, { exitCode: 0 })
const failed = (name: string) => testContainer(name, { exitCode: 1 })

describe('a guest that the next process knows nothing of', () => {
  const spec: Partial<PodSpec> = {
    restartPolicy: 'Never',
    initContainers: [{ name: 'i', image: 'embedded/m' }],
    containers: [{ name: 'c' }],
  }
  const entry = {
    name: 'i',
    image: 'embedded/m',
    imageID: '',
    ready: false,
    restartCount: 0,
    containerID: 'containerd://x',
  }
  const following = (state: object, containers: readonly ViewedContainer[] = []) =>
    statusOf(testPod(spec), containers, {
      previous: { initContainerStatuses: [{ ...entry, state }] } as unknown as PodStatus,
    })

  test('has not failed when it was running', () => {
    const status = following({ running: { startedAt: now } })
    expect(status.phase).toBe('Pending')
    expect(status.initContainerStatuses?.[0]).toMatchObject({ state: { waiting: {} }, lastState: {}, ready: false })
  })

  test('is done when it was done', () => {
    const status = following({ terminated: { exitCode: 0, reason: 'Completed' } }, [run('c')])
    expect(status.phase).toBe('Running')
    expect(status.initContainerStatuses?.[0]).toMatchObject({ state: { terminated: { exitCode: 0 } }, ready: true })
    expect(status.conditions?.find(({ type }) => type === 'Initialized')).toMatchObject({ status: 'True' })
  })
})

describe('phase', () => {
  test.each<[string, Partial<PodSpec>, ViewedContainer[], boolean, string]>([
    ['nothing yet', {}, [], false, 'Pending'],
    ['one of two runs', two, [run('a')], false, 'Pending'],
    ['both run', two, [run('a'), run('b')], false, 'Running'],
    ['ended and to be restarted', {}, [failed('c')], false, 'Running'],
    ['succeeded, OnFailure', { restartPolicy: 'OnFailure' }, [done('c')], false, 'Succeeded'],
    ['failed, OnFailure', { restartPolicy: 'OnFailure' }, [failed('c')], false, 'Running'],
    ['failed, Never', { restartPolicy: 'Never' }, [failed('c')], false, 'Failed'],
    ['one runs on, Never', { ...two, restartPolicy: 'Never' }, [failed('a'), run('b')], false, 'Running'],
    ['initialising', withInit, [run('i')], false, 'Pending'],
    ['init failed, Always', withInit, [failed('i')], false, 'Pending'],
    ['init failed, Never', { ...withInit, restartPolicy: 'Never' }, [failed('i')], false, 'Failed'],
    ['initialised', withInit, [done('i'), run('c')], false, 'Running'],
    ['sidecar outlives the app', withSidecar, [run('i'), done('c')], false, 'Running'],
    ['sidecar and app have ended', withSidecar, [done('i'), done('c')], false, 'Succeeded'],
    ['deleted after success', {}, [done('c')], true, 'Succeeded'],
    ['deleted after failure', {}, [failed('c')], true, 'Failed'],
    ['deleted before it ran', {}, [], true, 'Failed'],
  ])('%s', (_, spec, containers, terminal, expected) => {
    expect(statusOf(testPod(spec), containers, { terminal }).phase).toBe(expected)
  })

  test('a failure of the whole pod shows when nothing runs any more', () => {
    const failure = { reason: 'Evicted', message: 'no room' }
    expect(statusOf(testPod(), [run('c')], { failure }).phase).toBe('Running')
    expect(statusOf(testPod(), [done('c')], { failure, terminal: true })).toMatchObject({ phase: 'Failed', ...failure })
  })
})

const conditionsOf = (status: PodStatus) =>
  Object.fromEntries(
    (status.conditions ?? []).map(({ type, status: value, reason, message }) => [
      type,
      [value, reason, message].filter(Boolean).join(' '),
    ]),
  )

describe('conditions', () => {
  test.each<[string, Partial<PodSpec>, ViewedContainer[], Partial<StatusFacts>, { [type: string]: string }]>([
    [
      'all is well',
      {},
      [run('c')],
      {},
      {
        PodReadyToStartContainers: 'True',
        Initialized: 'True',
        Ready: 'True',
        ContainersReady: 'True',
        PodScheduled: 'True',
      },
    ],
    ['no sandbox', {}, [], { view: { sandboxes: [], containers: [] } }, { PodReadyToStartContainers: 'False' }],
    [
      'unready',
      two,
      [run('a'), run('b')],
      { isReady: id => id === 'a-0' },
      { Ready: 'False ContainersNotReady containers with unready status: [b]' },
    ],
    [
      'initialising',
      withInit,
      [run('i')],
      {},
      {
        Initialized: 'False ContainersNotInitialized containers with incomplete status: [i]',
        ContainersReady: 'False ContainersNotReady containers with unready status: [c]',
      },
    ],
    [
      'completed',
      { restartPolicy: 'Never' },
      [done('c')],
      {},
      { Initialized: 'True PodCompleted', Ready: 'False PodCompleted', ContainersReady: 'False PodCompleted' },
    ],
    [
      'failed',
      { restartPolicy: 'Never' },
      [failed('c')],
      {},
      { Ready: 'False PodFailed', ContainersReady: 'False PodFailed' },
    ],
    [
      'an unmet gate',
      { readinessGates: [{ conditionType: 'x/y' }] },
      [run('c')],
      {},
      {
        Ready: 'False ReadinessGatesNotReady corresponding condition of pod readiness gate "x/y" does not exist.',
        ContainersReady: 'True',
      },
    ],
    [
      'a met gate',
      { readinessGates: [{ conditionType: 'x/y' }] },
      [run('c')],
      { previous: { conditions: [{ type: 'x/y', status: 'True' }] } },
      { Ready: 'True', 'x/y': 'True' },
    ],
  ])('%s', (_, spec, containers, more, expected) => {
    expect(conditionsOf(statusOf(testPod(spec), containers, more))).toMatchObject(expected)
  })

  test('a condition keeps its time while its status stays', () => {
    const early = '2026-01-01T00:00:00Z'
    const previous = {
      conditions: [
        { type: 'Ready', status: 'True', lastTransitionTime: early },
        { type: 'ContainersReady', status: 'False', lastTransitionTime: early },
      ],
    }
    const times = (statusOf(testPod(), [run('c')], { previous }).conditions ?? []).map(
      ({ type, lastTransitionTime }) => [type, lastTransitionTime],
    )
    expect(times).toContainEqual(['Ready', early])
    expect(times).toContainEqual(['ContainersReady', now])
  })
})

describe('container statuses', () => {
  const first = (pod: Pod, containers: ViewedContainer[], more: Partial<StatusFacts> = {}) =>
    statusOf(pod, containers, more).containerStatuses?.[0]

  test('one that never started did so at the epoch', () => {
    const refused = testContainer('c', { exitCode: 128, reason: 'StartError', startedAt: 0 })
    const status = first(testPod({ restartPolicy: 'Never' }), [refused])
    expect(status?.state?.terminated).toMatchObject({ reason: 'StartError', startedAt: '1970-01-01T00:00:00Z' })
  })

  test('a running container', () => {
    expect(
      first(testPod(), [
        testContainer('c', { restarts: 2 }),
        testContainer('c', { restarts: 1, exitCode: 3, message: 'oops' }),
      ]),
    ).toEqual({
      name: 'c',
      state: { running: { startedAt: '2026-01-02T03:04:05Z' } },
      lastState: {
        terminated: {
          exitCode: 3,
          reason: 'Error',
          message: 'oops',
          startedAt: '2026-01-02T03:04:05Z',
          finishedAt: '2026-01-02T03:04:10Z',
          containerID: 'containerd://c-1',
        },
      },
      ready: true,
      restartCount: 2,
      image: 'docker.io/library/i:latest',
      imageID: 'sha256:1',
      containerID: 'containerd://c-2',
      started: true,
    })
  })

  test.each<[string, Partial<PodSpec>, ViewedContainer[], object]>([
    [
      'not created',
      {},
      [],
      { state: { waiting: { reason: 'ContainerCreating' } }, image: 'i', imageID: '', restartCount: 0, ready: false },
    ],
    ['behind init containers', withInit, [run('i')], { state: { waiting: { reason: 'PodInitializing' } } }],
    [
      'killed for memory',
      { restartPolicy: 'Never' },
      [testContainer('c', { exitCode: 137, reason: 'OOMKilled' })],
      { state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } },
    ],
    ['completed', { restartPolicy: 'Never' }, [done('c')], { state: { terminated: { reason: 'Completed' } } }],
    [
      'lost',
      { restartPolicy: 'Never' },
      [testContainer('c', { state: 'CONTAINER_UNKNOWN' })],
      { state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } } },
    ],
  ])('%s', (_, spec, containers, expected) => {
    expect(first(testPod(spec), containers)).toMatchObject(expected)
  })

  test('a reason to wait replaces the state of a container that is to be restarted', () => {
    const waiting = new Map([['c', { reason: 'CrashLoopBackOff', message: 'back-off' }]])
    expect(first(testPod(), [failed('c')], { waiting })).toMatchObject({
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
      lastState: { terminated: { exitCode: 1 } },
    })
    expect(first(testPod({ restartPolicy: 'Never' }), [failed('c')], { waiting })).toMatchObject({
      state: { terminated: { exitCode: 1 } },
    })
  })

  test('a container the runtime has forgotten is remembered', () => {
    const known = {
      name: 'c',
      image: '',
      imageID: 'x',
      ready: true,
      restartCount: 2,
      containerID: 'containerd://y',
      state: { running: {} },
    }
    expect(first(testPod(), [], { previous: { containerStatuses: [known] } })).toMatchObject({
      restartCount: 2,
      ready: false,
      state: { waiting: { reason: 'ContainerCreating' } },
      lastState: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', containerID: 'containerd://y' } },
    })
  })

  describe('an end that was told', () => {
    const ended = (exitCode: number) => ({
      name: 'c',
      image: 'embedded/m',
      imageID: 'x',
      ready: false,
      restartCount: 2,
      containerID: 'containerd://y',
      state: { terminated: { exitCode, reason: 'Completed', containerID: 'containerd://y' } },
      lastState: { terminated: { exitCode: 7, reason: 'Error', containerID: 'containerd://x' } },
    })

    test('stays as it was when the runtime has forgotten the container', () => {
      const known = ended(0)
      const spec: Partial<PodSpec> = { restartPolicy: 'Never', containers: [{ name: 'c', image: 'embedded/m' }] }
      const status = statusOf(testPod(spec), [], { terminal: true, previous: { containerStatuses: [known] } })
      expect(status.phase).toBe('Succeeded')
      expect(status.containerStatuses).toEqual([{ ...known, started: false }])
    })

    test('is the last state of the container that follows', () => {
      const previous = { containerStatuses: [ended(1)] }
      expect(first(testPod(), [run('c')], { previous })).toMatchObject({
        state: { running: {} },
        lastState: { terminated: { exitCode: 1, containerID: 'containerd://y' } },
      })
    })

    test('is not its own last state', () => {
      const previous = { containerStatuses: [{ ...ended(1), containerID: 'containerd://c-0' }] }
      previous.containerStatuses[0]!.state.terminated.containerID = 'containerd://c-0'
      expect(first(testPod(), [failed('c')], { previous })).toMatchObject({
        state: { terminated: { containerID: 'containerd://c-0' } },
        lastState: { terminated: { exitCode: 7 } },
      })
    })
  })

  test('not ready before the startup probe has passed', () => {
    expect(first(testPod(), [run('c')], { isStarted: () => false })).toMatchObject({ started: false, ready: false })
  })
})

test('addresses, start time and generation', () => {
  const previous = { startTime: '2026-01-01T00:00:00Z' }
  expect(statusOf(testPod(), [], { previous, podIps: ['10.42.0.7', 'fd00::7'] })).toMatchObject({
    observedGeneration: 3,
    hostIP: '192.0.2.1',
    podIP: '10.42.0.7',
    podIPs: [{ ip: '10.42.0.7' }, { ip: 'fd00::7' }],
    startTime: '2026-01-01T00:00:00Z',
    qosClass: 'BestEffort',
  })
})
