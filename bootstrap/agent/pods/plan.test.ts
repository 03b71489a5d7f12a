import { describe, expect, test } from '@jest/globals'
import type { PodSpec } from '../../api/types.gen.ts'
import { nextStep, type PlanInput, type Step } from './plan.ts'
import { testContainer, testPod, testSandbox } from './testing.ts'
import type { ViewedContainer } from './view.ts'

const two = [{ name: 'a' }, { name: 'b' }]
const init = [{ name: 'i' }]
const sidecar = [{ name: 'i', restartPolicy: 'Always' }]

function plan(spec: Partial<PodSpec>, containers: readonly ViewedContainer[], more: Partial<PlanInput> = {}) {
  return nextStep({
    pod: testPod(spec),
    view: { sandboxes: [testSandbox()], containers },
    restartWait: () => undefined,
    retryAt: new Map(),
    unhealthy: new Map(),
    isStarted: () => true,
    now: 1000,
    ...more,
  })
}

const short = (step: Step): string => {
  switch (step.type) {
    case 'start':
      return `start ${step.kind} ${step.container.name} #${step.restartCount}`
    case 'kill':
      return `kill ${step.target.id}`
    case 'createSandbox':
      return `sandbox #${step.attempt}`
    case 'wait':
      return `wait ${step.until ?? ''}`.trim()
    case 'finish':
      return 'finish'
  }
}

const [running, done, failed] = [
  (name: string) => testContainer(name),
  (name: string) => testContainer(name, { exitCode: 0 }),
  (name: string) => testContainer(name, { exitCode: 1 }),
]

describe('app containers', () => {
  test.each<[string, Partial<PodSpec>, ViewedContainer[], string]>([
    ['start in order', { containers: two }, [], 'start app a #0'],
    ['one after the other', { containers: two }, [running('a')], 'start app b #0'],
    ['are left alone while they run', { containers: two }, [running('a'), running('b')], 'wait'],
    ['restart when they have failed', {}, [failed('c')], 'start app c #1'],
    ['restart when they have ended', {}, [done('c')], 'start app c #1'],
    ['do not restart OnFailure after success', { restartPolicy: 'OnFailure' }, [done('c')], 'finish'],
    ['restart OnFailure after failure', { restartPolicy: 'OnFailure' }, [failed('c')], 'start app c #1'],
    ['never restart', { restartPolicy: 'Never' }, [failed('c')], 'finish'],
    ['finish together', { restartPolicy: 'Never', containers: two }, [done('a'), running('b')], 'wait'],
    [
      'that never came up are started again',
      {},
      [testContainer('c', { state: 'CONTAINER_CREATED' })],
      'start app c #1',
    ],
  ])('%s', (_, spec, containers, expected) => {
    expect(short(plan(spec, containers).step)).toBe(expected)
  })
})

test('a container the runtime has forgotten goes on counting', () => {
  const pod = testPod()
  const known = { name: 'c', image: '', imageID: '', ready: true, restartCount: 4, containerID: 'containerd://x' }
  const { step } = plan({}, [], { pod: { ...pod, status: { containerStatuses: [known] } } })
  expect(short(step)).toBe('start app c #5')
})

describe('init containers', () => {
  test.each<[string, Partial<PodSpec>, ViewedContainer[], string]>([
    ['come first', { initContainers: init }, [], 'start init i #0'],
    ['are waited for', { initContainers: init }, [running('i')], 'wait'],
    ['make way when done', { initContainers: init }, [done('i')], 'start app c #0'],
    ['are repeated when they fail', { initContainers: init }, [failed('i')], 'start init i #1'],
    [
      'end the pod when they may not be repeated',
      { initContainers: init, restartPolicy: 'Never' },
      [failed('i')],
      'finish',
    ],
    ['do not matter once the app runs', { initContainers: init }, [running('c')], 'wait'],
    ['that are sidecars make way when started', { initContainers: sidecar }, [running('i')], 'start app c #0'],
    [
      'that are sidecars restart beside the app',
      { initContainers: sidecar },
      [done('i'), running('c')],
      'start init i #1',
    ],
    [
      'that are sidecars do not keep a pod alive',
      { initContainers: sidecar, restartPolicy: 'Never' },
      [running('i'), done('c')],
      'finish',
    ],
  ])('%s', (_, spec, containers, expected) => {
    expect(short(plan(spec, containers).step)).toBe(expected)
  })

  test('a sidecar that has not started holds the app back', () => {
    expect(short(plan({ initContainers: sidecar }, [running('i')], { isStarted: () => false }).step)).toBe('wait')
  })
})

describe('sandboxes', () => {
  const notReady = testSandbox({
    state: 'SANDBOX_NOTREADY',
    metadata: { name: 'p', namespace: 'ns', uid: 'u', attempt: 4 },
  })
  test.each<[string, Partial<PodSpec>, PlanInput['view'], string]>([
    ['is made first', {}, { sandboxes: [], containers: [] }, 'sandbox #0'],
    ['is replaced when it died', {}, { sandboxes: [notReady], containers: [failed('c')] }, 'sandbox #5'],
    ['without an address is replaced', {}, { sandboxes: [testSandbox({ ips: [] })], containers: [] }, 'sandbox #1'],
    [
      'needs no address on the host',
      { hostNetwork: true },
      { sandboxes: [testSandbox({ ips: [] })], containers: [] },
      'start app c #0',
    ],
    [
      'is not replaced for a pod that is done',
      { restartPolicy: 'OnFailure' },
      { sandboxes: [notReady], containers: [done('c')] },
      'finish',
    ],
    [
      'is not replaced for a pod that never restarts',
      { restartPolicy: 'Never' },
      { sandboxes: [notReady], containers: [failed('c')] },
      'finish',
    ],
  ])('a sandbox %s', (_, spec, view, expected) => {
    expect(short(plan(spec, [], { view }).step)).toBe(expected)
  })

  test('init containers run again in a new sandbox', () => {
    const view = { sandboxes: [testSandbox({ id: 's1' })], containers: [done('i'), failed('c')] }
    expect(short(plan({ initContainers: init }, [], { view }).step)).toBe('start init i #1')
  })

  test('one that could not be made is tried again later', () => {
    const view = { sandboxes: [], containers: [] }
    expect(short(plan({}, [], { view, retryAt: new Map([['', 5000]]) }).step)).toBe('wait 5000')
  })
})

describe('holding back', () => {
  test('a crash loop is reported and waited for, and others go on', () => {
    const restartWait: PlanInput['restartWait'] = container =>
      container.name === 'a' ? { until: 9000, delayMs: 20_000 } : undefined
    const waiting = plan({ containers: two }, [failed('a'), running('b')], { restartWait })
    expect([
      short(waiting.step),
      waiting.crashLoops.map(({ container, delayMs }) => [container.name, delayMs]),
    ]).toEqual(['wait 9000', [['a', 20_000]]])
    expect(short(plan({ containers: two }, [failed('a')], { restartWait }).step)).toBe('start app b #0')
  })

  test('a failed start is tried again later, and others go on', () => {
    const retryAt = new Map([['a', 5000]])
    expect(short(plan({ containers: two }, [], { retryAt }).step)).toBe('start app b #0')
    expect(short(plan({ containers: two }, [running('b')], { retryAt }).step)).toBe('wait 5000')
    expect(short(plan({ containers: two }, [running('b')], { retryAt, now: 6000 }).step)).toBe('start app a #0')
  })

  test('an unhealthy container is killed', () => {
    const { step } = plan({}, [running('c')], { unhealthy: new Map([['c-0', 'because']]) })
    expect(step).toMatchObject({ type: 'kill', message: 'because', target: { id: 'c-0' } })
  })

  test('a container whose definition changed is killed', () => {
    const { step } = plan({}, [testContainer('c', { annotations: { 'io.kubernetes.container.hash': 'old' } })])
    expect(step).toMatchObject({ type: 'kill', message: 'Container c definition changed, will be restarted' })
  })
})
