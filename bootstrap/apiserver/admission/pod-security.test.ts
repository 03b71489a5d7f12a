import { describe, expect, test } from '@jest/globals'
import type { Pod } from '../../api/types.gen.ts'
import { violations } from './pod-security-levels.ts'
import { admit, ask, chainOver, cluster, pod } from './testing.ts'

const good = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
}
const found = (level: string, object: object) => violations(object as Pod, level)

describe('baseline', () => {
  test.each<[object, string]>([
    [pod(), ''],
    [pod({ hostNetwork: true, hostPID: true }), 'host namespaces (hostNetwork=true, hostPID=true)'],
    [
      pod({}, { securityContext: { privileged: true } }),
      'privileged (container "c" must not set securityContext.privileged=true)',
    ],
    [
      pod({}, { securityContext: { capabilities: { add: ['NET_ADMIN', 'CHOWN'] } } }),
      'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
    ],
    [pod({ volumes: [{ name: 'a', hostPath: { path: '/' } }] }), 'hostPath volumes (volume "a")'],
    [pod({}, { ports: [{ hostPort: 80 }, { hostPort: 0 }] }), 'hostPort (container "c" uses hostPort 80)'],
    [
      pod({ securityContext: { seccompProfile: { type: 'Unconfined' } } }),
      'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      pod({ securityContext: { seLinuxOptions: { type: 'spc_t', user: 'u' } } }),
      'seLinuxOptions (type "spc_t"; user may not be set)',
    ],
    [
      pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax' }, { name: 'net.ipv4.tcp_syncookies' }] } }),
      'forbidden sysctls (kernel.msgmax)',
    ],
    [
      pod({}, { securityContext: { procMount: 'Unmasked' } }),
      'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ],
    [
      pod({}, { livenessProbe: { httpGet: { host: '10.0.0.1' } } }),
      'probe or lifecycle host (container "c" uses probe or lifecycle host "10.0.0.1")',
    ],
  ])('%j', (object, text) => expect(found('baseline', object)).toBe(text))
})

describe('restricted', () => {
  test('a plain pod fails four checks', () => {
    expect(found('restricted', pod())).toBe(
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    )
  })

  test.each<[object, string]>([
    [pod({}, { securityContext: good }), ''],
    [pod({}, { securityContext: { ...good, runAsUser: 0 } }), 'runAsUser=0 (container "c" must not set runAsUser=0)'],
    [
      pod({ securityContext: { runAsNonRoot: false } }, { securityContext: good }),
      'runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)',
    ],
    [
      pod(
        {
          volumes: [
            { name: 'a', hostPath: { path: '/' } },
            { name: 'b', emptyDir: {} },
          ],
        },
        { securityContext: good },
      ),
      'restricted volume types (volume "a" uses restricted volume type "hostPath")',
    ],
  ])('%j', (object, text) => expect(found('restricted', object)).toBe(text))
})

describe('namespace labels', () => {
  const labelled = (labels: object) => chainOver(cluster().put('/namespaces', 'ns', {}, { labels }))
  const prefix = 'pod-security.kubernetes.io/'

  test('enforce refuses pods', async () => {
    const chain = labelled({ [`${prefix}enforce`]: 'baseline', [`${prefix}enforce-version`]: 'v1.36' })
    await expect(admit(chain, ask({ object: pod({ hostIPC: true }) }))).rejects.toThrow(
      'pods "x" is forbidden: violates PodSecurity "baseline:v1.36": host namespaces (hostIPC=true)',
    )
  })

  test('enforce lets workloads pass', async () => {
    const template = pod({ hostIPC: true })
    const request = ask({ of: 'apps/deployments', object: { spec: { template } } })
    await admit(labelled({ [`${prefix}enforce`]: 'baseline' }), request)
    expect(request.warnings).toEqual([])
  })

  test('warn warns about both', async () => {
    const template = pod({ hostIPC: true })
    const text = 'would violate PodSecurity "baseline:latest": host namespaces (hostIPC=true)'
    for (const asked of [{ object: template }, { of: 'apps/deployments', object: { spec: { template } } }]) {
      const request = ask(asked)
      await admit(labelled({ [`${prefix}warn`]: 'baseline' }), request)
      expect(request.warnings).toEqual([text])
    }
  })

  const namespace = (labels: object) => ({ metadata: { name: 'ns', labels } })
  const relabel = (labels: object) =>
    ask({
      of: '/namespaces',
      operation: 'UPDATE',
      namespace: '',
      name: 'ns',
      object: namespace(labels),
      old: namespace({}),
    })

  test('a stricter level warns about pods that are there', async () => {
    const objects = cluster()
    for (const name of ['b', 'a']) objects.put('/pods', name, { spec: { hostPID: true, containers: [] } }, {}, 'ns')
    objects.put('/pods', 'fine', { spec: { containers: [] } }, {}, 'ns')
    const request = relabel({ [`${prefix}enforce`]: 'baseline' })
    await admit(chainOver(objects), request)
    expect(request.warnings).toEqual([
      'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
      'a (and 1 other pod): host namespaces',
    ])
  })

  test.each([
    [{ [`${prefix}enforce`]: 'strict' }, 'Invalid value: "strict": must be one of privileged, baseline, restricted'],
    [{ [`${prefix}warn-version`]: '1.36' }, 'Invalid value: "1.36": must be "latest" or "v1.x"'],
  ])('%j is refused', async (labels, message) => {
    await expect(admit(chainOver(cluster()), relabel(labels))).rejects.toMatchObject({ code: 422 })
    await expect(admit(chainOver(cluster()), relabel(labels))).rejects.toThrow(message)
  })
})
