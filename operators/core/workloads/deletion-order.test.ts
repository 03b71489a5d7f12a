import { expect, test } from '@jest/globals'
import type { Pod } from '../../../bootstrap/client/resources.ts'
import { timestamp } from '../../runtime/time.ts'
import { inDeletionOrder } from './deletion-order.ts'

const now = Date.parse('2026-01-10T00:00:00Z')
const day = 86_400_000

interface Traits {
  readonly node?: string | undefined
  readonly phase?: string
  readonly readyFor?: number | undefined
  readonly cost?: string
  readonly restarts?: number
  readonly age?: number
}

function pod(
  name: string,
  { node = 'n', phase = 'Running', readyFor = day, cost, restarts = 0, age = day }: Traits,
): Pod {
  const ready = readyFor >= 0
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      uid: name,
      creationTimestamp: timestamp(now - age),
      annotations: cost === undefined ? {} : { 'controller.kubernetes.io/pod-deletion-cost': cost },
    },
    spec: { containers: [], nodeName: node },
    status: {
      phase,
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: timestamp(now - Math.abs(readyFor)) },
      ],
      containerStatuses: [{ name: 'c', image: '', imageID: '', ready, restartCount: restarts }],
    },
  }
}

test.each<[string, Traits, Traits]>([
  ['an unassigned pod', { node: '' }, {}],
  ['a pending pod', { phase: 'Pending' }, { phase: 'Running' }],
  ['a pod of unknown phase', { phase: 'Unknown' }, {}],
  ['a pod that is not ready', { readyFor: -1 }, {}],
  ['a cheap pod', { cost: '-5' }, {}],
  ['a pod with less cost', { cost: '1' }, { cost: '2' }],
  ['a pod ready for a much shorter time', { readyFor: 1000 }, { readyFor: day }],
  ['a pod with more restarts', { restarts: 3 }, { restarts: 1 }],
  ['a much younger pod', { age: 1000 }, { age: day }],
])('%s goes first', (_, first, second) => {
  const [a, b] = [pod('z', first), pod('a', second)]
  expect(inDeletionOrder([b, a], [], now)).toEqual([a, b])
})

test('a pod on a crowded node goes before a lonely one', () => {
  const crowded = pod('z', { node: 'n1' })
  const lonely = pod('a', { node: 'n2' })
  const related = [crowded, pod('sibling', { node: 'n1' }), lonely]
  expect(inDeletionOrder([lonely, crowded], related, now)).toEqual([crowded, lonely])
})

test('among pods of about one age the uid decides', () => {
  const [a, b] = [pod('a', { readyFor: 100_000 }), pod('b', { readyFor: 90_000 })]
  expect(inDeletionOrder([b, a], [], now)).toEqual([a, b])
})
