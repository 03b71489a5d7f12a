import { describe, expect, it } from '@jest/globals'
import type { Pod } from '../../client/resources.ts'
import { emptyView, type PodView } from '../pods/view.ts'
import { forgottenLog } from './handler.ts'

/** A pod whose first container was embedded and has ended, as an agent finds it after its start. */
const pod = (image: string, state: object) =>
  ({
    metadata: { name: 'p', namespace: 'default' },
    spec: { initContainers: [{ name: 'drain', image }], containers: [{ name: 'upgrade', image: 'x' }] },
    status: { initContainerStatuses: [{ name: 'drain', restartCount: 0, state }] },
  }) as unknown as Pod

describe('the log of an embedded container that an earlier process ran', () => {
  const ended = { terminated: { exitCode: 0, containerID: 'containerd://c' } }

  it('is where it was', () => {
    expect(forgottenLog({ pod: pod('embedded/kubectl', ended), view: emptyView }, 'drain', '/logs/p')).toEqual({
      id: 'containerd://c',
      logPath: '/logs/p/drain/0.log',
    })
  })

  it.each<[string, Pod, PodView, string]>([
    ['is of a real container', pod('busybox', ended), emptyView, 'drain'],
    ['has not begun', pod('embedded/kubectl', { waiting: {} }), emptyView, 'drain'],
    ['is of another container', pod('embedded/kubectl', ended), emptyView, 'upgrade'],
    [
      'is known to the runtime',
      pod('embedded/kubectl', ended),
      { sandboxes: [], containers: [{ metadata: { name: 'drain' } } as never] },
      'drain',
    ],
  ])('is not looked for when it %s', (_, of, view, name) => {
    expect(forgottenLog({ pod: of, view }, name, '/logs/p')).toBeUndefined()
  })
})
