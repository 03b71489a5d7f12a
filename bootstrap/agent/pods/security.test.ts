import { describe, expect, test } from '@jest/globals'
import type { PodSecurityContext, SecurityContext } from '../../api/types.gen.ts'
import { containerSecurity, namespaceOptions } from './security.ts'
import { testPod } from './testing.ts'

const context = (
  own: SecurityContext,
  ofPod: PodSecurityContext = {},
  image: { uid?: number; username: string } = { username: '' },
) => containerSecurity(testPod({ securityContext: ofPod }), { name: 'c', securityContext: own }, image)

test.each([
  [{}, { network: 'POD', ipc: 'POD', pid: 'CONTAINER' }],
  [
    { hostNetwork: true, hostPID: true, hostIPC: true },
    { network: 'NODE', ipc: 'NODE', pid: 'NODE' },
  ],
  [{ shareProcessNamespace: true }, { network: 'POD', ipc: 'POD', pid: 'POD' }],
])('namespaces of %j', (spec, expected) => {
  expect(namespaceOptions(testPod(spec))).toEqual(expected)
})

test.each<[string, Parameters<typeof context>, object]>([
  [
    'defaults',
    [{}],
    {
      privileged: false,
      readonlyRootfs: false,
      noNewPrivs: false,
      runAsUser: { value: 0 },
      seccomp: { profileType: 'Unconfined' },
    },
  ],
  [
    'the container before the pod',
    [{ runAsUser: 5 }, { runAsUser: 6, runAsGroup: 7 }],
    { runAsUser: { value: 5 }, runAsGroup: { value: 7 } },
  ],
  ["the image's number", [{}, {}, { uid: 9, username: '' }], { runAsUser: { value: 9 } }],
  ["the image's name", [{}, {}, { username: 'web' }], { runAsUsername: 'web' }],
  ['groups', [{}, { fsGroup: 3, supplementalGroups: [4] }], { supplementalGroups: [3, 4] }],
  [
    'capabilities',
    [{ capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] } }],
    { capabilities: { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] } },
  ],
  [
    'no escalation',
    [{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true }],
    { noNewPrivs: true, readonlyRootfs: true },
  ],
  [
    'a seccomp profile',
    [{ seccompProfile: { type: 'RuntimeDefault' } }],
    { seccomp: { profileType: 'RuntimeDefault' } },
  ],
  [
    'a seccomp profile of a privileged one',
    [{ privileged: true, seccompProfile: { type: 'RuntimeDefault' } }],
    { privileged: true, seccomp: { profileType: 'Unconfined' } },
  ],
])('%s', (_, given, expected) => {
  expect(context(...given)).toMatchObject(expected)
})

test('paths are masked unless asked otherwise', () => {
  expect(context({}).maskedPaths).toContain('/proc/kcore')
  expect(context({ procMount: 'Unmasked' }).maskedPaths).toBeUndefined()
})

describe('runAsNonRoot', () => {
  const where = '(pod: "p_ns(u)", container: c)'
  test.each<[string, Parameters<typeof context>, string | undefined]>([
    ['a user', [{ runAsNonRoot: true, runAsUser: 5 }], undefined],
    ["the image's user", [{ runAsNonRoot: true }, {}, { uid: 5, username: '' }], undefined],
    ['overruled by the container', [{ runAsNonRoot: false }, { runAsNonRoot: true }], undefined],
    ['root', [{ runAsUser: 0 }, { runAsNonRoot: true }], `container's runAsUser breaks non-root policy ${where}`],
    [
      'an image without user',
      [{ runAsNonRoot: true }],
      `container has runAsNonRoot and image will run as root ${where}`,
    ],
    [
      'a name',
      [{ runAsNonRoot: true }, {}, { username: 'web' }],
      `container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root ${where}`,
    ],
  ])('%s', (_, given, message) => {
    if (message === undefined) expect(context(...given)).toBeDefined()
    else expect(() => context(...given)).toThrow(message)
  })
})
