import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { nodes } from '../../bootstrap/client/resources.ts'
import { AgentFixture, canRunContainers, forever, isReady, shell, statusOf } from './agent-fixture.ts'

jest.setTimeout(60_000)
const image = 'busybox:1'
const describeWithContainers = canRunContainers ? describe : describe.skip

describeWithContainers('pods with a network of their own', () => {
  const fixture = new AgentFixture()
  const { client } = fixture

  beforeAll(async () => {
    await fixture.start()
    await fixture.importBusybox()
  })
  afterAll(() => fixture.destroy())

  const logOf = (uid: string | undefined, name: string) =>
    readFileSync(join(fixture.directory, `logs/default_${name}_${uid}/c/0.log`), 'utf8')

  test('a pod waits for the network and starts as soon as it is there', async () => {
    await fixture.create('web', {
      hostNetwork: false,
      hostname: 'web-0',
      subdomain: 'web',
      containers: [
        {
          name: 'c',
          image,
          command: shell(
            'hostname; cat /etc/hosts /etc/resolv.conf; echo hi > /tmp/index.html; exec httpd -f -p 8080 -h /tmp',
          ),
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
          livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    })
    const waiting = await fixture.until('web', ({ status }) => status?.containerStatuses !== undefined)
    expect(statusOf(waiting, 'c')?.state?.waiting?.reason).toBe('ContainerCreating')
    await fixture.useNetwork('10.250.7.0/24')
    const pod = await fixture.until('web', isReady)
    expect(pod.status?.podIP).toMatch(/^10\.250\.7\.\d+$/)
    const log = logOf(pod.metadata.uid, 'web')
    expect(log).toContain('stdout F web-0\n')
    expect(log).toContain(`${pod.status?.podIP}\tweb-0.web.default.svc.cluster.local\tweb-0`)
    expect(log).toContain('stdout F search default.svc.cluster.local svc.cluster.local cluster.local')
    expect(log).toContain('stdout F nameserver 10.43.0.10')
    const node = await client.get(nodes, { name: 'node-1' })
    expect(node.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'True',
      reason: 'KubeletReady',
    })
  })

  test('a pod whose sandbox dies gets a new one', async () => {
    await fixture.create('reborn', { hostNetwork: false, containers: [{ name: 'c', image, command: shell(forever) }] })
    const before = await fixture.until('reborn', isReady)
    const worker = fixture.agent.manager.find('default', 'reborn')
    await fixture.agent.runtime.stopPodSandbox(worker?.view.sandboxes[0]?.id ?? '')
    const after = await fixture.until('reborn', pod => isReady(pod) && (statusOf(pod, 'c')?.restartCount ?? 0) > 0)
    expect(statusOf(after, 'c')?.containerID).not.toBe(statusOf(before, 'c')?.containerID)
  })

  test('containers of a pod can share processes', async () => {
    await fixture.create('shared', {
      hostNetwork: false,
      shareProcessNamespace: true,
      restartPolicy: 'Never',
      containers: [{ name: 'c', image, command: shell('cat /proc/1/cmdline') }],
    })
    const pod = await fixture.until('shared', ({ status }) => status?.phase === 'Succeeded')
    expect(logOf(pod.metadata.uid, 'shared')).toContain('/pause')
  })
})
